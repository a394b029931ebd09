using System.Runtime.InteropServices;

namespace Datasette.Litestream.EndToEnd;

/// <summary>The choice of .NET, and the loading of Python.NET: a process can have only one of each.</summary>
[TestClass]
public sealed class RuntimeSpecs
{
    private const string RootVariable = "DATASETTE_LITESTREAM_DOTNET_ROOT";

    /// <summary>
    /// The folder of this machine's .NET, which these tests use: ROOT/shared/Microsoft.NETCore.App/VERSION is its runtime.
    /// </summary>
    private static readonly string MachineRoot = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "../../.."));

    [TestMethod]
    [DataRow(false, false)]
    [DataRow(true, false)]
    [DataRow(false, true)]
    public async Task The_machine_s_own_will_do(bool hasPythonNet, bool isRelative)
    {
        using var workspace = new Workspace();
        var root = isRelative ? Path.GetRelativePath(workspace.Folder, MachineRoot) : MachineRoot;
        await using var datasette = await StartAsync(workspace, hasPythonNet, new() { [RootVariable] = root });
        Assert.AreEqual(MachineRoot, RootOfRuntime(datasette));
        await datasette.AssertReplicatesAsync("parks");
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public async Task Not_configured_neither_Python_NET_nor_a_runtime_is_loaded(bool hasPythonNet)
    {
        using var workspace = new Workspace();
        var python = await PythonAsync(hasPythonNet);
        await using var datasette = await DatasetteProcess.StartAsync(
            workspace,
            [
                workspace.Create("parks"),
                .. AnotherPlugin(
                    workspace,
                    """
                    import sys
                    from datasette import hookimpl, Response

                    @hookimpl
                    def register_routes():
                        return [(r"^/modules$", lambda: Response.text(" ".join(sys.modules)))]
                    """),
            ],
            python: python);
        await datasette.Http.GetStringAsync("/-/litestream-status");
        var modules = (await datasette.Http.GetStringAsync("/modules")).Split(' ');
        CollectionAssert.Contains(modules, "datasette_litestream");
        foreach (var module in new[] { "clr", "pythonnet", "clr_loader", "datasette_litestream.runtime" })
        {
            CollectionAssert.DoesNotContain(modules, module);
        }

        Assert.IsFalse(datasette.MappedFiles.Any(file => Path.GetFileName(file) is "libcoreclr.so" or "libhostfxr.so"));
    }

    [TestMethod]
    public async Task A_folder_loads_nothing_of_Amazons()
    {
        using var workspace = new Workspace();
        await using var datasette = await StartAsync(workspace, DatasetteInstallation.Main.HasPythonNet, []);
        await datasette.Http.GetStringAsync("/-/litestream-status");
        var mapped = datasette.MappedFiles.Select(Path.GetFileName).ToList();
        CollectionAssert.Contains(mapped, "Datasette.Litestream.dll");
        Assert.IsEmpty(mapped.Where(file => file!.StartsWith("AWSSDK", StringComparison.Ordinal)));
        await datasette.AssertReplicatesAsync("parks");
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public async Task Who_imports_clr_later_gets_this_one(bool hasPythonNet)
    {
        using var workspace = new Workspace();
        await using var datasette = await StartAsync(workspace, hasPythonNet, [], AnotherPlugin(
            workspace,
            """
            from datasette import hookimpl, Response

            @hookimpl
            def register_routes():
                return [(r"^/process$", process)]

            def process():
                import clr
                from System import Environment
                return Response.text(str(Environment.ProcessId))
            """));
        Assert.AreEqual($"{datasette.Id}", await datasette.Http.GetStringAsync("/process"));
        StringAssert.Contains(RootOfRuntime(datasette), "datasette_litestream/dotnet");
        await datasette.AssertReplicatesAsync("parks");
    }

    [TestMethod]
    [DataRow("pythonnet.load(runtime)")]
    [DataRow("pythonnet.set_runtime(runtime)")]
    public async Task The_one_that_something_else_has_chosen_is_used(string choose)
    {
        RealParts.RequirePythonNet();
        using var workspace = new Workspace();
        workspace.Write(
            "plain.runtimeconfig.json",
            """{"runtimeOptions": {"framework": {"name": "Microsoft.NETCore.App", "version": "10.0.0"}}}""");
        await using var datasette = await StartAsync(workspace, hasPythonNet: true, [], AnotherPlugin(
            workspace,
            $"""
            import clr_loader, pythonnet
            runtime = clr_loader.get_coreclr(runtime_config="plain.runtimeconfig.json", dotnet_root="{MachineRoot}")
            {choose}
            """));
        Assert.AreEqual(MachineRoot, RootOfRuntime(datasette));
        await datasette.AssertReplicatesAsync("parks");
    }

    [TestMethod]
    public async Task One_that_is_too_old_and_that_something_else_has_chosen_is_refused()
    {
        using var workspace = new Workspace();
        // Mono reports version 4; the test imitates it, since not every test machine has Mono.
        var message = await FailToStartAsync(workspace, DatasetteInstallation.Main.HasPythonNet, [], AnotherPlugin(
            workspace,
            """
            import sys
            from types import SimpleNamespace

            class Version:
                Major = 4
                def __str__(self):
                    return "4.0.30319.42000"

            sys.modules["pythonnet"] = SimpleNamespace(_RUNTIME="Mono", load=lambda runtime: None)
            sys.modules["System"] = SimpleNamespace(Environment=SimpleNamespace(Version=Version()))
            """));
        Assert.AreEqual(
            "datasette-litestream: other code in this process has chosen .NET 4.0.30319.42000 for Python.NET, and this plugin "
            + "needs .NET 10 or later. Change that choice, or run the other code in another process.",
            message);
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public async Task A_folder_without_a_host_is_one_clear_sentence(bool hasPythonNet)
    {
        using var workspace = new Workspace();
        Assert.AreEqual(
            $"datasette-litestream: .NET 10 or later cannot be loaded from {workspace.Folder}: There is no host/fxr/VERSION/libhostfxr in it.",
            await FailToStartAsync(workspace, hasPythonNet, new() { [RootVariable] = workspace.Folder }));
    }

    [TestMethod]
    public async Task A_host_without_a_runtime_is_one_clear_sentence_and_the_host_s_own_reason()
    {
        using var workspace = new Workspace();
        Directory.CreateSymbolicLink(workspace.Path("host"), Path.Combine(MachineRoot, "host"));
        StringAssert.StartsWith(
            await FailToStartAsync(workspace, DatasetteInstallation.Main.HasPythonNet, new() { [RootVariable] = workspace.Folder }),
            $"datasette-litestream: .NET 10 or later cannot be loaded from {workspace.Folder}: You must install or update .NET");
    }

    private static Task<string> PythonAsync(bool hasPythonNet) =>
        PluginEnvironment.PythonAsync(DatasetteInstallation.Of(DatasetteInstallation.Main.Version, hasPythonNet));

    private static async Task<DatasetteProcess> StartAsync(
        Workspace workspace, bool hasPythonNet, Dictionary<string, string?> environment, params string[] options)
    {
        _ = RealParts.Litestream;
        return await DatasetteProcess.StartAsync(
            workspace, [workspace.Create("parks"), .. Settings.ReplicateAll(), .. options], environment, await PythonAsync(hasPythonNet));
    }

    /// <returns>The message.</returns>
    private static async Task<string> FailToStartAsync(
        Workspace workspace, bool hasPythonNet, Dictionary<string, string?> environment, params string[] options)
    {
        var (exitCode, output) = await DatasetteProcess.RunAsync(
            workspace, [workspace.Create("parks"), .. Settings.ReplicateAll(), .. options], environment, await PythonAsync(hasPythonNet));
        return Refusal.AssertIn(exitCode, output);
    }

    /// <summary>Writes another plugin for Datasette.</summary>
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
