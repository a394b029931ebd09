using Datasette.Litestream.Configuration;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Observation;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Replicas;
using Datasette.Litestream.Restoring;
using Datasette.Litestream.SqliteFiles;

namespace Datasette.Litestream.Admission;

/// <summary>
/// The one rule for a file that is possibly not the one that was replicated, at the start, when one is replaced, and when a database is
/// attached. Whatever is at the destination stays there; what would become its newest state is meant to.
/// </summary>
/// <param name="restorer">Lists destinations.</param>
/// <param name="releaseLine">Which Litestream it is.</param>
/// <param name="sqlite">Looks into databases.</param>
internal sealed class FileRule(Restorer restorer, ReleaseLine releaseLine, SqliteProgram sqlite)
{
    /// <summary>Judges the file of a database, on which no Litestream works.</summary>
    /// <param name="database">The database.</param>
    /// <param name="isOurs">Whether another process of this machine has replicated it until now, so that the destination has nothing else.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="ReplicationException">The destination does not answer, or the file cannot be read.</exception>
    public async Task<Verdict> JudgeAsync(DatabasePlan database, bool isOurs, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(database);
        if (FileStatus.Look(database.Path).Status is not { } file)
        {
            return new Verdict.Missing();
        }

        try
        {
            var local = LocalPosition.Read(LitestreamFolder.Of(database), releaseLine);
            var record = FileRecord.Read(database.Path);
            var meant = MeantFile.Read(database.Path) is { } read && read.IsOf(file) ? read : null;
            var isSame = local is not null && meant is null && record == FileRecord.Of(file);
            if (isSame && isOurs)
            {
                return new Verdict.Continued();
            }

            // By the names in a folder alone, that takes no time, also for a thousand databases.
            if (isSame && FindHighest(database) is { } highest)
            {
                return (Verdict?)Hold(database.Primary, ((LocalPosition.AfterTransaction)local!).FindBeyond(highest)) ?? new Verdict.Continued();
            }

            var there = await ListAsync(database, cancellationToken).ConfigureAwait(false);
            if (there.Count == 0)
            {
                return new Verdict.Continued();
            }

            var first = there[0].Replica;
            return meant is not null ? new Verdict.Anew($"it was {meant.How}", meant.IsRestored)

                // One that was empty when it was replicated may be so still.
                : !(isSame && record!.BornAt is not null) && await IsEmptyAsync(database.Path, cancellationToken).ConfigureAwait(false)
                    ? new Verdict.Held(new HeldBack(IsEmpty: true, $"{first.Destination} has a backup"))
                : local is null ? new Verdict.Anew($"nothing beside the file says that it is the one of which {first.Destination} has a backup", IsInBackup: false)
                : there.Select(one => Hold(one.Replica, local.FindBeyond(one.Listing))).FirstOrDefault(held => held is not null) is { } hold ? hold
                : record is not null && !isSame ? new Verdict.Anew("it is another file than the one that was replicated", IsInBackup: false)
                : new Verdict.Continued();
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            throw new ReplicationException($"{database.Name}: {ex.Message}", ex);
        }
    }

    /// <summary>Whether a database holds nothing besides what Litestream makes itself.</summary>
    /// <param name="path">Its file, absolute.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="ReplicationException">SQLite cannot read it.</exception>
    public async Task<bool> IsEmptyAsync(string path, CancellationToken cancellationToken)
    {
        var (isEmpty, error) = (await AreEmptyAsync([path], cancellationToken).ConfigureAwait(false))[0];
        return error is null ? isEmpty : throw new ReplicationException($"{path}: {error}");
    }

    /// <summary>The same for several, in one child process.</summary>
    /// <returns>For each path whether it is empty, and why that is not known; null if it is.</returns>
    public async Task<IReadOnlyList<(bool IsEmpty, string? Error)>> AreEmptyAsync(IReadOnlyList<string> paths, CancellationToken cancellationToken) => sqlite.IsThere
        ? await sqlite.AreEmptyAsync(paths, cancellationToken).ConfigureAwait(false)
        : [.. paths.Select(path => (FileStatus.Look(path).Status is { Size: 0 }, (string?)null))];

    /// <summary>The destinations that have a backup, and what lies there: all that Litestream writes, and none of the mirrors, which follow.</summary>
    private async Task<IReadOnlyList<(ReplicaPlan Replica, DestinationListing Listing)>> ListAsync(DatabasePlan database, CancellationToken cancellationToken)
    {
        var found = new List<(ReplicaPlan, DestinationListing)>();
        foreach (var destination in restorer.DestinationsOf(database with { Replicas = [.. database.Replicas.Except(database.Mirrors)] }, number: null))
        {
            using (destination)
            {
                if (await destination.ListAsync(cancellationToken).ConfigureAwait(false) is { HasBackup: true } listing)
                {
                    found.Add((destination.Replica, listing));
                }
            }
        }

        return found;
    }

    /// <summary>The highest transaction in the folder that Litestream 0.5 writes to; null for another kind of destination.</summary>
    private ulong? FindHighest(DatabasePlan database) => releaseLine == ReleaseLine.V03 || database.Primary.Type != "file" ? null
        : Enumerable.Range(0, LtxName.LevelCount).Max(level => LocalFiles.FindHighest(Path.Combine(database.Primary.Place, "ltx", $"{level}")));

    private static Verdict.Held? Hold(ReplicaPlan replica, string? beyond) =>
        beyond is null ? null : new Verdict.Held(new HeldBack(IsEmpty: false, $"the backup at {replica.Destination} {beyond}"));
}
