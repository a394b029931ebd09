using Datasette.Litestream.Configuration;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Observation;
using Datasette.Litestream.Replicas;

namespace Datasette.Litestream.Healing;

/// <summary>
/// Has Litestream 0.3 begin a new generation, with a new snapshot, of databases of which a drill has failed. What is in the generation before
/// stays for as long as Litestream keeps it. Only the sampling task uses it, but for the task that renews.
/// </summary>
/// <param name="control">The replication.</param>
/// <param name="time">The clock.</param>
internal sealed class GenerationRenewer(IReplicationControl control, TimeProvider time)
{
    /// <summary>The delays before another new generation, each of which holds the whole database.</summary>
    private static readonly TimeSpan MinDelay = TimeSpan.FromMinutes(1), MaxDelay = TimeSpan.FromHours(6);

    private readonly Dictionary<string, (Backoff Delay, DateTimeOffset NextAt)> _renewed = new(StringComparer.Ordinal);
    private Task _running = Task.CompletedTask;
    private volatile bool _isStopping;

    /// <summary>Takes an observation; returns at once.</summary>
    public void Look(ObservedDatabases observed)
    {
        if (!_running.IsCompleted || _isStopping)
        {
            return;
        }

        var now = time.GetUtcNow();
        var due = observed.Databases
            .Where(database => database is { Reason: StateReason.DrillFailed, IsBeingProven: false } && !control.IsServedElsewhere(database.Plan) && !(_renewed.GetValueOrDefault(database.Plan.Name).NextAt > now))
            .Select(database => database.Plan)
            .ToList();
        if (due.Count == 0)
        {
            return;
        }

        foreach (var database in due)
        {
            var delay = _renewed.GetValueOrDefault(database.Name).Delay ?? new Backoff(MinDelay, MaxDelay);
            _renewed[database.Name] = (delay, now + delay.Next());
        }

        _running = Task.Run(() => RenewAsync(due));
    }

    /// <summary>Begins no more, and completes when nothing is under way.</summary>
    public Task StopAsync()
    {
        _isStopping = true;
        return _running;
    }

    private async Task RenewAsync(IReadOnlyList<DatabasePlan> databases)
    {
        try
        {
            await RestartAsync(databases).ConfigureAwait(false);
        }
        catch (Exception)
        {
            // Litestream was stopped, or says itself why it cannot be started; the next failed drill tries again.
        }
    }

    private async Task RestartAsync(IReadOnlyList<DatabasePlan> databases)
    {
        var names = databases.Select(database => database.Name).ToHashSet(StringComparer.Ordinal);
        await control.RestartWithoutAsync(LeaveOutReason.Renewal, names, $"Litestream leaves {string.Join(", ", names)} alone for a moment.").ConfigureAwait(false);
        var renewed = databases.Where(database => LocalState.ForgetGeneration(LitestreamFolder.Of(database)) is null).ToList();
        var message = renewed.Count == 0 ? $"A new generation of {string.Join(", ", names)} could not be begun." : $"Litestream begins a new generation of {string.Join(", ", renewed.Select(database => database.Name))}, since a drill has failed.";
        await control.RestartWithoutAsync(LeaveOutReason.Renewal, new HashSet<string>(), message).ConfigureAwait(false);
        foreach (var database in renewed)
        {
            control.Renewed(database);
        }
    }
}
