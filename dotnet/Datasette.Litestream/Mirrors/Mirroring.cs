using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Stores;

namespace Datasette.Litestream.Mirrors;

/// <summary>
/// All mirrors of one Datasette. Each has a task of its own, so that one that fails holds up no other; one more task looks every
/// second what Litestream has made. Any thread may read <see cref="Statuses"/> and <see cref="Fills"/>, which are immutable.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "FinishAsync disposes of the stores; a CancellationTokenSource without a timer or a link holds nothing.")]
internal sealed class Mirroring
{
    /// <summary>How often it is looked whether Litestream has made files.</summary>
    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(1);

    /// <summary>How often it is remembered how far mirrors are that are behind.</summary>
    private static readonly TimeSpan MemoryInterval = TimeSpan.FromSeconds(30);

    /// <summary>How long the start of Litestream waits for destinations that do not answer, before it leaves out their databases.</summary>
    private static readonly TimeSpan CompareTimeout = TimeSpan.FromSeconds(3);

    /// <summary>How many databases are compared at once at the start.</summary>
    private const int Parallelism = 16;

    private readonly Func<ReplicationPlan> _plan;
    private readonly MirrorTools _tools;
    private readonly PrimaryFilling _filling;
    private readonly Func<ReplicaPlan, string, StoreHolder> _open;
    private readonly CancellationTokenSource _stopping = new();
    private readonly CancellationTokenSource _stoppingFills = new();
    private Task _looking = Task.CompletedTask;

    /// <summary>Those that have mirrors, by name. Only one thread at a time adds and removes.</summary>
    private volatile ImmutableDictionary<string, MirroredDatabase> _databases = ImmutableDictionary.Create<string, MirroredDatabase>(StringComparer.Ordinal);
    private ImmutableDictionary<MirrorKey, MirrorStatus> _statuses = ImmutableDictionary<MirrorKey, MirrorStatus>.Empty;
    private ImmutableDictionary<string, PrimaryFill> _fills = ImmutableDictionary.Create<string, PrimaryFill>(StringComparer.Ordinal);

    /// <param name="plan">What is replicated where, now: the file of a database may change, its destinations do not.</param>
    /// <param name="open">Opens the store of a replica, for a database's file.</param>
    /// <param name="time">The clock.</param>
    /// <param name="random">The source of the delays' jitter.</param>
    /// <param name="redact">Takes secrets out of what others say.</param>
    public Mirroring(Func<ReplicationPlan> plan, Func<ReplicaPlan, string, IStore> open, TimeProvider time, Random random, Func<string, string> redact)
    {
        _plan = plan;
        _tools = new MirrorTools(new Traffic(time), new Pruning(Retention.Of(plan()), Retention.L0Of(plan())), time, random, redact);
        _filling = new PrimaryFilling(_tools);
        _open = (replica, path) => new StoreHolder(() => open(replica, path), time);
        Add(plan().Databases);
    }

    /// <summary>The state of each mirror; one that is missing has not started yet.</summary>
    public ImmutableDictionary<MirrorKey, MirrorStatus> Statuses => _statuses;

    /// <summary>The first destinations that are being filled, before Litestream starts on them, by the names of their databases.</summary>
    public ImmutableDictionary<string, PrimaryFill> Fills => _fills;

    /// <summary>Takes in those of some databases that have mirrors; they are to be prepared and started.</summary>
    public void Add(IEnumerable<DatabasePlan> databases) => _databases = _databases.AddRange(
        databases.Where(database => !database.Mirrors.IsEmpty).Select(database => KeyValuePair.Create(database.Name, new MirroredDatabase(database, _open, _tools.Time))));

