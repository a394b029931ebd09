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
    Stopping,
    Stopped,
}

/// <summary>How Litestream stands at one moment.</summary>
/// <param name="State">What it is doing.</param>
/// <param name="ProcessId">Null while there is none.</param>
/// <param name="StartedAt">When the process started; null while there is none.</param>
/// <param name="Failures">How often it ended by itself or had to be killed, since Datasette's start.</param>
/// <param name="LastFailure">What happened the last time it did; null where it never did.</param>
/// <param name="LastFailureAt">When.</param>
/// <param name="NextStartAt">When it will be started again; null while it runs.</param>
internal sealed record DaemonStatus(
    DaemonState State,
    int? ProcessId = null,
    DateTimeOffset? StartedAt = null,
    int Failures = 0,
    string? LastFailure = null,
    DateTimeOffset? LastFailureAt = null,
    DateTimeOffset? NextStartAt = null)
{
    private const int KeptRestarts = 20;

    /// <summary>Since when it has not run, over all attempts to start it; null while it runs, and before it first did.</summary>
    public DateTimeOffset? DownSince { get; init; }

    /// <summary>The control socket of the Litestream that runs; null while none does, and for a release line without one.</summary>
    public ControlSocket? Socket { get; init; }

    /// <summary>The last restarts, newest first.</summary>
    public ImmutableList<Restart> Restarts { get; init; } = [];

    /// <summary>How many restarts there were in all, by their reason.</summary>
    public ImmutableDictionary<RestartReason, int> RestartCounts { get; init; } = ImmutableDictionary<RestartReason, int>.Empty;

    /// <summary>The same with one restart more.</summary>
    public DaemonStatus With(Restart restart) => this with
    {
        Restarts = [restart, .. Restarts.Take(KeptRestarts - 1)],
        RestartCounts = RestartCounts.SetItem(restart.Reason, RestartCounts.GetValueOrDefault(restart.Reason) + 1),
    };
}
