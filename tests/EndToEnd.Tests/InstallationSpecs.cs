namespace Datasette.Litestream.EndToEnd;

/// <summary>How the package gets to its users.</summary>
[TestClass]
public sealed class InstallationSpecs
{
    [TestMethod]
    public async Task An_editable_install_works_too()
    {
        _ = RealParts.Litestream05;
        using var workspace = new Workspace();
        var python = await PluginEnvironment.MakeAsync(workspace.Path("venv"));
        await PluginEnvironment.InstallAsync(python, "--editable", PluginEnvironment.RepositoryRoot);
        await using (var datasette = await DatasetteProcess.StartAsync(
            workspace, [workspace.Create("parks"), .. Settings.ReplicateAll()], python: python))
        {
            await datasette.InsertAsync("parks", "through Datasette");
            await datasette.StopAsync();
        }

        await workspace.AssertRestoredAsync("parks");
    }

    [TestMethod]
    public async Task A_missing_runtime_is_one_clear_sentence()
    {
        _ = RealParts.Litestream05;
        using var workspace = new Workspace();
        var environment = new Dictionary<string, string?> { ["DOTNET_ROOT"] = workspace.Folder };
        var (exitCode, output) = await DatasetteProcess.RunAsync(workspace, [workspace.Create("parks"), .. Settings.ReplicateAll()], environment);
        Assert.AreEqual(1, exitCode);
        StringAssert.StartsWith(output, "Error: datasette-litestream needs the .NET 10 runtime or a later one, and found none.");
        Assert.DoesNotContain("Traceback", output);
    }
}