    /// <summary>
    /// Copies the last files of a database that is to be left alone to its mirrors. Where that fails, its mirrors are kept up as before.
    /// </summary>
    /// <param name="plan">The database.</param>
    /// <param name="timeout">How long it may take.</param>
    /// <returns>The mirrors that lack something.</returns>
    public async Task<IReadOnlyList<MirrorLack>> FinishAsync(DatabasePlan plan, TimeSpan timeout)
    {
        if (!_databases.TryGetValue(plan.Name, out var database))
        {
            return [];
        }

        Look(database, plan);
        using var deadline = new CancellationTokenSource(timeout, _tools.Time);
        var lacks = await FinishAsync(plan, database, deadline.Token).ConfigureAwait(false);
        if (lacks.Count > 0)
        {
            Start(plan.Name, database);
        }

        return lacks;
    }

    /// <summary>Forgets a database that is left alone.</summary>
    public void Remove(string name)
    {
        if (_databases.TryGetValue(name, out var database))
        {
            _databases = _databases.Remove(name);
            database.Dispose();
            foreach (var key in _statuses.Keys.Where(key => key.Database == name))
            {
                ImmutableInterlocked.TryRemove(ref _statuses, key, out _);
            }
        }
    }

    /// <summary>
    /// Compares, before Litestream starts, what this machine, the first destination and the mirrors have of each database.
    /// Destinations that do not answer hold up the start for a few seconds at most. A stop waits for it, too: what is not compared is not
    /// replicated.
    /// </summary>
    /// <param name="databases">The databases.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>The names of the databases whose first destination is to be filled, or may have to be, with <see cref="FillAsync(string)"/>
    /// before Litestream starts on it.</returns>
    public async Task<IReadOnlySet<string>> PrepareAsync(IEnumerable<DatabasePlan> databases, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(CompareTimeout, _tools.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        var plans = databases.Where(database => _databases.ContainsKey(database.Name)).ToList();
        plans.ForEach(plan => _databases[plan.Name].IsUnknown = true);
        try
        {
            await Parallel.ForEachAsync(plans, new ParallelOptions { MaxDegreeOfParallelism = Parallelism, CancellationToken = either.Token }, async (plan, stop) =>
            {
                var database = _databases[plan.Name];
                (database.FillFrom, var isKnown) = await _filling.FindFullestAsync(LitestreamFolder.Of(plan), database.Primary, database.Others, stop).ConfigureAwait(false);
                database.IsUnknown = !isKnown;
            }).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // Those that were not compared in time are compared while they are left out.
        }

        return plans.Where(plan => !_databases[plan.Name].IsReady).Select(plan => plan.Name).ToHashSet(StringComparer.Ordinal);
    }

    /// <summary>Fills the first destination of a database that <see cref="PrepareAsync"/> has named, if any other one has more.</summary>
    public async Task FillAsync(string name)
    {
        var database = _databases[name];
        if ((database.FillFrom ?? await WaitForFullestAsync(PlanOf(name), database, _stoppingFills.Token).ConfigureAwait(false)) is { } fullest)
        {
            await FillAsync(name, fullest, _stoppingFills.Token).ConfigureAwait(false);
        }

        (database.FillFrom, database.IsUnknown) = (null, false);
    }

    /// <summary>
    /// Fills the first destination of a database from the fullest of the others if it has less, while Litestream leaves the database
    /// alone.
    /// </summary>
    /// <param name="plan">The database.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task FillIfBehindAsync(DatabasePlan plan, CancellationToken cancellationToken)
    {
        if (_databases.TryGetValue(plan.Name, out var database))
        {
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stoppingFills.Token);
            if (await WaitForFullestAsync(plan, database, either.Token).ConfigureAwait(false) is { } fullest)
            {
                await FillAsync(plan.Name, fullest, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Starts the mirrors of all databases but those that are still to be filled; those follow when they are.</summary>
    public void Start()
    {
        foreach (var (name, database) in _databases.Where(database => database.Value.IsReady))
        {
            Start(name, database);
        }

        _looking = Task.Run(LookAsync);
    }

    /// <summary>Starts the mirrors of a database whose first destination was filled, or need not be; nothing if it has none.</summary>
    public void Start(string name)
    {
        if (_databases.TryGetValue(name, out var database))
        {
            Start(name, database);
        }
    }

    /// <summary>Has a mirror listed, compared and mended, since what lies there was found to be damaged; returns at once.</summary>
    public void Recheck(DatabasePlan database, ReplicaPlan replica)
    {
        if (_databases.TryGetValue(database.Name, out var mirrored))
        {
            mirrored.Started.FirstOrDefault(mirror => mirror.Replica.Key == replica.Key)?.Recheck();
        }
    }

    /// <summary>Stops filling first destinations, since Litestream is about to end.</summary>
    public void StopFilling() => _stoppingFills.Cancel();

    /// <summary>Copies the last files after Litestream has ended, and stops.</summary>
    /// <param name="timeout">How long it may take.</param>
    /// <param name="hurry">Ends it at once.</param>
    /// <returns>The mirrors that lack something.</returns>
    public async Task<IReadOnlyList<MirrorLack>> FinishAsync(TimeSpan timeout, CancellationToken hurry)
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        await _looking.ConfigureAwait(false);
        var plans = _plan().Databases.ToDictionary(database => database.Name, StringComparer.Ordinal);
        foreach (var (name, database) in _databases)
        {
            Look(database, plans[name]);
        }

        using var deadline = new CancellationTokenSource(timeout > TimeSpan.Zero ? timeout : TimeSpan.Zero, _tools.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, hurry);
        var lacks = await Task.WhenAll(_databases.Select(database => FinishAsync(plans[database.Key], database.Value, either.Token))).ConfigureAwait(false);
        foreach (var (name, database) in _databases)
        {
            Remember(name, database);
            database.Dispose();
        }

        return [.. lacks.SelectMany(some => some)];
    }

    private static async Task<IReadOnlyList<MirrorLack>> FinishAsync(DatabasePlan plan, MirroredDatabase database, CancellationToken deadline)
    {
        var lacks = await Task.WhenAll(database.Started.Select(FinishAsync)).ConfigureAwait(false);
        return [.. lacks.OfType<MirrorLack>(), .. database.NotStarted(plan)];

        async Task<MirrorLack?> FinishAsync(Mirror mirror)
        {
            var (isComplete, error) = await mirror.FinishAsync(deadline).ConfigureAwait(false);
            return isComplete ? null : new MirrorLack(plan, mirror.Replica, error);
        }
    }

    private async Task FillAsync(string name, Source from, CancellationToken cancellationToken)
    {
        var database = _databases[name];
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stoppingFills.Token);
        try
        {
            await _filling.FillAsync(
                LitestreamFolder.Of(PlanOf(name)), database.Primary, database.PrimaryHolder, from, fill => ImmutableInterlocked.AddOrUpdate(ref _fills, name, fill, (_, _) => fill), either.Token).ConfigureAwait(false);
        }
        finally
        {
            ImmutableInterlocked.TryRemove(ref _fills, name, out _);
        }
    }

    private Task<Source?> WaitForFullestAsync(DatabasePlan plan, MirroredDatabase database, CancellationToken cancellationToken) =>
        _filling.WaitForFullestAsync(LitestreamFolder.Of(plan), database.Primary, database.Others, cancellationToken);

    private DatabasePlan PlanOf(string name) => _plan().Databases.Single(database => database.Name == name);

    private void Start(string name, MirroredDatabase database) => database.Start(
        name, _tools, (key, status) => ImmutableInterlocked.AddOrUpdate(ref _statuses, key, status, (_, _) => status));

    private async Task LookAsync()
    {
        var rememberedAt = DateTimeOffset.MinValue;
        try
        {
            while (true)
            {
                var remembers = _tools.Time.GetUtcNow() - rememberedAt >= MemoryInterval;
                rememberedAt = remembers ? _tools.Time.GetUtcNow() : rememberedAt;
                foreach (var plan in _databases.IsEmpty ? [] : _plan().Databases)
                {
                    if (_databases.TryGetValue(plan.Name, out var database))
                    {
                        Look(database, plan);
                        if (remembers)
                        {
                            Remember(plan.Name, database);
                        }
                    }
                }

                await Task.Delay(LookInterval, _tools.Time, _stopping.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // Finishing.
        }
    }

    /// <summary>Remembers how far the mirrors of a database are, if one is behind: after a restart it could not be recognised.</summary>
    private void Remember(string name, MirroredDatabase database)
    {
        var mirrors = database.Started.Select(mirror => (mirror.Replica.Identity, Status: _statuses.GetValueOrDefault(new MirrorKey(name, mirror.Replica.Key)))).ToList();
        if (!mirrors.Exists(mirror => mirror.Status is not { BehindSince: null }))
        {
            return;
        }

        var look = database.Local.Current;
        try
        {
            database.Local.Remember(mirrors
                .Select(mirror => (mirror.Identity, Tail: mirror.Status?.Tail is { } tail && tail.Epoch == look.Epoch ? tail.Seal : look.Remembered.GetValueOrDefault(mirror.Identity)))
                .Where(mirror => mirror.Tail is not null)
                .ToImmutableDictionary(mirror => mirror.Identity, mirror => mirror.Tail!, StringComparer.Ordinal));
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            // What keeps Litestream from its files is shown, and the mirror is begun anew in the worst case.
        }
    }

    private static void Look(MirroredDatabase database, DatabasePlan plan)
    {
        try
        {
            if (database.Local.Look(LitestreamFolder.Of(plan)))
            {
                foreach (var mirror in database.Started)
                {
                    mirror.Wake();
                }
            }
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            // The next look is in a second, and what keeps Litestream from its files is shown.
        }
    }

    /// <summary>One database, its destinations and its mirrors.</summary>
    private sealed class MirroredDatabase : IDisposable
    {
        private readonly ImmutableArray<(ReplicaPlan Replica, StoreHolder Holder, Source Source)> _mirrors;
        private volatile IReadOnlyList<Mirror> _started = [];

        public MirroredDatabase(DatabasePlan plan, Func<ReplicaPlan, string, StoreHolder> open, TimeProvider time)
        {
            Local = new LocalHistory(time);
            PrimaryHolder = open(plan.Primary, plan.Path);
            Primary = new Source(plan.Primary, PrimaryHolder, time);
            _mirrors = [.. plan.Mirrors.Select(replica => open(replica, plan.Path) is var holder ? (replica, holder, new Source(replica, holder, time)) : default)];
        }

        public LocalHistory Local { get; }

        public Source Primary { get; }

        public StoreHolder PrimaryHolder { get; }

        public IReadOnlyList<Source> Others => [.. _mirrors.Select(mirror => mirror.Source)];

        /// <summary>What to fill the primary from; null if it need not be.</summary>
        public Source? FillFrom { get; set; }

        /// <summary>Whether it was asked what to fill the primary from, and not everybody has answered.</summary>
        public bool IsUnknown { get; set; }

        /// <summary>Whether Litestream can start on it.</summary>
        public bool IsReady => !IsUnknown && FillFrom is null;

        public IReadOnlyList<Mirror> Started => _started;

        public void Start(string name, MirrorTools tools, Action<MirrorKey, MirrorStatus> publish) =>
            _started = [.. _mirrors.Select(mirror =>
            {
                var key = new MirrorKey(name, mirror.Replica.Key);
                var place = new MirrorPlace(key, mirror.Replica, mirror.Holder, Local, Primary, [.. Others.Where(other => other != mirror.Source)]);
                return new Mirror(place, tools, status => publish(key, status));
            })];

        public IEnumerable<MirrorLack> NotStarted(DatabasePlan plan) =>
            _started.Count > 0 ? [] : plan.Mirrors.Select(replica => new MirrorLack(plan, replica, null));

        public void Dispose()
        {
            PrimaryHolder.Dispose();
            foreach (var (_, holder, _) in _mirrors)
            {
                holder.Dispose();
            }
        }
    }
}
