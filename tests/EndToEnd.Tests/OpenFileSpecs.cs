using System.Globalization;
using System.Text.RegularExpressions;

namespace Datasette.Litestream.EndToEnd;

/// <summary>
/// Nothing in the Datasette process opens or closes a database's files, except Python's own SQLite: SQLite's locks are POSIX
/// locks, and any close of the file by the process drops them all (https://sqlite.org/howtocorrupt.html, 2.2).
/// </summary>
[TestClass]
public sealed partial class OpenFileSpecs
{
    [TestMethod]
    public async Task Only_SQLite_opens_a_database_in_the_process_of_Datasette()
    {
        var strace = RealParts.Find("strace") ?? throw Skip.Because("there is no strace on PATH; it is a package of that name");
        _ = RealParts.Litestream;
        using var workspace = new Workspace();
        var file = workspace.Create("parks");
        var trace = workspace.Path("trace");
        var python = workspace.Path("python");

        // -DD: the traced process keeps its id, so that signals reach it. Other runs of Python, which only make tokens, are not traced.
        workspace.Write(
            "python",
            $"""
            #!/bin/sh
            case "$*" in
              *{file}*) exec {strace} -DD -f -q --seccomp-bpf -o {trace} -e trace=open,openat,openat2,%process {await PluginEnvironment.PythonAsync()} "$@" ;;
              *) exec {await PluginEnvironment.PythonAsync()} "$@" ;;
            esac
            """);
        File.SetUnixFileMode(python, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        int process;
        await using (var datasette = await DatasetteProcess.StartAsync(workspace, [file, .. Settings.ReplicateAll()], python: python))
        {
            process = datasette.Id;
            for (var i = 0; i < 5; i++)
            {
                await datasette.InsertAsync("parks", $"row {i}");
                _ = await datasette.WaitForDatabaseAsync("replicating");
                foreach (var page in new[] { "/-/litestream-status", "/-/litestream-status?database=parks", "/-/litestream-health", "/parks/rows.json" })
                {
                    using var answer = await datasette.Http.GetAsync(page);
                }
            }

            await datasette.StopAsync();
        }

        // strace fills a short process id up with spaces.
        await Wait.UntilAsync(() => File.ReadLines(trace).Any(line => EndLine().IsMatch(line) && Id(line) == process), "the trace is complete");
        var opens = Opens(await File.ReadAllLinesAsync(trace), workspace.Path(file)).ToList();
        Assert.IsNotEmpty(opens.Where(open => open.IsSqlite && open.IsDatasette), "Datasette's own SQLite was not seen");
        Assert.IsNotEmpty(opens.Where(open => !open.IsSqlite && !open.IsDatasette), "Litestream, which reads the files itself, was not seen");
        Assert.AreEqual("", string.Join('\n', opens.Where(open => !open.IsSqlite && open.IsDatasette).Select(open => open.Line)));
    }

    /// <summary>The opens of a database's files. SQLite never follows a link when it opens one (O_NOFOLLOW); .NET and Python do.</summary>
    private static IEnumerable<(bool IsDatasette, bool IsSqlite, string Line)> Opens(string[] lines, string database)
    {
        var processes = Processes(lines);
        return lines
            .Where(line => line.Contains($"\"{database}\"", StringComparison.Ordinal)
                || line.Contains($"\"{database}-wal\"", StringComparison.Ordinal)
                || line.Contains($"\"{database}-shm\"", StringComparison.Ordinal))
            .Where(line => OpenCall().IsMatch(line))
            .Select(line => (processes(Id(line)), line.Contains("O_NOFOLLOW", StringComparison.Ordinal), line));
    }

    /// <summary>Tells whether a thread is one of the first process: strace names threads, and the call that made each.</summary>
    private static Func<int, bool> Processes(string[] lines)
    {
        var makers = new Dictionary<int, (int Maker, bool IsThread)>();
        var unfinished = new Dictionary<int, bool>();
        foreach (var line in lines)
        {
            if (!CloneCall().IsMatch(line))
            {
                continue;
            }

            var isThread = unfinished.GetValueOrDefault(Id(line)) || line.Contains("CLONE_THREAD", StringComparison.Ordinal);
            if (line.EndsWith("<unfinished ...>", StringComparison.Ordinal))
            {
                unfinished[Id(line)] = isThread;
            }
            else if (Result().Match(line) is { Success: true } made)
            {
                unfinished.Remove(Id(line));
                makers[int.Parse(made.Value, CultureInfo.InvariantCulture)] = (Id(line), isThread);
            }
        }

        var first = Id(lines[0]);
        return IsOfFirst;

        bool IsOfFirst(int id) => id == first || (makers.TryGetValue(id, out var made) && made.IsThread && IsOfFirst(made.Maker));
    }

    private static int Id(string line) => int.Parse(line.AsSpan(0, line.IndexOf(' ', StringComparison.Ordinal)), CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^\d+ +open")]
    private static partial Regex OpenCall();

    [GeneratedRegex(@"^\d+ +(<\.\.\. )?v?(clone3?|fork)\b")]
    private static partial Regex CloneCall();

    [GeneratedRegex(@"^\d+ +\+\+\+ ")]
    private static partial Regex EndLine();

    [GeneratedRegex(@"(?<= = )\d+$")]
    private static partial Regex Result();
}
