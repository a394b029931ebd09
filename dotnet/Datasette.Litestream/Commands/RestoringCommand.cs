using System.Globalization;
using System.Text.Json.Nodes;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Restoring;

namespace Datasette.Litestream.Commands;

/// <summary><c>datasette litestream restore</c>: brings databases back.</summary>
internal sealed class RestoringCommand(CommandTools tools, CommandArguments arguments)
{
    private readonly Terminal _terminal = tools.Terminal;

    /// <summary>Runs it.</summary>
    /// <returns>The exit status.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        _ = tools.RequireLitestream();
        tools.TellProblems();
        var target = ReadTarget();
        if (arguments.Text("to") is not null && arguments.Is("inPlace"))
        {
            throw new ReplicationException("-o and --in-place cannot be used together.");
        }

        if (tools.Databases.Count > 1 && arguments.Text("to") is { } file && !Directory.Exists(FullPath(file)))
        {
            throw new ReplicationException($"{tools.Databases.Count} databases cannot be restored into one file. Name one, or say a folder that exists with -o.");
        }

        if (tools.Databases.Count > 1 && target is RestoreTarget.AfterTransaction)
        {
            throw new ReplicationException("A transaction is one of a single database. Name one.");
        }

        var (results, failed) = (new JsonArray(), false);
        foreach (var database in tools.Databases)
        {
            try
            {
                results.Add((JsonNode)await RestoreAsync(database, target, cancellationToken).ConfigureAwait(false));
            }
            catch (ReplicationException ex)
            {
                failed = true;
                _terminal.Fail(ex.Message);
                results.Add((JsonNode)new JsonObject { ["name"] = database.Name, ["restored"] = false, ["error"] = ex.Message });
            }
        }

        if (arguments.IsJson)
        {
            _terminal.Write(results);
        }

