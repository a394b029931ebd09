using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json.Nodes;
using Datasette.Litestream.Commands;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Locking;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Stores;

namespace Datasette.Litestream;

/// <summary>
/// <c>datasette litestream doctor</c>: looks at everything that replication needs, and says of each fault how it is mended. At each
/// destination it writes, reads and deletes a file of its own, which Litestream ignores.
/// </summary>
internal sealed class Doctor(CommandTools tools, CommandArguments arguments)
{
    /// <summary>S3 refuses requests of a clock that differs by 15 minutes; restores to a time are wrong by any difference.</summary>
    private static readonly TimeSpan RefusedSkew = TimeSpan.FromMinutes(15), Skew = TimeSpan.FromMinutes(1);

    /// <summary>How long credentials should be valid at least.</summary>
    private static readonly TimeSpan ShortLife = TimeSpan.FromMinutes(10);

    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(30);

    private const string MarkerFolder = ".datasette-litestream-doctor";

    private readonly List<Finding> _findings = [];

    /// <summary>Runs it.</summary>
    /// <returns>The exit status: 1 if something keeps replication from working.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        ExamineConfiguration();
        ExamineLitestream();
        ExamineCredentials();
        foreach (var database in tools.Databases)
        {
            await ExamineFileAsync(database, cancellationToken).ConfigureAwait(false);
            ExamineHolder(database);
            foreach (var replica in database.Replicas)
            {
                await ExamineDestinationAsync(database, replica, cancellationToken).ConfigureAwait(false);
            }
        }

        await ExamineOthersAsync().ConfigureAwait(false);
        if (arguments.IsJson)
        {
            tools.Terminal.Write(new JsonArray([.. _findings.Select(finding => (JsonNode)new JsonObject
            {
                ["level"] = finding.Level.ToString().ToLowerInvariant(),
                ["subject"] = finding.Subject,
                ["sentence"] = finding.Sentence,
                ["cure"] = finding.Cure,
            })]));
        }

