using System.Globalization;
using System.Text.Json;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Litestream;

namespace Datasette.Litestream.Replicas;

/// <summary>
/// Lets Litestream 0.5 judge whether the newest point of a database can be restored, whatever kind of place its destination is.
/// Each question is a child process, which costs about 40 ms of processor time, 30 of them for its start.
/// </summary>
/// <param name="command">Runs Litestream.</param>
/// <param name="time">The clock.</param>
internal sealed class ReplicaProbe(LitestreamCommand command, TimeProvider time)
{
    /// <summary>Litestream itself would try for more than 100 s to reach S3.</summary>
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(30);

    /// <summary>Asks whether a restore would give everything up to a transaction, without restoring.</summary>
    /// <param name="database">The database.</param>
    /// <param name="expectedTxid">The last transaction that is known to have arrived; 0 if none is.</param>
    /// <param name="listsAll">Whether to list everything that lies there too, for which Litestream is asked a second time. This is
    /// done anyway if it says that a restore would fail.</param>
    /// <param name="cancellationToken">Ends the wait, and kills the child.</param>
    public async Task<ReplicaCheck> CheckAsync(
        DatabasePlan database, ulong expectedTxid, bool listsAll, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        try
        {
            var plan = await command.RunAsync(database, ["restore", "-dry-run", "-json"], AnswerTimeout, cancellationToken).ConfigureAwait(false);
            LtxInventory? inventory = null;
            if (listsAll || plan.Error is not null)
            {
                // If this fails too, it is the destination that does not answer; otherwise it is what lies there.
                var list = await ListAsync(database, cancellationToken).ConfigureAwait(false);
                if (list.Error is { } error)
                {
                    return new ReplicaCheck(now, new ReplicaFinding(ReplicaCondition.Unreadable, 0, error));
                }

                inventory = LtxInventory.Parse(list.Output);
            }

            return new ReplicaCheck(now, Judge(database, expectedTxid, plan, inventory), inventory);
        }
        catch (JsonException ex)
        {
            return new ReplicaCheck(now, new ReplicaFinding(ReplicaCondition.Unreadable, 0, $"Litestream's answer cannot be read: {ex.Message}"));
        }
    }

    /// <summary>
    /// Restores the newest point into a folder of its own, lets SQLite check it, and removes it again, whatever happens. It needs
    /// as much space as the database, and takes as long as its download.
    /// </summary>
    /// <param name="database">The database.</param>
    /// <param name="intoFolder">Where to make that folder.</param>
    /// <param name="cancellationToken">Ends the wait, and kills the child.</param>
    public async Task<ReplicaCheck> RestoreAsync(DatabasePlan database, string intoFolder, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var folder = Path.Combine(intoFolder, $".restore-check-{Guid.NewGuid():n}");
        try
        {
            Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            var restored = await RestoreOnceAsync(database, folder, cancellationToken).ConfigureAwait(false);
            if (restored.Error is not null)
            {
                // Litestream may have deleted merged files while they were read.
                restored = await RestoreOnceAsync(database, folder, cancellationToken).ConfigureAwait(false);
            }

            if (restored.Error is { } error)
            {
                // A connection that fails or a disk that is full says nothing of the backup.
                var list = await ListAsync(database, cancellationToken).ConfigureAwait(false);
                var isElsewhere = list.Error is not null || error.Contains("no space left on device", StringComparison.Ordinal);
                return new ReplicaCheck(now, new ReplicaFinding(isElsewhere ? ReplicaCondition.Unreadable : ReplicaCondition.Damaged, 0, error));
            }

            return new ReplicaCheck(now, new ReplicaFinding(ReplicaCondition.Whole, ReadTxid(restored.Output, "txid")));
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException or JsonException)
        {
            return new ReplicaCheck(now, new ReplicaFinding(ReplicaCondition.Unreadable, 0, ex.Message.TrimEnd('.')));
        }
        finally
        {
            RemoveIfAny(folder);
        }
    }

    private Task<CommandAnswer> ListAsync(DatabasePlan database, CancellationToken cancellationToken) =>
        command.RunAsync(database, ["ltx", "-level", "all", "-json"], AnswerTimeout, cancellationToken);

    private Task<CommandAnswer> RestoreOnceAsync(DatabasePlan database, string folder, CancellationToken cancellationToken)
    {
        string[] words = ["restore", "-integrity-check", "full", "-force", "-json", "-o", Path.Combine(folder, "restored.db")];
        return command.RunAsync(database, words, timeout: null, cancellationToken);
    }

    private static ReplicaFinding Judge(DatabasePlan database, ulong expectedTxid, CommandAnswer plan, LtxInventory? inventory)
    {
        if (plan.Error is { } error)
        {
            var names = inventory!;
            return names.Files.IsEmpty ? new ReplicaFinding(ReplicaCondition.Missing, 0, "there is no backup at this place")
                : names.HasGap || names.RestorableUpTo is not { } reach || reach < expectedTxid ? new ReplicaFinding(ReplicaCondition.Damaged, names.RestorableUpTo ?? 0, error)
                // The names tell of no fault, so that the connection may have failed, and then answered again.
                : new ReplicaFinding(ReplicaCondition.Unreadable, 0, error);
        }

        using var document = JsonDocument.Parse(plan.Output);
        var upTo = ReadTxid(document.RootElement, "max_txid");
        var files = inventory ?? LtxInventory.Parse(document.RootElement.GetProperty("files"));
        if (FindForeign(LitestreamFolder.Of(database), files) is { } foreign)
        {
            return new ReplicaFinding(ReplicaCondition.OtherWriter, upTo, $"{foreign.Name} was not written from here", foreign.At);
        }

        return upTo >= expectedTxid
            ? new ReplicaFinding(ReplicaCondition.Whole, upTo, Snapshot: files.Snapshot)
            : new ReplicaFinding(
                ReplicaCondition.Damaged,
                upTo,
                string.Create(CultureInfo.InvariantCulture, $"a restore ends at transaction {upTo}, and {expectedTxid} had been replicated"));
    }

    /// <summary>
    /// The first uploaded file that this machine's Litestream did not send: its own copy, which stays beside the database as long
    /// as the one at the destination, has another size, or ends before it. The times do not help: elsewhere than in a folder they
    /// are those of the upload.
    /// </summary>
    private static LtxFileInfo? FindForeign(string stateFolder, LtxInventory files)
    {
        var folder = LocalFiles.FolderOf(stateFolder);
        ulong highest;
        try
        {
            highest = LocalFiles.FindHighest(folder);
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            return null;
        }

        foreach (var file in files.Files)
        {
            if (highest > 0 && file.Level == 0
                && (file.MaxTxid > highest || (new FileInfo(Path.Combine(folder, file.Name.FileName)) is { Exists: true } local && local.Length != file.Size)))
            {
                return file;
            }
        }

        return null;
    }

    private static ulong ReadTxid(ReadOnlyMemory<byte> json, string property)
    {
        using var document = JsonDocument.Parse(json);
        return ReadTxid(document.RootElement, property);
    }

    private static ulong ReadTxid(JsonElement answer, string property)
    {
        try
        {
            return LtxInventory.ReadTxid(answer, property);
        }
        catch (Exception ex) when (ex is InvalidOperationException or KeyNotFoundException or FormatException)
        {
            throw new JsonException($"There is no {property}.", ex);
        }
    }

    private static void RemoveIfAny(string folder)
    {
        try
        {
            Directory.Delete(folder, recursive: true);
        }
        catch (DirectoryNotFoundException)
        {
            // It could not be made.
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            // Nothing else can be done, and what was found counts.
        }
    }
}