        return failed ? 1 : 0;
    }

    private async Task<JsonObject> RestoreAsync(DatabasePlan database, RestoreTarget target, CancellationToken cancellationToken)
    {
        var isThere = Path.Exists(database.Path);
        var to = arguments.Text("to") is { } said ? FileFor(database, said) : null;
        if (arguments.Is("ifMissing") && Path.Exists(to ?? database.Path))
        {
            return Skip(database, $"{to ?? database.Path} is there, so nothing was restored.");
        }

        // Without a file there is nothing that could be lost.
        var inPlace = arguments.Is("inPlace") || (to is null ? !isThere : to == database.Path && !isThere);
        to = inPlace ? database.Path : to ?? Path.Combine(tools.WorkingDirectory, RestoreCommand.FileNameOf(database.Name, "-restored"));
        foreach (var taken in inPlace ? [] : new[] { to, $"{to}-wal", $"{to}-shm", $"{to}-journal" }.Where(Path.Exists))
        {
            throw new ReplicationException(
                to == database.Path ? $"{database.Name}: {taken} is the database itself. Add --in-place to replace it, or say another file with -o."
                : $"{database.Name}: {taken} exists. Move it away, or say another file with -o.");
        }

        using var place = inPlace ? await DatabasePlace.TakeAsync(database, tools.Sqlite, arguments.Is("force"), tools.Time).ConfigureAwait(false) : null;
        var destinations = tools.Restorer.DestinationsOf(database, arguments.Number("from"));
        try
        {
            if (await FindAsync(database, destinations, target, cancellationToken).ConfigureAwait(false) is not var (destination, found))
            {
                return arguments.Is("ifMissing")
                    ? Skip(database, $"There is no backup at {string.Join(" or ", destinations.Select(one => one.Replica.Destination))} yet, so nothing was restored.")
                    : throw new ReplicationException($"{database.Name}: there is no backup at {string.Join(" or ", destinations.Select(one => one.Replica.Destination))}.");
            }

            return await RestoreAsync(database, target, to, place, destination, found, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            foreach (var destination in destinations)
            {
                destination.Dispose();
            }
        }
    }

    private async Task<JsonObject> RestoreAsync(
        DatabasePlan database, RestoreTarget target, string to, DatabasePlace? place, Destination destination, FoundPoint found, CancellationToken cancellationToken)
    {
        if (found.Beyond is { } beyond)
        {
            _terminal.Note(
                $"Warning: {database.Name}: {destination.Replica.Destination} has files up to transaction {RestorePoint.NameOf(beyond)}, but something before that is missing. "
                + $"What is restored is the state after {found.Point.Name}; another destination may have more (--from).");
        }

        using var staging = StagingFolder.Create(to);
        staging.RequireRoom(found.DatabaseBytes);
        var file = await tools.Restorer.RestoreAsync(
            destination, target, found, staging.Path, progress => _terminal.Progress($"{database.Name}: {RestoreWording.Progress(progress)}"), cancellationToken).ConfigureAwait(false);
        if (arguments.Is("verify"))
        {
            _terminal.Progress($"{database.Name}: checking");
            if (await tools.Sqlite.CheckAsync(file.Path, cancellationToken).ConfigureAwait(false) is { } fault)
            {
                throw new ReplicationException(
                    $"{database.Name}: what was restored from {destination.Replica.Destination} is damaged: {fault}. Nothing was changed. Try another destination (--from) or an earlier time (--at).");
            }
        }

        cancellationToken.ThrowIfCancellationRequested();
        var bytes = file.Bytes;
        string? kept = null;
        if (place is not null)
        {
            kept = place.Put(file);
        }
        else
        {
            Move(file.Path, to);
        }

        return Tell(database, target, file, to, bytes, kept, place is not null);
    }

    private Task<(Destination Destination, FoundPoint Found)?> FindAsync(
        DatabasePlan database, IReadOnlyList<Destination> destinations, RestoreTarget target, CancellationToken cancellationToken) => tools.Restorer.FindFirstAsync(
            destinations,
            target,
            destination => _terminal.Progress($"{database.Name}: looking at {destination.Replica.Destination}"),
            fault => _terminal.Note($"Warning: {fault}"),
            cancellationToken);

    private JsonObject Tell(DatabasePlan database, RestoreTarget target, RestoredFile file, string to, long bytes, string? kept, bool inPlace)
    {
        var point = file.Point;
        if (!arguments.IsJson)
        {
            _terminal.Write($"{database.Name}: restored to {to}, {Wording.Size(bytes)} in {Wording.Duration(file.Took)}.");
            _terminal.Write($"  state  {When(point)}{(point.Name.Length > 0 ? $", {(point is RestorePoint.Transaction ? "transaction" : "file")} {point.Name}" : "")}{(target is RestoreTarget.AtTime at ? $"; the newest that is not after {Exact(at.Time)}" : "")}");
            _terminal.Write($"  from   {file.From}");
            if (arguments.Is("verify"))
            {
                _terminal.Write("  check  SQLite finds no fault in it");
            }

            if (kept is not null)
            {
                _terminal.Write($"  kept   {kept}, which was there before; delete it, with -wal, -shm and Litestream's folder of it, when you need it no more");
            }

            if (!inPlace)
            {
                _terminal.Write($"  next   to go on with it: stop Datasette, and run the same command with --in-place");
            }
        }

        return new JsonObject
        {
            ["name"] = database.Name,
            ["restored"] = true,
            ["path"] = to,
            ["inPlace"] = inPlace,
            ["from"] = file.From,
            ["txid"] = point is RestorePoint.Transaction ? point.Name : null,
            ["segment"] = point is RestorePoint.Segment ? point.Name : null,
            ["since"] = point is RestorePoint.Unlisted ? null : CommandTools.Iso(point.Since),
            ["until"] = point.Until is { } until ? CommandTools.Iso(until) : null,
            ["bytes"] = bytes,
            ["seconds"] = file.Took.TotalSeconds,
            ["checked"] = arguments.Is("verify"),
            ["kept"] = kept,
        };
    }

    private JsonObject Skip(DatabasePlan database, string sentence)
    {
        if (!arguments.IsJson)
        {
            _terminal.Write($"{database.Name}: {sentence}");
        }

        return new JsonObject { ["name"] = database.Name, ["restored"] = false, ["reason"] = sentence };
    }

    private RestoreTarget ReadTarget()
    {
        if (arguments.Text("txid") is { } txid)
        {
            return arguments.Text("at") is not null
                ? throw new ReplicationException("--at and --txid cannot be used together.")
                : new RestoreTarget.AfterTransaction(
                    RestoreTarget.ParseTxid(txid) ?? throw new ReplicationException($"--txid {txid}: expected a transaction as in the names of files: up to 16 hexadecimal digits, such as 000000000000002a or 0x2a."));
        }

        return arguments.Text("at") is not { } at ? RestoreTarget.Newest
            : new RestoreTarget.AtTime(
                WrittenTime.Parse(at, tools.Time.GetUtcNow(), tools.Time.LocalTimeZone) ?? throw new ReplicationException($"--at {at}: {WrittenTime.Expected}."));
    }

    private string FileFor(DatabasePlan database, string said)
    {
        var path = FullPath(said);
        return Directory.Exists(path) ? Path.Combine(path, RestoreCommand.FileNameOf(database.Name))
            : Directory.Exists(Path.GetDirectoryName(path)) ? path
            : throw new ReplicationException($"-o {said}: there is no folder {Path.GetDirectoryName(path)}. Make it first.");
    }

    private string FullPath(string path) => Path.GetFullPath(path, tools.WorkingDirectory);

    private static void Move(string from, string to)
    {
        try
        {
            File.Move(from, to);
            Processes.LibC.FlushFolder(Path.GetDirectoryName(to)!);
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            throw new ReplicationException($"{to} could not be written: {ex.Message}", ex);
        }
    }

    private static string When(RestorePoint point) => point switch
    {
        RestorePoint.Unlisted { At: { } at } => $"not after {Exact(at)}",
        RestorePoint.Unlisted => "the newest",
        { Until: { } until } when until == point.Since => Exact(until),
        { Until: { } until } => $"between {Exact(point.Since)} and {Exact(until)}",
        _ => $"of {Exact(point.Since)} or soon after",
    };

    private static string Exact(DateTimeOffset time) => string.Create(CultureInfo.InvariantCulture, $"{time.UtcDateTime:yyyy-MM-dd HH:mm:ss.fff} UTC");
}
