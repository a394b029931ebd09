using System.Globalization;
using Datasette.Litestream.Admission;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Locking;
using Datasette.Litestream.Logging;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Restoring;
using Datasette.Litestream.Secrets;
using Datasette.Litestream.SqliteFiles;
using Datasette.Litestream.Stores;

namespace Datasette.Litestream;

/// <summary>
/// Restores, at the start of a Datasette, the databases whose files are missing or hold nothing (<c>restore: missing</c>). Datasette has
/// opened its files before, so one that is there is not replaced: SQLite brings what was restored into it, in one transaction.
/// </summary>
internal sealed class MissingDatabases
{
    /// <summary>How long the start waits for destinations that do not answer.</summary>
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(60);

    /// <summary>The delays between tries.</summary>
    private static readonly TimeSpan MinRetryDelay = TimeSpan.FromSeconds(0.5), MaxRetryDelay = TimeSpan.FromSeconds(5);

    /// <summary>How often another process is looked at that restores the same database.</summary>
    private static readonly TimeSpan LookInterval = TimeSpan.FromMilliseconds(200);

    /// <summary>How often progress is told.</summary>
    private static readonly TimeSpan TellInterval = TimeSpan.FromSeconds(5);

    /// <summary>How many databases are restored at once.</summary>
    private const int Parallelism = 4;

    private readonly Restorer _restorer;
    private readonly SqliteProgram _sqlite;
    private readonly FileRule _rule;
    private readonly OperatorLog _log;
    private readonly TimeProvider _time;

    private MissingDatabases(Restorer restorer, ReleaseLine releaseLine, SqliteProgram sqlite, OperatorLog log, TimeProvider time) =>
        (_restorer, _sqlite, _rule, _log, _time) = (restorer, sqlite, new FileRule(restorer, releaseLine, sqlite), log, time);

    /// <summary>Restores them. What cannot be restored is told, and is no exception: it is held back then.</summary>
    /// <param name="request">The request with which Datasette's replication will be started.</param>
    /// <param name="writeError">Receives the lines for standard error, with their line breaks.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public static async Task RestoreAsync(StartRequest request, Action<string> writeError, CancellationToken cancellationToken)
    {
        ReplicationSetup setup;
        try
        {
            setup = await ReplicationSetup.CheckAsync(request.Configuration, request.Host).ConfigureAwait(false);
        }
        catch (ReplicationException)
        {
            // The start of replication says so.
            return;
        }

        if (!setup.Plan.RestoresMissing)
        {
            return;
        }

        var (host, log) = (request.Host, new OperatorLog(setup.Plan.LogLevel, writeError));
        var secrets = new SecretCollection(setup.Secrets, [.. KnownTexts.Of(setup.Plan), setup.Binary.Path]);
        IReadOnlyDictionary<string, string> variables = host.ForLitestream(null);
        try
        {
            if (CredentialSources.Of(setup.Plan.Credentials, host, text => secrets.Redactor.Redact(text)) is { } source)
            {
                var keys = (await source.ReadAsync(cancellationToken).ConfigureAwait(false)).Keys;
                secrets = secrets.Replace(new SecretValues([.. keys.Secrets], [keys.AccessKeyId]), 0, 0);
                variables = host.ForLitestream(keys);
            }
        }
        catch (ReplicationException)
        {
            return;
        }

        var releaseLine = setup.Binary.Version.ReleaseLine!.Value;
        using var stores = new StoreFactory(() => variables, host.Time);
        var command = new LitestreamCommand(setup.Binary.Path, () => variables, text => secrets.Redactor.Redact(text), host.Time, releaseLine);
        var missing = new MissingDatabases(
            new Restorer(command, releaseLine, stores, host.Time), releaseLine, new SqliteProgram(host.SqliteProgram, host.Variables, host.Time), log, host.Time);
        await Parallel.ForEachAsync(
            await missing.FindAsync(setup.Plan.Databases, cancellationToken).ConfigureAwait(false),
            new ParallelOptions { MaxDegreeOfParallelism = Parallelism, CancellationToken = cancellationToken },
            async (database, stop) => await missing.RestoreAsync(database, stop).ConfigureAwait(false)).ConfigureAwait(false);
    }

    /// <summary>Those of some databases whose files are missing, or possibly hold nothing.</summary>
    private async Task<IEnumerable<DatabasePlan>> FindAsync(IReadOnlyList<DatabasePlan> databases, CancellationToken cancellationToken)
    {
        var there = databases.Where(database => File.Exists(database.Path)).ToList();
        var looks = there.Count == 0 ? [] : await _rule.AreEmptyAsync([.. there.Select(database => database.Path)], cancellationToken).ConfigureAwait(false);

        // One that is locked is possibly being filled by another process.
        return databases.Except(there.Where((_, i) => looks[i] is { IsEmpty: false, Error: null }));
    }

