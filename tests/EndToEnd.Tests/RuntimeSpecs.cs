using System.Runtime.InteropServices;

namespace Datasette.Litestream.EndToEnd;

/// <summary>Which .NET the plugin runs on: a process can have but one.</summary>
[TestClass]
public sealed class RuntimeSpecs
{
    private const string RootVariable = "DATASETTE_LITESTREAM_DOTNET_ROOT";

    /// <summary>Where the .NET of this machine is, which these tests run on: ROOT/shared/Microsoft.NETCore.App/VERSION is its runtime.</summary>
    private static readonly string MachineRoot = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "../../.."));

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public async Task The_machine_s_own_will_do(bool isRelative)
    {
        using var workspace = new Workspace();
        var root = isRelative ? Path.GetRelativePath(workspace.Folder, MachineRoot) : MachineRoot;
        await using var datasette = await StartAsync(workspace, new() { [RootVariable] = root });
        Assert.AreEqual(MachineRoot, RootOfRuntime(datasette));
        await datasette.AssertReplicatesAsync("parks");
    }

    [TestMethod]
    public async Task The_one_that_something_else_has_loaded_is_used()
    {
        RealParts.RequirePythonNet();
        using var workspace = new Workspace();
        workspace.Write(
            "plain.runtimeconfig.json",
            """{"runtimeOptions": {"framework": {"name": "Microsoft.NETCore.App", "version": "10.0.0"}}}""");
        await using var datasette = await StartAsync(workspace, [], AnotherPlugin(
            workspace,
            $"""
            import clr_loader, pythonnet
            pythonnet.load(clr_loader.get_coreclr(runtime_config="plain.runtimeconfig.json", dotnet_root="{MachineRoot}"))
            """));
        Assert.AreEqual(MachineRoot, RootOfRuntime(datasette));
        await datasette.AssertReplicatesAsync("parks");
    }

    [TestMethod]
    public async Task One_of_another_kind_that_something_else_has_loaded_is_refused()
    {
        using var workspace = new Workspace();
        var message = await FailToStartAsync(workspace, [], AnotherPlugin(
            workspace,
            """
            import sys, types
            sys.modules["pythonnet"] = types.SimpleNamespace(_LOADED=True, get_runtime_info=lambda: types.SimpleNamespace(kind="Mono"))
            """));
        Assert.AreEqual(
            "datasette-litestream needs .NET 10 or later, and something else in this process has loaded Mono through Python.NET. "
            + "Have it load .NET 10, or run it in another process.",
            message);
    }

    [TestMethod]
    public async Task A_folder_without_a_host_is_one_clear_sentence()
    {
        using var workspace = new Workspace();
        Assert.AreEqual(
            $"datasette-litestream cannot load .NET 10 or later from {workspace.Folder}: There is no host/fxr/VERSION/libhostfxr in it.",
            await FailToStartAsync(workspace, new() { [RootVariable] = workspace.Folder }));
    }

    [TestMethod]
    public async Task A_host_without_a_runtime_is_one_clear_sentence_and_the_host_s_own_reason()
    {
        using var workspace = new Workspace();
        Directory.CreateSymbolicLink(workspace.Path("host"), Path.Combine(MachineRoot, "host"));
        StringAssert.StartsWith(
            await FailToStartAsync(workspace, new() { [RootVariable] = workspace.Folder }),
            $"datasette-litestream cannot load .NET 10 or later from {workspace.Folder}: You must install or update .NET");
    }

    private static Task<DatasetteProcess> StartAsync(Workspace workspace, Dictionary<string, string?> environment, params string[] options)
    {
        _ = RealParts.Litestream;
        return DatasetteProcess.StartAsync(workspace, [workspace.Create("parks"), .. Settings.ReplicateAll(), .. options], environment);
    }

    /// <returns>The message.</returns>
    private static async Task<string> FailToStartAsync(Workspace workspace, Dictionary<string, string?> environment, params string[] options)
    {
        var (exitCode, output) = await DatasetteProcess.RunAsync(
            workspace, [workspace.Create("parks"), .. Settings.ReplicateAll(), .. options], environment);
        return Refusal.AssertIn(exitCode, output);
    }

    /// <summary>Writes a plugin that Datasette loads beside this one.</summary>
    /// <returns>The options that name it.</returns>
    private static string[] AnotherPlugin(Workspace workspace, string code)
    {
        Directory.CreateDirectory(workspace.Path("plugins"));
        workspace.Write("plugins/another.py", code);
        return ["--plugins-dir", "plugins"];
    }

    private static string RootOfRuntime(DatasetteProcess datasette)
    {
        var runtime = datasette.MappedFiles.Single(file => Path.GetFileName(file) == "libcoreclr.so");
        return Path.GetFullPath(Path.Combine(runtime, "../../../.."));
    }
}
