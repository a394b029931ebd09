using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Locking;
using Datasette.Litestream.Logging;
using Datasette.Litestream.Proving;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Standby;

namespace Datasette.Litestream;

/// <summary>
/// The time in which one Datasette replicates databases: from its start or its take-over to its end. One task leaves reports for those that stand by, while there are any; the rest of its state is immutable.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "EndAsync disposes of everything.")]
internal sealed class Term
{
    /// <summary>How long an end may take without a word.</summary>
    private static readonly TimeSpan AnnouncedAfter = TimeSpan.FromSeconds(1);

    /// <summary>How often it is looked whether anybody stands by.</summary>
    private static readonly TimeSpan AudienceInterval = TimeSpan.FromSeconds(1);

    /// <summary>How long after a report the next one comes: it is old after 15 s, and may cost a hundredth of a core.</summary>
    private static readonly TimeSpan MinReportInterval = TimeSpan.FromSeconds(2), MaxReportInterval = TimeSpan.FromSeconds(5);

    private const int ReportShare = 100;

    private readonly CancellationTokenSource _ending = new();
    private readonly TimeProvider _time;
    private readonly DateTimeOffset _startedAt;
    private readonly StatusReporter _reporter;
    private Task _reporting = Task.CompletedTask;

    private Term(Replicator replicator, TimeProvider time)
    {
        (Replicator, _time, _startedAt) = (replicator, time, time.GetUtcNow());
        _reporter = new StatusReporter(() => replicator.Snapshot, time, replicator.Observe, replicator.Tools);
    }

    /// <summary>The replication.</summary>
    public Replicator Replicator { get; }

    /// <summary>Tells of its databases.</summary>
    public IReporter Reporter => _reporter;

    /// <summary>Starts one.</summary>
    /// <param name="setup">What is to be replicated.</param>
    /// <param name="locks">The locks on all of its databases, and on no others.</param>
    /// <param name="writeError">Receives the lines for standard error, with their line breaks.</param>
    /// <param name="onFatal">See <see cref="Replicator.StartAsync"/>.</param>
    /// <param name="isTakeOver">See <see cref="Replicator"/>.</param>
    /// <param name="onOthers">See <see cref="Replicator"/>.</param>
    /// <exception cref="Errors.ReplicationException">It cannot start; no process is left running.</exception>
    public static async Task<Term> StartAsync(
        ReplicationSetup setup, DatabaseLocks locks, Action<string> writeError, Action<string> onFatal, bool isTakeOver, Action onOthers)
    {
        var replicator = new Replicator(setup, locks, writeError, isTakeOver, onOthers);
        await replicator.StartAsync(onFatal).ConfigureAwait(false);
        var term = new Term(replicator, setup.Host.Time);
        foreach (var warning in replicator.Snapshot.Warnings)
        {
            replicator.OperatorLog.Write(LogLevel.Warning, warning);
        }

        replicator.Downloads.DeleteLeftovers();
        DrillFolder.DeleteLeftovers();
        term._reporting = Task.Run(term.LeaveReportsAsync);
        return term;
    }

    /// <summary>
    /// Ends it: Litestream replicates the remaining changes and ends. What is not replicated then is written to the operator's log.
    /// </summary>
    /// <param name="timeout">How long it may take.</param>
    /// <param name="onEnded">See <see cref="Replicator.StopAsync"/>.</param>
    /// <param name="onLeft">See <see cref="Replicator.StopAsync"/>.</param>
    /// <param name="onLong">Called if it takes longer than a second, before that is said; null if it is not to be said.</param>
    /// <param name="hurry">Cancelled if it is to end at once.</param>
    public async Task EndAsync(TimeSpan timeout, Func<Task> onEnded, Func<Task> onLeft, Action? onLong, CancellationToken hurry)
    {
        await _ending.CancelAsync().ConfigureAwait(false);
        var observed = _reporter.LastObserved;
        _reporter.Dispose();
        var failing = EndReport.FailingForLong(observed, _time.GetUtcNow());
        var ending = Replicator.StopAsync(new StopOrder(timeout, failing.Contains, hurry), onEnded, onLeft);
        if (onLong is not null && await Task.WhenAny(ending, Task.Delay(AnnouncedAfter, CancellationToken.None)).ConfigureAwait(false) != ending)
        {
            onLong();
            Replicator.OperatorLog.Write(LogLevel.Warning, EndReport.Announce(timeout - AnnouncedAfter));
        }

        var result = await ending.ConfigureAwait(false);
        if (EndReport.Describe(result.Litestream, result.Lacks, Replicator.Plan, observed, _startedAt) is { } told)
        {
            Replicator.OperatorLog.Write(told.Level, told.Sentence);
        }

        await Replicator.Announcer.DisposeAsync().ConfigureAwait(false);
        await _reporting.ConfigureAwait(false);
    }

    private async Task LeaveReportsAsync()
    {
        string? folder = null;
        try
        {
            while (true)
            {
                if (Replicator.ReportFolder is var now && now != folder)
                {
                    Remove(folder);
                    folder = now;
                }

                var wait = AudienceInterval;
                if (folder is not null && Audience.IsThere(folder))
                {
                    var started = Stopwatch.GetTimestamp();
                    await TryLeaveReportAsync(folder).ConfigureAwait(false);
                    var cost = Stopwatch.GetElapsedTime(started) * ReportShare;
                    wait = cost < MinReportInterval ? MinReportInterval : cost > MaxReportInterval ? MaxReportInterval : cost;
                }

                await Task.Delay(wait, _time, _ending.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // The last report stays for a moment: whoever takes over has none yet.
            if (folder is not null && !Audience.IsThere(folder))
            {
                Remove(folder);
            }
        }

        static void Remove(string? folder)
        {
            if (folder is not null)
            {
                ReportFile.Remove(folder);
            }
        }
    }

    private async Task TryLeaveReportAsync(string folder)
    {
        try
        {
            ReportFile.Write(folder, await HolderReport.MakeAsync(_reporter, folder).ConfigureAwait(false));
        }
        catch (Exception)
        {
            // It is ending, or the disk is full: those that stand by see how old the last one is.
        }
    }
}
