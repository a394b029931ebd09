namespace Datasette.Litestream.EndToEnd;

/// <summary>A Datasette with a plugin that attaches and detaches databases by routes.</summary>
internal static class AttachingPlugin
{
    /// <summary>The options that load it.</summary>
    public static string[] Options(Workspace workspace)
    {
        Directory.CreateDirectory(workspace.Path("plugins"));
        File.Copy(Path.Combine(PluginEnvironment.RepositoryRoot, "tests/EndToEnd.Tests/attaching.py"), workspace.Path("plugins/attaching.py"));
        return ["--plugins-dir", "plugins"];
    }

    /// <summary>Has Datasette attach files of the workspace.</summary>
    /// <param name="datasette">The Datasette.</param>
    /// <param name="databases">The names, and the files' names.</param>
    public static Task AttachAsync(this DatasetteProcess datasette, params (string Name, string File)[] databases) => datasette.Http.GetStringAsync(
        $"/-/test/attach?{string.Join('&', databases.Select(database => $"name={database.Name}&path={Uri.EscapeDataString(datasette.Workspace.Path(database.File))}"))}");

    /// <summary>Has Datasette detach databases.</summary>
    public static Task DetachAsync(this DatasetteProcess datasette, params string[] names) =>
        datasette.Http.GetStringAsync($"/-/test/detach?{string.Join('&', names.Select(name => $"name={name}"))}");

    /// <summary>Has Datasette write a row.</summary>
    public static Task AddRowAsync(this DatasetteProcess datasette, string name, string text) =>
        datasette.Http.GetStringAsync($"/-/test/add?name={name}&text={Uri.EscapeDataString(text)}");
}
