using System.Text.Json.Nodes;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Restoring;
using Datasette.Litestream.SqliteFiles;

namespace Datasette.Litestream.Commands;

/// <summary>
/// <c>datasette litestream verify</c>: restores the newest state from each destination into a temporary folder, has SQLite check it, and
/// compares it with the live database, unless that is written to meanwhile.
/// </summary>
internal sealed class VerifyingCommand(CommandTools tools, CommandArguments arguments)
{
    /// <summary>How long nobody must have written for everything to be at every destination.</summary>
    private static readonly TimeSpan SettledTime = TimeSpan.FromSeconds(15);

    private readonly Terminal _terminal = tools.Terminal;

    /// <summary>Runs it.</summary>
    /// <returns>The exit status: 1 if a backup cannot be restored, is damaged or differs.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        _ = tools.RequireLitestream();
        tools.TellProblems();
        var (results, isSound) = (new JsonArray(), true);
        foreach (var database in tools.Databases)
        {
            _ = tools.Restorer.DestinationsOf(database, arguments.Number("from"));
            foreach (var number in Enumerable.Range(1, database.Replicas.Length).Where(number => arguments.Number("from") is not { } from || from == number))
            {
                using var destination = tools.Restorer.DestinationsOf(database, number)[0];
                var result = new JsonObject { ["name"] = database.Name, ["number"] = number, ["destination"] = destination.Replica.Destination };
                try
                {
                    isSound &= await VerifyAsync(database, destination, result, cancellationToken).ConfigureAwait(false);
                }
                catch (ReplicationException ex)
                {
                    isSound = false;
                    result["sound"] = false;
                    result["error"] = ex.Message;
                    Write($"FAIL  {ex.Message}");
                }

                results.Add((JsonNode)result);
            }
        }

        if (arguments.IsJson)
        {
            _terminal.Write(results);
        }

        return isSound ? 0 : 1;
    }

    private async Task<bool> VerifyAsync(DatabasePlan database, Destination destination, JsonObject result, CancellationToken cancellationToken)
    {
        var isLive = File.Exists(database.Path);
        var before = isLive ? await tools.Sqlite.CompareAsync(null, database.Path, cancellationToken).ConfigureAwait(false) : null;
        var isSettled = isLive && tools.Time.GetUtcNow() - LastWriteTo(database.Path) > SettledTime;
        var target = RestoreTarget.Newest;
        var found = await tools.Restorer.FindAsync(destination, target, cancellationToken).ConfigureAwait(false)
            ?? throw new ReplicationException($"{database.Name}: there is no backup at {destination.Replica.Destination}.");
        var folder = Directory.CreateTempSubdirectory("datasette-litestream-verify-").FullName;
        try
        {
            RequireRoom(folder, found.DatabaseBytes);
            var file = await tools.Restorer.RestoreAsync(
                destination, target, found, folder, progress => _terminal.Progress($"{database.Name}: {Wording.Size(progress.Written)} restored"), cancellationToken).ConfigureAwait(false);
            var started = tools.Time.GetTimestamp();
            _terminal.Progress($"{database.Name}: checking");
            var fault = await tools.Sqlite.CheckAsync(file.Path, cancellationToken).ConfigureAwait(false);
            var comparison = fault is null && isLive ? await tools.Sqlite.CompareAsync(file.Path, database.Path, cancellationToken).ConfigureAwait(false) : null;
            var isQuiet = isSettled && before?.Mark is { } mark && comparison?.Mark == mark;
            var (verdict, sentence) = Judge(fault, comparison, isQuiet, isLive, found.Beyond);
            result["sound"] = verdict != Verdict.Bad;
            result["compared"] = verdict == Verdict.Equal;
            result["verdict"] = sentence;
            result["txid"] = found.Point is RestorePoint.Transaction ? found.Point.Name : null;
            result["bytes"] = file.Bytes;
            result["restoreSeconds"] = file.Took.TotalSeconds;
            result["checkSeconds"] = tools.Time.GetElapsedTime(started).TotalSeconds;
            Write($"{(verdict == Verdict.Bad ? "FAIL" : "ok")}  {database.Name} from {destination.Replica.Destination}: {sentence}");
            Write($"      {Wording.Size(file.Bytes)} restored in {Wording.Duration(file.Took)}, checked in {Wording.Duration(tools.Time.GetElapsedTime(started))}{(found.Point.Name.Length > 0 ? $"; {found.Point.Name}" : "")}");
            return verdict != Verdict.Bad;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static (Verdict Verdict, string Sentence) Judge(string? fault, FileComparison? comparison, bool isQuiet, bool isLive, ulong? beyond) =>
        fault is not null ? (Verdict.Bad, $"what is restored is damaged: {fault}")
        : beyond is { } txid ? (Verdict.Bad, $"there are files up to transaction {RestorePoint.NameOf(txid)}, but something before that is missing, so the newest state cannot be restored")
        : comparison?.Differences is [] ? (Verdict.Equal, "whole, and equal to the live database")
        : comparison?.Differences is { } differences && isQuiet ? (Verdict.Bad, $"whole, but not what the live database is, to which nobody writes: {string.Join(", ", differences)} differ. Is it replicated?")
        : !isLive ? (Verdict.Whole, "whole; there is no live database to compare it with")
        : comparison?.Error is { } error ? (Verdict.Whole, $"whole; it could not be compared with the live database: {error}")
        : (Verdict.Whole, "whole; not compared with the live database, which was written to just now");

    private static void RequireRoom(string folder, long? bytes)
    {
        if (bytes is { } needed && new DriveInfo(folder).AvailableFreeSpace is var free && free < needed)
        {
            throw new ReplicationException($"A restored database has {needed:#,0} bytes, and {Path.GetTempPath()} has room for {free:#,0}. Set TMPDIR to a folder with more.");
        }
    }

    private static DateTimeOffset LastWriteTo(string path) =>
        new[] { path, $"{path}-wal" }.Select(file => FileStatus.Look(file).Status is { Size: > 0 } status ? status.ModifiedAt : DateTimeOffset.MinValue).Max();

    private void Write(string line)
    {
        if (!arguments.IsJson)
        {
            _terminal.Write(line);
        }
    }

    private enum Verdict
    {
        Bad,

        /// <summary>It can be restored, and SQLite finds no fault in it.</summary>
        Whole,

        /// <summary>The same, and it is equal to the live database.</summary>
        Equal,
    }
}
