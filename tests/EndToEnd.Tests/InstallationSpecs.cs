namespace Datasette.Litestream.EndToEnd;

/// <summary>The installation of the package.</summary>
[TestClass]
public sealed class InstallationSpecs
{
    [TestMethod]
    public async Task An_editable_install_works_too()
    {
        _ = RealParts.Litestream;
        using var workspace = new Workspace();
        var python = await PluginEnvironment.MakeAsync(workspace.Path("venv"));
        await PluginEnvironment.InstallAsync(python, "--editable", PluginEnvironment.RepositoryRoot);
        await using var datasette = await DatasetteProcess.StartAsync(
            workspace, [workspace.Create("parks"), .. Settings.ReplicateAll()], python: python);
        await datasette.AssertReplicatesAsync("parks");
    }
}
