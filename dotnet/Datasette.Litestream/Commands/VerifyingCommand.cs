using System.Text.Json.Nodes;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Locking;
using Datasette.Litestream.Proving;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Restoring;

namespace Datasette.Litestream.Commands;

/// <summary>
/// <c>datasette litestream verify</c>: a drill of each destination, beside the Datasette that replicates the database, whose Litestream is
/// asked, and without one.
/// </summary>
internal sealed class VerifyingCommand(CommandTools tools, CommandArguments arguments)
{
    private readonly Terminal _terminal = tools.Terminal;

    /// <summary>Runs it.</summary>
    /// <returns>The exit status: 1 if a drill failed, 2 if none failed and one could not be held, 0 if all proved their backups.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        var binary = tools.RequireLitestream();
        var releaseLine = binary.Version.ReleaseLine!.Value;
        tools.TellProblems();
        var inBackground = new LitestreamCommand(binary.Path, () => tools.Variables, text => tools.Redactor.Redact(text), tools.Time, releaseLine, isInBackground: true);
        var (results, outcomes) = (new JsonArray(), new HashSet<DrillOutcome>());
        foreach (var database in tools.Databases)
        {
            using var socket = SocketOf(database);
            var drill = new Drill(
                () => new Restorer(inBackground, releaseLine, tools.Stores, tools.Time),
                tools.Sqlite,
                releaseLine,
                socket is null || releaseLine == ReleaseLine.V03 ? null : (plan, stop) => socket.TakenTransactionAsync(plan.Path, stop),
                tools.Time);
            foreach (var replica in Restorer.ReplicasOf(database, arguments.Number("from")))
            {
                var result = await drill.HoldAsync(
                    database, replica, Drill.MaxPatience, progress => _terminal.Progress($"{database.Name}: {DrillWording.Describe(progress)}"), _ => { }, cancellationToken).ConfigureAwait(false);
                outcomes.Add(result.Outcome);
                results.Add((JsonNode)ToJson(database, replica, result));
                Tell(database, replica, result);
                Keep(database, replica, result);
            }
        }

        if (arguments.IsJson)
        {
            _terminal.Write(results);
        }

        return outcomes.Contains(DrillOutcome.Failed) ? 1 : outcomes.Contains(DrillOutcome.NotHeld) ? 2 : 0;
    }

    /// <summary>The control socket of the Litestream that replicates a database now; null if none does.</summary>
    private static ControlSocket? SocketOf(DatabasePlan database)
    {
        if (LockRecord.Read(DatabaseLock.RecordPathOf(database.Path)) is not { Litestream.IsRunning: true } record)
        {
            return null;
        }

        var socket = new ControlSocket(Path.Combine(record.SocketFolder, ControlSocket.FileName));
        if (socket.IsListening())
        {
            return socket;
        }

        socket.Dispose();
        return null;
    }

    private static JsonObject ToJson(DatabasePlan database, ReplicaPlan replica, DrillResult result) => new()
    {
        ["name"] = database.Name,
        ["number"] = database.Replicas.IndexOf(replica) + 1,
        ["destination"] = replica.Destination,
        ["at"] = CommandTools.Iso(result.At),
        ["outcome"] = DrillWording.Name(result.Outcome),
        ["sentence"] = result.Sentence,
        ["details"] = result.Details,
        ["stillRestorable"] = result.StillRestorable,
        ["state"] = result.State,
        ["bytes"] = result.Bytes,
        ["dataAgeSeconds"] = result.DataAgeSeconds,
        ["restoreSeconds"] = result.RestoreSeconds,
        ["checkSeconds"] = result.CheckSeconds,
        ["foreignKeyViolations"] = result.ForeignKeyViolations,
    };

    private void Tell(DatabasePlan database, ReplicaPlan replica, DrillResult result)
    {
        if (arguments.IsJson)
        {
            return;
        }

        _terminal.Write($"{DrillWording.Verdict(result.Outcome)}  {database.Name} from {replica.Destination}: {result.Sentence}");
        foreach (var more in new[] { result.Details, result.StillRestorable }.OfType<string>())
        {
            _terminal.Write($"      {more}");
        }

        if (result.ForeignKeyViolations is > 0 and { } rows)
        {
            _terminal.Write($"      Foreign keys: {ProofWording.ForeignKeys(rows)}.");
        }

        if (result is { Bytes: { } bytes, RestoreSeconds: { } restored, CheckSeconds: { } checkedIn })
        {
            _terminal.Write($"      {Wording.Size(bytes)} restored in {Wording.Duration(restored)}, checked in {Wording.Duration(checkedIn)}");
        }
    }

    /// <summary>Keeps the result with those of the Datasette that replicates the database, as far as that is possible.</summary>
    private static void Keep(DatabasePlan database, ReplicaPlan replica, DrillResult result)
    {
        try
        {
            DrillLog.Add(database, replica, result);
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            // It was told.
        }
    }
}
