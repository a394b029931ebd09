using Datasette.Litestream.Configuration;
using Datasette.Litestream.Logging;
using Datasette.Litestream.Notification;
using Datasette.Litestream.Observation;
using Datasette.Litestream.Reporting;

namespace Datasette.Litestream;

/// <summary>
/// Tells how replication is where it is read: in Datasette's own output, at <c>notify-url</c>, and at <c>heartbeat-url</c>.
/// </summary>
internal sealed class Announcer : IAsyncDisposable
{
    private readonly HttpSender _sender;
    private readonly Webhook? _webhook;
    private readonly DeadMansSwitch? _deadMansSwitch;
    private readonly LitestreamEvents _litestreamEvents;
    private readonly DatabaseEvents _databaseEvents;

    /// <param name="plan">Where to.</param>
    /// <param name="time">The clock.</param>
    /// <param name="writeError">Receives each line for standard error, with its line break.</param>
    public Announcer(ReplicationPlan plan, TimeProvider time, Action<string> writeError)
    {
        var (notifyUrl, heartbeatUrl, interval) = plan.Notifications;
        _sender = new HttpSender(time);
        Log = new OperatorLog(plan.LogLevel, writeError, (level, text) => _webhook?.Post(level, text));

        // What cannot be sent is not sent.
        _webhook = notifyUrl is null ? null : new Webhook(notifyUrl, _sender, time, sentence => Log.WriteOnly(LogLevel.Warning, sentence));
        _deadMansSwitch = heartbeatUrl is null
            ? null
            : new DeadMansSwitch(heartbeatUrl, interval, _sender, time, sentence => Log.Write(LogLevel.Warning, sentence));
        _litestreamEvents = new LitestreamEvents(time);
        _databaseEvents = new DatabaseEvents(time);
    }

    /// <summary>The log for the operator, whose warnings and errors are sent to <c>notify-url</c> too.</summary>
    public OperatorLog Log { get; }

    /// <summary>What is wrong with the two addresses, one sentence each.</summary>
    public IEnumerable<string> Warnings => new[] { _webhook?.Warning, _deadMansSwitch?.Warning }.OfType<string>();

    /// <summary>Tells what is new in a sample. Only the sampling task calls it.</summary>
    /// <param name="replication">The state of replication.</param>
    /// <param name="observed">The state of the databases.</param>
    public void Look(ReplicationSnapshot replication, ObservedDatabases observed)
    {
        foreach (var (level, sentence) in _litestreamEvents.Look(replication.Daemon).Concat(_databaseEvents.Look(observed)))
        {
            Log.Write(level, sentence);
        }

        _deadMansSwitch?.Look(Wording.IsSafe(observed));
    }

    /// <summary>Tries once to deliver what waits; returns within 1.5 s.</summary>
    public async ValueTask DisposeAsync()
    {
        _deadMansSwitch?.End();
        await (_webhook?.FinishAsync() ?? Task.CompletedTask).ConfigureAwait(false);
        _sender.Dispose();
    }
}
