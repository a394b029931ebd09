using System.Text.Json.Nodes;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Replicas;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Restoring;

namespace Datasette.Litestream.Commands;

/// <summary><c>datasette litestream points</c>: how far back, and how finely, each destination can be restored.</summary>
internal sealed class PointsCommand(CommandTools tools, CommandArguments arguments)
{
    private readonly Terminal _terminal = tools.Terminal;

    /// <summary>Runs it.</summary>
    /// <returns>The exit status: 1 if a destination could not be listed, or nothing can be restored from it.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        _ = tools.RequireLitestream();
        tools.TellProblems();
        var (results, isWhole) = (new JsonArray(), true);
        foreach (var database in tools.Databases)
        {
            var numbers = Enumerable.Range(1, database.Replicas.Length).Where(number => arguments.Number("from") is not { } from || from == number).ToList();
            _ = tools.Restorer.DestinationsOf(database, arguments.Number("from"));
            var reports = new JsonArray();
            foreach (var number in numbers)
            {
                using var destination = tools.Restorer.DestinationsOf(database, number)[0];
                var report = await ReportAsync(database, destination, number, cancellationToken).ConfigureAwait(false);
                isWhole &= report["error"] is null;
                reports.Add((JsonNode)report);
            }

            results.Add((JsonNode)new JsonObject { ["name"] = database.Name, ["destinations"] = reports });
        }

        if (arguments.IsJson)
        {
            _terminal.Write(results);
        }

        return isWhole ? 0 : 1;
    }

    private async Task<JsonObject> ReportAsync(DatabasePlan database, Destination destination, int number, CancellationToken cancellationToken)
    {
        var place = destination.Replica.Destination;
        var report = new JsonObject { ["number"] = number, ["destination"] = place };
        Write($"{database.Name}, destination {number}: {place}");
        DestinationListing? listing;
        try
        {
            listing = await destination.ListAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (ReplicationException ex)
        {
            return Fault(ex.Message);
        }

        if (listing is null)
        {
            return Fault("With Litestream 0.3 what lies there cannot be listed. `datasette litestream litestream … -- snapshots` lists the snapshots.");
        }

        var now = tools.Time.GetUtcNow();
        if (!listing.HasBackup)
        {
            return Fault("There is no backup.");
        }

        report["listedAt"] = CommandTools.Iso(listing.ListedAt);
        if (!listing.Files.IsEmpty)
        {
            if (listing.FindPoints() is not { } points)
            {
                _ = Fault("What is there cannot be restored: a snapshot, or the first files, are missing.");
            }
            else
            {
                var restorable = RestorableReport.Of(tools.Plan, database, points, now);
                var newest = listing.Files.Max(file => file.MaxTxid);
                var newestAt = listing.Files.Where(file => file.MaxTxid == newest).Max(file => file.At);
                Write($"  from       {Wording.Exact(restorable.OldestAt)} ({Wording.Ago(restorable.OldestAt, now)})");
                Write($"  to         {Wording.Exact(newestAt)} ({Wording.Ago(newestAt, now)}), transaction {RestorePoint.NameOf(newest)}");
                Write($"  steps      {RestoreWording.Steps(restorable, now)}");
                report["oldest"] = CommandTools.Iso(restorable.OldestAt);
                report["newest"] = CommandTools.Iso(newestAt);
                report["txid"] = RestorePoint.NameOf(newest);
                report["steps"] = new JsonArray([.. restorable.Steps.Select(step => (JsonNode)new JsonObject { ["files"] = step.Files, ["seconds"] = step.Seconds, ["since"] = CommandTools.Iso(step.Since) })]);
            }

            var snapshots = listing.Snapshots;
            Write($"  snapshots  {(snapshots.Count == 0 ? "none yet; the first files hold the whole database" : $"{snapshots.Count}, the newest of {Wording.Exact(snapshots[^1].At)}, {Wording.Size(snapshots[^1].Size)}")}");
            Write($"  size       {Wording.Size(listing.Bytes)} in {Wording.Count(listing.Files.Length)} {(listing.Files.Length == 1 ? "file" : "files")}");
            report["bytes"] = listing.Bytes;
            report["files"] = listing.Files.Length;
            report["snapshots"] = new JsonArray([.. snapshots.Select(Snapshot)]);
        }

        if (!listing.Segments.IsEmpty)
        {
            var (oldest, last, bytes) = (listing.Segments.Min(file => file.At), listing.Segments.Max(file => file.At), listing.Segments.Sum(file => file.Size));
            Write($"  0.3        Litestream 0.3 left {Wording.Size(bytes)} in {Wording.Count(listing.Segments.Length)} files, of {Wording.Exact(oldest)} to {Wording.Exact(last)}, which can be restored.");
            report["litestream03"] = new JsonObject { ["oldest"] = CommandTools.Iso(oldest), ["newest"] = CommandTools.Iso(last), ["bytes"] = bytes, ["files"] = listing.Segments.Length };
            if (tools.RequireLitestream().Version.ReleaseLine == ReleaseLine.V05)
            {
                var cure = DeleteCommand(destination.Replica);
                Write($"             Nobody deletes them any more. When you need no state of that time: {cure}");
                report["litestream03"]!["delete"] = cure;
            }
        }

        return report;

        JsonObject Fault(string sentence)
        {
            Write($"  {sentence}");
            report["error"] = sentence;
            return report;
        }
    }

    private static string DeleteCommand(ReplicaPlan replica) => replica.Type == "file"
        ? $"rm -r {RestoreCommand.Quote($"{replica.Place}/{WalSegment.Folder}")}"
        : $"aws s3 rm --recursive {RestoreCommand.Quote($"s3://{replica.Place.TrimEnd('/')}/{WalSegment.Folder}/")}";

    private static JsonNode Snapshot(LtxFileInfo file) =>
        new JsonObject { ["txid"] = RestorePoint.NameOf(file.MaxTxid), ["at"] = CommandTools.Iso(file.At), ["bytes"] = file.Size };

    private void Write(string line)
    {
        if (!arguments.IsJson)
        {
            _terminal.Write(line);
        }
    }
}