        return _findings.Exists(finding => finding.Level == FindingLevel.Fail) ? 1 : 0;
    }

    private void ExamineConfiguration()
    {
        foreach (var problem in tools.Problems)
        {
            Add(FindingLevel.Fail, "configuration", problem);
        }

        var found = Preflight.CheckStateFolders(tools.Plan, tools.Plan.Databases)
            .Concat(Preflight.CheckEncryptionKeys(tools.Plan))
            .Concat(Preflight.CheckSecureAddresses(tools.Plan, library => NativeLibrary.TryLoad(library, out _)))
            .ToList();
        if (tools.FoundBinary is { } binary)
        {
            foreach (var warning in VersionCompatibility.Check(tools.Plan, binary.Version, found))
            {
                Add(FindingLevel.Warn, "configuration", warning);
            }
        }

        foreach (var problem in found)
        {
            Add(FindingLevel.Fail, "configuration", problem.ToString());
        }

        foreach (var warning in tools.Plan.Warnings)
        {
            Add(FindingLevel.Warn, "configuration", warning);
        }

        // A Datasette that runs with it listens there itself.
        if (!tools.Databases.Any(IsReplicated) && Preflight.CheckMetricsAddress(tools.Plan.Metrics) is { } taken)
        {
            Add(FindingLevel.Fail, "configuration", taken.ToString());
        }

        if (tools.Problems.Count == 0 && found.Count == 0)
        {
            Add(FindingLevel.Ok, "configuration", $"{tools.Plan.Databases.Length} {(tools.Plan.Databases.Length == 1 ? "database is" : "databases are")} to be replicated.");
        }
    }

    private void ExamineLitestream()
    {
        if (tools.FoundBinary is { } binary)
        {
            Add(FindingLevel.Ok, "litestream", $"{binary.Version}, {binary.Path}, {binary.Origin}.");
        }
        else
        {
            Add(FindingLevel.Fail, "litestream", tools.BinaryFault!);
        }
    }

    private void ExamineCredentials()
    {
        if (tools.CredentialFault is { } fault)
        {
            Add(FindingLevel.Fail, "credentials", fault, "Have the source give valid ones: it is read again by itself.");
        }
        else if (tools.Credentials?.ExpiresAt is { } end)
        {
            var left = end - tools.Time.GetUtcNow();
            Add(
                left < ShortLife ? FindingLevel.Warn : FindingLevel.Ok,
                "credentials",
                $"From {tools.CredentialSource}; they expire in {Wording.Duration(left)}, at {Wording.Exact(end)}.",
                left < ShortLife ? "See to it that the source renews them before." : null);
        }
        else if (tools.CredentialSource is { } source)
        {
            Add(FindingLevel.Ok, "credentials", $"From {source}; it does not say when they expire.");
        }
        else if (tools.Databases.SelectMany(database => database.Replicas).Any(replica => replica.Type == "s3" && !replica.Settings.ContainsKey("access-key-id")))
        {
            Add(FindingLevel.Ok, "credentials", "None are configured; Litestream takes those of the environment or of this machine.");
        }
    }

    private async Task ExamineFileAsync(DatabasePlan database, CancellationToken cancellationToken)
    {
        var (name, path, folder) = (database.Name, database.Path, Path.GetDirectoryName(database.Path)!);
        var look = FileStatus.Look(path);
        if (look.Status is not { } status)
        {
            Add(
                look.Error is null ? FindingLevel.Warn : FindingLevel.Fail,
                name,
                look.Error is { } error ? $"{path} cannot be looked at: {error}." : $"There is no file {path}.",
                look.Error is null ? $"`datasette litestream restore {RestoreCommand.Quote(name)} …` brings it back; Datasette's --create makes an empty one." : "Let the user that runs Datasette enter its folder.");
            return;
        }

        var before = _findings.Count;
        var header = (await tools.Sqlite.LookAsync([path], cancellationToken).ConfigureAwait(false))[0];
        if (header.Error is { } unreadable)
        {
            AddCause(name, $"{path} cannot be read: {unreadable}");
        }
        else if (header.Header is null && status.Size > 0)
        {
            Add(FindingLevel.Fail, name, $"{path} is no SQLite database.", "Name another file, or restore this one with `datasette litestream restore --in-place --force`.");
        }
        else if (header.Header is { IsWal: false })
        {
            Add(FindingLevel.Warn, name, $"{path} has no write-ahead log.", "Nothing: it gets one when replication starts. A program that writes to it must be able to use one.");
        }

        if (!LibC.MayWrite(path))
        {
            Add(FindingLevel.Fail, name, $"{path} may not be written by this user.", $"Run this command as Datasette's user, and if it is: chown or chmod {RestoreCommand.Quote(path)}.");
        }

        if (!LibC.MayWrite(folder))
        {
            Add(FindingLevel.Fail, name, $"Litestream must write beside the database, and {folder} may not be written by this user.", "Make the folder writable for Datasette's user.");
        }
        else if (Preflight.FindStateFolderFault(database) is { } fault)
        {
            Add(FindingLevel.Fail, name, fault);
        }

        // Its first copy is made beside it.
        if (new DriveInfo(folder).AvailableFreeSpace is var free && free < Math.Max(status.Size, 16 << 20))
        {
            Add(FindingLevel.Fail, name, $"{folder} has room for {Wording.Size(free)}, and a copy of the database, which Litestream makes there, may have {Wording.Size(status.Size)}.", "Make room.");
        }

        if (status.Links > 1)
        {
            Add(FindingLevel.Warn, name, $"{path} has {status.Links} names (hard links), and who writes by another one destroys it.", "Remove the other names, or make them symbolic links.");
        }

        if (_findings.Count == before)
        {
            Add(FindingLevel.Ok, name, $"{path}, {Wording.Size(status.Size)}{(database.ServedPath != path ? $", served as {database.ServedPath}" : "")}.");
        }
    }

    private void ExamineHolder(DatabasePlan database)
    {
        var record = LockRecord.Read(DatabaseLock.RecordPathOf(database.Path));
        if (IsReplicated(database))
        {
            Add(FindingLevel.Ok, database.Name, $"It is replicated by {LockHolder.Of(record)}.");
        }
        else if (record is { Litestream.IsRunning: true } left)
        {
            Add(
                FindingLevel.Warn,
                database.Name,
                $"A Litestream (process {left.Litestream!.ProcessId}) was left over from a Datasette that was killed.",
                "Start Datasette, which ends it and goes on, or end it.");
        }
    }

    private async Task ExamineOthersAsync()
    {
        var ours = tools.Databases.Select(database => LockRecord.Read(DatabaseLock.RecordPathOf(database.Path))).OfType<LockRecord>()
            .SelectMany(record => new[] { record.Holder.ProcessId, record.Litestream?.ProcessId ?? 0 }).ToHashSet();
        foreach (var other in await OtherLitestream.FindAsync(tools.Databases, ours).ConfigureAwait(false))
        {
            Add(FindingLevel.Fail, "processes", other.Sentence);
        }
    }

    private async Task ExamineDestinationAsync(DatabasePlan database, ReplicaPlan replica, CancellationToken cancellationToken)
    {
        var before = _findings.Count;
        using var destination = new Restoring.Destination(database, replica, tools.Stores, tools.Litestream, tools.FoundBinary?.Version.ReleaseLine ?? ReleaseLine.V05, tools.Time);
        using var timeout = new CancellationTokenSource(AnswerTimeout, tools.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        if (tools.CredentialFault is not null && replica.Type == "s3")
        {
            return;
        }

        try
        {
            if (StoreFactory.CanOpen(replica.Type))
            {
                using var store = tools.Stores.Open(replica, database.Path);
                await TryWritingAsync(database, replica, store, either.Token).ConfigureAwait(false);
            }

            if (_findings.Count > before || (tools.FoundBinary is null && !StoreFactory.CanOpen(replica.Type)))
            {
                return;
            }

            if (await destination.ListAsync(either.Token).ConfigureAwait(false) is not { } listing)
            {
                Add(FindingLevel.Warn, database.Name, $"{replica.Destination} cannot be looked into with Litestream 0.3.", "Look whether the page shows a last sync for it.");
            }
            else if (!listing.HasBackup)
            {
                Add(FindingLevel.Warn, database.Name, $"{replica.Destination} answers, and has no backup yet.", "Start Datasette: it is there within seconds, or as long as the first copy takes.");
            }
            else
            {
                var newest = listing.Files.Select(file => file.At).Concat(listing.Segments.Select(segment => segment.At)).Max();
                Add(FindingLevel.Ok, database.Name, $"{replica.Destination} {(StoreFactory.CanOpen(replica.Type) ? "was listed, written, read and deleted from" : "was listed")}; its newest file is of {Wording.Exact(newest)}.");
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            AddCause(database.Name, $"{replica.Destination}: i/o timeout: no answer within {AnswerTimeout.TotalSeconds} s");
        }
        catch (ReplicationException ex)
        {
            AddCause(database.Name, ex.Message.TrimEnd('.'));
        }
    }

    /// <summary>Writes a file of its own, reads it again and deletes it; the store's time for it shows whose clock is wrong.</summary>
    private async Task TryWritingAsync(DatabasePlan database, ReplicaPlan replica, IStore store, CancellationToken cancellationToken)
    {
        var (name, step) = ($"{MarkerFolder}/{Guid.NewGuid():n}", "listed");
        try
        {
            await foreach (var left in store.ListAsync(MarkerFolder, cancellationToken).ConfigureAwait(false))
            {
                await store.DeleteAsync([left.Name], cancellationToken).ConfigureAwait(false);
            }

            step = "written to";
            var (content, now) = (Encoding.UTF8.GetBytes(name), tools.Time.GetUtcNow());
            using (var stream = new MemoryStream(content, writable: false))
            {
                _ = await store.WriteAsync(name, stream, now, cancellationToken).ConfigureAwait(false);
            }

            step = "read";
            var read = await store.ReadAsync(name, cancellationToken).ConfigureAwait(false);
            if (read is null || !read.Content.Span.SequenceEqual(content))
            {
                Add(FindingLevel.Fail, database.Name, $"{replica.Destination} has not what was written there just now.", "Choose a destination that keeps what it is given.");
            }

            await foreach (var written in store.ListAsync(MarkerFolder, cancellationToken).ConfigureAwait(false))
            {
                if (written.Name == name && replica.Type != "file" && (written.At - now).Duration() is var skew && skew > Skew)
                {
                    Add(
                        skew > RefusedSkew ? FindingLevel.Fail : FindingLevel.Warn,
                        database.Name,
                        string.Create(CultureInfo.InvariantCulture, $"The clock of this machine differs by {Wording.Duration(skew)} from that of {replica.Destination}."),
                        "Set the clock: what is restored for a time depends on it.");
                }
            }

            step = "deleted from";
            await store.DeleteAsync([name], cancellationToken).ConfigureAwait(false);
            RemoveFolder(replica);
        }
        catch (StoreException ex)
        {
            AddCause(database.Name, $"{replica.Destination} cannot be {step}: {ex.Message}");
        }
    }

    private static void RemoveFolder(ReplicaPlan replica)
    {
        if (replica.Type == "file")
        {
            try
            {
                Directory.Delete(Path.Combine(StoreFactory.PathOf(replica), MarkerFolder));
            }
            catch (IOException)
            {
                // Another doctor is there.
            }
        }
    }

    private static bool IsReplicated(DatabasePlan database) => LockHolder.Find(database.Path).ProcessId is not null;

    /// <summary>Adds a fault with what is known about the words of its cause.</summary>
    private void AddCause(string subject, string sentence)
    {
        var cause = ErrorCauses.Find(sentence);
        Add(FindingLevel.Fail, subject, $"{sentence}.{(cause is null ? "" : $" {cause.Sentence}")}", cause?.Remedy);
    }

    private void Add(FindingLevel level, string subject, string sentence, string? cure = null)
    {
        var finding = new Finding(level, subject, tools.Redactor.Redact(sentence)!, cure);
        if (_findings.Contains(finding))
        {
            return;
        }

        _findings.Add(finding);
        if (!arguments.IsJson)
        {
            var mark = level == FindingLevel.Ok ? "ok  " : level.ToString().ToUpperInvariant();
            tools.Terminal.Write($"{mark}  {subject}: {finding.Sentence}");
            if (cure is not null)
            {
                tools.Terminal.Write($"      {cure}");
            }
        }
    }
}
