using Datasette.Litestream.Configuration;
using Datasette.Litestream.Litestream;

namespace Datasette.Litestream.Observation;

/// <summary>All that the <see cref="Sampler"/> keeps of one database as long as it is in the plan. The sampling task owns it.</summary>
internal sealed class WatchedDatabase
{
    /// <summary>
    /// After this long, a request is behind no other any more: Litestream takes those of a database in turn, between its own syncs. Source:
    /// <c>lockExec</c> in db.go, v0.5.17.
    /// </summary>
    private static readonly TimeSpan MaxTurn = TimeSpan.FromSeconds(10);

    private Task<SyncAnswer?>? _sync;
    private DateTimeOffset? _askedRun;

    /// <summary>When Litestream began the sync that it was at when it was asked, by its own clock; null if that is not known yet.</summary>
    private DateTimeOffset? _syncBefore;
    private DateTimeOffset _checkWantedAt;

    /// <param name="plan">The database.</param>
    /// <param name="start">When replication of it began.</param>
    public WatchedDatabase(DatabasePlan plan, DateTimeOffset start)
    {
        Tracker = new DatabaseTracker(plan, start);
        Mirrors = [.. plan.Mirrors.Select(mirror => new MirrorTracker(mirror, start, Tracker.MaxLag))];
        Folders = new LookedAtFolders(plan.Replicas.Length);
    }

    public DatabasePlan Plan => Tracker.Plan;

    public DatabaseTracker Tracker { get; }

    public MirrorTracker[] Mirrors { get; }

    public LookedAtFolders Folders { get; }

    public ExaminedFile File { get; } = new();

    /// <summary>Its files at the current look.</summary>
    public DatabaseFiles Files { get; private set; }

    /// <summary>The figures from Litestream's log at the current look.</summary>
    public DatabaseLogStatistics Statistics { get; private set; } = DatabaseLogStatistics.Nothing;

    /// <summary>Whether Litestream has been asked to sync it, and the answer was not taken yet.</summary>
    public bool IsAsked => _sync is not null;

    /// <summary>The same with another plan for it: its file may be another one.</summary>
    public WatchedDatabase With(DatabasePlan plan)
    {
        Tracker.Plan = plan;
        return this;
    }

    /// <summary>Looks at its files.</summary>
    /// <param name="servedPath">Where Datasette serves it now.</param>
    /// <param name="statistics">The figures from Litestream's log.</param>
    public void Look(string servedPath, LogStatistics statistics) => (Files, Statistics) = (DatabaseFiles.Read(servedPath, Plan.Path), statistics.Of(Plan.Path));

    /// <summary>Whether its destinations are to be checked because somebody wants that; true once for each time.</summary>
    /// <param name="wantedAt">Since when.</param>
    public bool TakeCheckRequest(DateTimeOffset wantedAt)
    {
        var isNew = wantedAt != _checkWantedAt;
        _checkWantedAt = wantedAt;
        return isNew;
    }

    /// <summary>Notes that Litestream is asked to sync it.</summary>
    /// <param name="sync">Litestream's answer; null if it gives none.</param>
    /// <param name="run">When the Litestream that was asked was started.</param>
    public void Ask(Task<SyncAnswer?> sync, DateTimeOffset? run) => (_sync, _askedRun, _syncBefore) = (sync, run, null);

    /// <summary>Litestream's answer since the last look; null if there is none.</summary>
    /// <param name="now">The time.</param>
    /// <param name="run">When the Litestream that runs now was started; what an earlier one was asked is over.</param>
    /// <param name="activity">What it does with the database, or did last; null if that is not known.</param>
    public SyncAnswer? TakeAnswer(DateTimeOffset now, DateTimeOffset? run, SyncActivity? activity)
    {
        if (run != _askedRun)
        {
            _sync = null;
        }

        if (_sync is not { IsCompleted: true } sync)
        {
            _syncBefore ??= activity?.StartedAt;
            if (activity is { IsActive: false } && activity.StartedAt - _syncBefore > MaxTurn)
            {
                // Nothing will come any more. Seen once in some thousand requests on a busy machine; Litestream was idle then.
                _sync = null;
            }

            return null;
        }

        _sync = null;
        var answer = sync.IsCompletedSuccessfully ? sync.Result : null;
        if (answer is null or { Error: not null })
        {
            Tracker.BackOff(now);
        }

        return answer;
    }
}
