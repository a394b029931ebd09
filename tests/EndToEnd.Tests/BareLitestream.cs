using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Datasette.Litestream.EndToEnd;

/// <summary>
/// A <c>litestream replicate</c> that was started by hand: each database of a workspace to <c>backup/NAME</c>. Beside each lies the record
/// that a Datasette would leave there, so that <c>datasette litestream verify</c> asks this Litestream which transaction it has taken.
/// </summary>
internal sealed class BareLitestream : IAsyncDisposable
{
    private readonly Process _process;

    private BareLitestream(Process process) => _process = process;

    /// <summary>Starts it.</summary>
    /// <param name="workspace">Where the databases are.</param>
    /// <param name="litestream">The binary. Nobody can ask Litestream 0.3, which has no control socket.</param>
    /// <param name="names">The databases.</param>
    /// <param name="settings">More of its configuration.</param>
    public static async Task<BareLitestream> StartAsync(Workspace workspace, string litestream, IEnumerable<string> names, JsonObject? settings = null)
    {
        var files = names.Select(name => workspace.Path($"{name}.db")).ToList();
        var configuration = settings?.DeepClone().AsObject() ?? [];
        configuration["socket"] = new JsonObject { ["enabled"] = true, ["path"] = workspace.Path("control") };
        configuration["dbs"] = new JsonArray([.. files.Select(file => (JsonNode)new JsonObject
        {
            ["path"] = file,
            ["replicas"] = new JsonArray(new JsonObject { ["url"] = $"file://{workspace.Backup(Path.GetFileNameWithoutExtension(file))}" }),
        })]);

        // JSON is YAML.
        workspace.Write("litestream.yml", configuration.ToJsonString());
        File.Delete(workspace.Path("control"));
        var process = Process.Start(new ProcessStartInfo(litestream, ["replicate", "-config", workspace.Path("litestream.yml")])
        {
            WorkingDirectory = workspace.Folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        process.OutputDataReceived += (_, _) => { };
        process.ErrorDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        var started = new BareLitestream(process);
        foreach (var file in files)
        {
            await Wait.UntilAsync(() => process.HasExited || Directory.Exists(FolderOf(file)), "Litestream has opened the databases");
            File.WriteAllText(Path.Combine(FolderOf(file), "datasette-litestream.json"), started.Record(workspace).ToJsonString());
        }

        return started;
    }

    /// <summary>Has it send what it has not sent yet, and ends it.</summary>
    public async Task StopAsync()
    {
        if (!_process.HasExited)
        {
            _ = Signals.Send(_process.Id, Signals.SIGTERM);
            await _process.WaitForExitAsync().WaitAsync(DatasetteProcess.Patience);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _process.Dispose();
    }

    private static string FolderOf(string file) => Path.Combine(Path.GetDirectoryName(file)!, $".{Path.GetFileName(file)}-litestream");

    /// <summary>The record as <c>LockRecord</c> reads it, with the process as <c>ProcessIdentity</c> knows it.</summary>
    private JsonObject Record(Workspace workspace)
    {
        var stat = File.ReadAllText($"/proc/{_process.Id}/stat");
        var identity = new JsonObject
        {
            ["processId"] = _process.Id,

            // proc_pid_stat(5): the 20th field after the name in parentheses, and the state.
            ["startTime"] = long.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[19], CultureInfo.InvariantCulture),
            ["boot"] = File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim(),
            ["namespace"] = new FileInfo("/proc/self/ns/pid").LinkTarget,
        };
        return new JsonObject { ["holder"] = identity, ["litestream"] = identity.DeepClone(), ["socketFolder"] = workspace.Folder };
    }
}
