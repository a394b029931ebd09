using System.Text;
using Datasette.Litestream.Processes;

namespace Datasette.Litestream.Tests.Processes;

/// <summary>A child process with recorded output. Dispose kills it and its descendants.</summary>
internal sealed class StartedChild : IDisposable
{
    private readonly StringBuilder _output = new(), _errors = new();

    public StartedChild(
        string path,
        IReadOnlyList<string> arguments,
        IReadOnlyDictionary<string, string>? environment = null,
        string input = "",
        bool endsWithOutput = false) =>
        Process = ChildProcess.Start(
            path,
            arguments,
            environment ?? new Dictionary<string, string> { ["PATH"] = Environment.GetEnvironmentVariable("PATH")! },
            Encoding.UTF8.GetBytes(input),
            piece => Keep(_output, piece),
            piece => Keep(_errors, piece),
            endsWithOutput);

    public ChildProcess Process { get; }

    public string Output => Text(_output);

    public string Errors => Text(_errors);

    /// <summary>Runs a line of <c>/bin/sh</c>.</summary>
    public static StartedChild Shell(string script, bool endsWithOutput = false) =>
        new("/bin/sh", ["-c", script], endsWithOutput: endsWithOutput);

    /// <summary>Waits for a line of output, such as one that reports that the set-up is complete.</summary>
    public Task SaysAsync(string line) => Eventually.HoldsAsync(() => Output.Split('\n').Contains(line), $"the child says {line}");

    /// <summary>Waits for its end and all its output.</summary>
    public async Task<ProcessExit> EndsAsync()
    {
        await Process.OutputEnded.InTimeAsync();
        return await Process.Exited.InTimeAsync();
    }

    public void Dispose()
    {
        Process.SendToGroup(LibC.SIGKILL);
        Process.Exited.InTimeAsync().GetAwaiter().GetResult();
    }

    private static void Keep(StringBuilder kept, ReadOnlyMemory<byte> piece)
    {
        lock (kept)
        {
            kept.Append(Encoding.UTF8.GetString(piece.Span));
        }
    }

    private static string Text(StringBuilder kept)
    {
        lock (kept)
        {
            return kept.ToString();
        }
    }
}