    private async Task RestoreAsync(DatabasePlan database, CancellationToken cancellationToken)
    {
        var started = _time.GetTimestamp();
        try
        {
            StagingFolder? staging;
            while ((staging = TryStage(database)) is null)
            {
                // Another worker restores it.
                await Task.Delay(LookInterval, _time, cancellationToken).ConfigureAwait(false);
            }

            using (staging)
            {
                if (!await IsMissingAsync(database, cancellationToken).ConfigureAwait(false) || DatabaseLock.TryTake(database.Name, database.Path) is not { } taken)
                {
                    // It is restored by now, or somebody replicates it as it is.
                    return;
                }

                taken.Dispose();
                await RestoreAsync(database, staging, started, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (Exception ex) when (ex is ReplicationException or DatabaseUnusableException or IOException or UnauthorizedAccessException)
        {
            _log.Write(
                LogLevel.Error,
                $"{database.Name} was not restored: {ex.Message.TrimEnd('.')}. Datasette serves it as it is, and nothing of it is replicated as long as its backup may hold more. Mend that, and restart Datasette.");
        }
    }

    private static StagingFolder? TryStage(DatabasePlan database)
    {
        try
        {
            return StagingFolder.Create(database.Path, "restore elsewhere with datasette litestream restore -o");
        }
        catch (StagingTakenException)
        {
            return null;
        }
    }

    /// <summary>Whether its file is missing, or known to hold nothing.</summary>
    private async Task<bool> IsMissingAsync(DatabasePlan database, CancellationToken cancellationToken) =>
        !File.Exists(database.Path) || (await _rule.AreEmptyAsync([database.Path], cancellationToken).ConfigureAwait(false))[0].IsEmpty;

    private async Task RestoreAsync(DatabasePlan database, StagingFolder staging, long started, CancellationToken cancellationToken)
    {
        if (await FindAsync(database, started, cancellationToken).ConfigureAwait(false) is not var (destination, found))
        {
            _log.Write(LogLevel.Info, $"{database.Name} is new: there is no backup of it yet.");
            return;
        }

        using (destination)
        {
            _log.Write(LogLevel.Warning, $"{database.Name} is restored from {destination.Replica.Destination}{(found.DatabaseBytes is { } bytes ? $", {Wording.Size(bytes)}" : "")}.");
            staging.RequireRoom(found.DatabaseBytes);
            var told = _time.GetTimestamp();
            var file = await _restorer.RestoreAsync(destination, RestoreTarget.Newest, found, staging.Path, Tell, cancellationToken).ConfigureAwait(false);
            if (await _sqlite.CheckAsync(file.Path, cancellationToken).ConfigureAwait(false) is { } fault)
            {
                throw new ReplicationException($"what was restored from {destination.Replica.Destination} is damaged: {fault}");
            }

            await PutAsync(database, file, cancellationToken).ConfigureAwait(false);
            _log.Write(
                LogLevel.Warning,
                string.Create(CultureInfo.InvariantCulture, $"{database.Name} was restored from {file.From} in {Wording.Duration(_time.GetElapsedTime(started))}: the state of {file.Point.Since.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC."));

            void Tell(RestoreProgress progress)
            {
                if (_time.GetElapsedTime(told) >= TellInterval)
                {
                    told = _time.GetTimestamp();
                    _log.Write(LogLevel.Info, $"{database.Name}: {RestoreWording.Progress(progress)}.");
                }
            }
        }
    }

    private async Task PutAsync(DatabasePlan database, RestoredFile file, CancellationToken cancellationToken)
    {
        if (!File.Exists(database.Path))
        {
            using var place = await DatabasePlace.TakeAsync(database, _sqlite, force: false, _time).ConfigureAwait(false);
            _ = place.Put(file);
        }
        else if (await _sqlite.FillAsync(file.Path, database.Path, cancellationToken).ConfigureAwait(false) is { } error)
        {
            // A log keeps SQLite from changing the size of pages (https://sqlite.org/pragma.html#pragma_page_size).
            throw new ReplicationException(
                $"what was restored could not be brought into {database.Path}: {error}. Stop Datasette, and restore in place: datasette litestream restore {database.Name} --in-place");
        }
        else
        {
            MeantFile.Restored(FileStatus.Look(database.Path).Status!.Value, _time.GetUtcNow(), file, kept: null).Write(database.Path);
        }
    }

    /// <summary>Finds the first destination that has a backup; null if all answer that they have none.</summary>
    private async Task<(Destination, FoundPoint)?> FindAsync(DatabasePlan database, long started, CancellationToken cancellationToken)
    {
        var (backoff, isTold) = (new Backoff(MinRetryDelay, MaxRetryDelay), false);
        while (true)
        {
            string? fault = null;
            var destinations = _restorer.DestinationsOf(database, number: null);
            Destination? chosen = null;
            try
            {
                var left = AnswerTimeout - _time.GetElapsedTime(started);
                var finding = _restorer.FindFirstAsync(destinations, RestoreTarget.Newest, onLook: null, said => fault ??= said, cancellationToken);
                if (await finding.WaitAsync(left > TimeSpan.Zero ? left : TimeSpan.Zero, _time, cancellationToken).ConfigureAwait(false) is var (destination, found))
                {
                    chosen = destination;
                    return (destination, found);
                }
            }
            catch (ReplicationException ex)
            {
                fault ??= ex.Message;
            }
            catch (TimeoutException)
            {
                fault ??= $"{database.Primary.Destination} has not answered within {AnswerTimeout.TotalSeconds} s";
            }
            finally
            {
                foreach (var other in destinations.Where(one => one != chosen))
                {
                    other.Dispose();
                }
            }

            if (fault is null)
            {
                return null;
            }

            if (_time.GetElapsedTime(started) >= AnswerTimeout)
            {
                throw new ReplicationException(fault);
            }

            if (!isTold)
            {
                isTold = true;
                _log.Write(LogLevel.Warning, $"Datasette waits for up to {AnswerTimeout.TotalSeconds} s to learn whether {database.Name} has a backup: {fault}");
            }

            await Task.Delay(backoff.Next(), _time, cancellationToken).ConfigureAwait(false);
        }
    }
}
