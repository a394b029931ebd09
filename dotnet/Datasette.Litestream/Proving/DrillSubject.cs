using System.Globalization;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Restoring;
using Datasette.Litestream.SqliteFiles;

namespace Datasette.Litestream.Proving;

/// <summary>One drill of one destination: what it works with, and how its result is judged.</summary>
/// <param name="Database">The database.</param>
/// <param name="Destination">The destination.</param>
/// <param name="Restorer">Finds states.</param>
/// <param name="Restore">Restores them.</param>
/// <param name="Folder">Where to.</param>
/// <param name="Program">Works on database files.</param>
/// <param name="Began">When the drill began.</param>
/// <param name="Tell">Is told how far it is.</param>
internal sealed record DrillSubject(
    DatabasePlan Database,
    Destination Destination,
    Restorer Restorer,
    DrillRestore Restore,
    StagingFolder Folder,
    DrillProgram Program,
    DateTimeOffset Began,
    Action<DrillProgress> Tell)
{
    private const int MaxNames = 5;

    /// <summary>Where the live database is copied to.</summary>
    public string CopyPath { get; } = Path.Combine(Folder.Path, "live.db");

    /// <summary>Deletes what an earlier try has left, which takes the room of the next one.</summary>
    public void DeleteFiles() => Array.ForEach(Directory.GetFiles(Folder.Path), File.Delete);

    /// <summary>A drill that showed a fault.</summary>
    public DrillResult Failed(string sentence) => new(Began, DrillOutcome.Failed, sentence);

    /// <summary>Restores the newest state that is there.</summary>
    /// <returns>The file, or how the drill ended without one.</returns>
    /// <exception cref="DrillNotHeldException">There is nothing yet, or it changes too fast.</exception>
    public async Task<(RestoredFile? File, DrillResult? Result)> RestoreNewestAsync(CancellationToken cancellationToken)
    {
        if (await Destination.ListAsync(cancellationToken).ConfigureAwait(false) is { LacksBeginning: true })
        {
            return (null, Failed(DrillRestore.Hole(0, 0)));
        }

        var found = await Restorer.FindAsync(Destination, RestoreTarget.Newest, cancellationToken).ConfigureAwait(false)
            ?? throw new DrillNotHeldException("There is no backup there yet.");
        if (found is { Beyond: { } beyond, Point: RestorePoint.Transaction { Txid: var reach } })
        {
            return (null, Failed(DrillRestore.Hole(beyond, reach)));
        }

        var (file, fault) = await Restore.RestoreAsync(found.Point, cancellationToken).ConfigureAwait(false);
        return fault is not null ? (null, Failed($"The newest state could not be restored: {fault.TrimEnd('.')}.") with { State = found.Point.Name })
            : file is null ? throw new DrillNotHeldException("The newest state was merged with later changes before it could be restored.")
            : (file, null);
    }

    /// <summary>Checks a restored file, and compares it with the copy of the live database page by page.</summary>
    /// <param name="file">The file.</param>
    /// <param name="moment">Of when the copy is, such as <c>after transaction 2a</c>.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<DrillResult> CompareAsync(RestoredFile file, string moment, TimeProvider time, CancellationToken cancellationToken)
    {
        Tell(new DrillProgress(DrillPhase.Comparing));
        var started = time.GetTimestamp();
        var found = await Program.CompareAsync(file.Path, CopyPath, cancellationToken).ConfigureAwait(false);
        var isEqual = found.DifferentPages == 0;
        var unproven = found.Unchecked is { } why ? $" SQLite could not check it here: {why.TrimEnd('.')}." : "";
        var result = isEqual && found.Fault is null ? new DrillResult(Began, DrillOutcome.Proven, $"Equal to the live database {moment}, page by page.{unproven}")
            : isEqual ? Failed($"It is equal to the live database {moment}, and that one is damaged.") with { IsLiveDamaged = true, Details = found.Fault }
            : found.Fault is not null ? Failed("What was restored is damaged.") with { IsLiveDamaged = found.CopyFault is not null, Details = found.Fault }
            : Failed($"It is not what the live database was {moment}: {Pages(found)}.") with { Details = Names(found), StillRestorable = "In itself it is whole: it can be restored, and SQLite finds no fault in it." };
        return With(result, file, found, time.GetElapsedTime(started));
    }

    /// <summary>Checks a restored file that cannot be compared page by page.</summary>
    /// <param name="file">The file.</param>
    /// <param name="sentence">What it is worth if SQLite finds no fault in it.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<DrillResult> CheckAsync(RestoredFile file, string sentence, TimeProvider time, CancellationToken cancellationToken)
    {
        Tell(new DrillProgress(DrillPhase.Comparing));
        var started = time.GetTimestamp();
        var found = await Program.CompareAsync(file.Path, copy: null, cancellationToken).ConfigureAwait(false);
        return With(
            found.Fault is { } fault ? Failed("What was restored is damaged.") with { Details = fault }
                : found.Unchecked is { } why ? throw new DrillNotHeldException($"It can be restored, but SQLite could not check it here: {why.TrimEnd('.')}.")
                : new DrillResult(Began, DrillOutcome.ProvenWeakly, sentence),
            file,
            found,
            time.GetElapsedTime(started));
    }

    private static DrillResult With(DrillResult result, RestoredFile file, DrillComparison found, TimeSpan took) => result with
    {
        State = file.Point.Name,
        RestoreSeconds = file.Took.TotalSeconds,
        CheckSeconds = took.TotalSeconds,
        Bytes = file.Bytes,
        ForeignKeyViolations = found.ForeignKeyViolations,
    };

    private static string Pages(DrillComparison found) =>
        string.Create(CultureInfo.InvariantCulture, $"{found.DifferentPages:#,0} {(found.DifferentPages == 1 ? "page differs" : "pages differ")}");

    private static string Names(DrillComparison found) => found.Differences.Count == 0
        ? $"No table's rows differ; the pages are {string.Join(", ", found.FirstPages)}{(found.DifferentPages > found.FirstPages.Count ? ", …" : "")}."
        : $"What differs: {List(found.Differences)}.";

    /// <summary>Some names, of which the first are told.</summary>
    public static string List(IReadOnlyList<string> names) => names.Count > MaxNames ? $"{string.Join(", ", names.Take(MaxNames))} and {names.Count - MaxNames} more" : string.Join(", ", names);
}
