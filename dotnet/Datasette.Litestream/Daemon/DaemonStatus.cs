using System.Collections.Immutable;
using Datasette.Litestream.Litestream;

namespace Datasette.Litestream.Daemon;

/// <summary>What Litestream is doing.</summary>
internal enum DaemonState
{
    Starting,
    Running,

    /// <summary>It ended by itself, and will be started again.</summary>
    Waiting,

    /// <summary>It does not run, because every database is held out.</summary>
    Idle,
    Stopping,
    Stopped,
}

/// <summary>The status of the Litestream process at one moment.</summary>
/// <param name="State">What it is doing.</param>
/// <param name="ProcessId">Null while there is none.</param>
/// <param name="StartedAt">When the process started; null while there is none.</param>
/// <param name="Failures">How often it ended by itself or had to be killed since Datasette started.</param>
/// <param name="LastFailure">What happened at the last failure; null if there was none.</param>
/// <param name="LastFailureAt">The time of the last failure.</param>
/// <param name="NextStartAt">The time of the next start; null while it is running.</param>
internal sealed record DaemonStatus(
    DaemonState State,
    int? ProcessId = null,
    DateTimeOffset? StartedAt = null,
    int Failures = 0,
    string? LastFailure = null,
    DateTimeOffset? LastFailureAt = null,
    DateTimeOffset? NextStartAt = null)
{
    private const int MaxRestarts = 20;

    /// <summary>
    /// Since when it has been down, across failed attempts to start it; null while it is running and before its first start.
    /// </summary>
    public DateTimeOffset? DownSince { get; init; }

    /// <summary>
    /// Whether it does not run although it should, or has ended for good. One that is being started after a failure is still down: it may never
    /// become ready.
    /// </summary>
    public bool IsDown => State is DaemonState.Waiting or DaemonState.Stopped || (State == DaemonState.Starting && LastFailureAt >= DownSince);

    /// <summary>
    /// The control socket of the running Litestream; null while none is running, and for a release line without one.
    /// </summary>
    public ControlSocket? Socket { get; init; }

    /// <summary>The databases that it runs without, because their destinations refused, by their files' paths.</summary>
    public ImmutableDictionary<string, HeldOutDatabase> HeldOut { get; init; } = ImmutableDictionary<string, HeldOutDatabase>.Empty;

    /// <summary>The last restarts, newest first.</summary>
    public ImmutableList<Restart> Restarts { get; init; } = [];

    /// <summary>The number of all restarts, by reason.</summary>
    public ImmutableDictionary<RestartReason, int> RestartCounts { get; init; } = ImmutableDictionary<RestartReason, int>.Empty;

    /// <summary>A copy with one more restart.</summary>
    public DaemonStatus With(Restart restart) => this with
    {
        Restarts = [restart, .. Restarts.Take(MaxRestarts - 1)],
        RestartCounts = RestartCounts.SetItem(restart.Reason, RestartCounts.GetValueOrDefault(restart.Reason) + 1),
    };
}
