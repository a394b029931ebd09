using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Stores;

namespace Datasette.Litestream.Writers;

/// <summary>
/// Sees to it that no two Datasettes write to one destination: claims each destination in a <see cref="WritersFile"/>, and has
/// Litestream leave out the databases whose destinations are not, or no longer, this Datasette's. One task looks at the files when
/// they are due, and another has Litestream do what follows; both end with <see cref="LeaveAsync"/>.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "LeaveAsync disposes of everything.")]
internal sealed class DestinationClaims
{
    /// <summary>How many files are looked at at once.</summary>
    private const int Parallelism = 8;

    /// <summary>How long after the claims were left they are left anew, if nothing has changed.</summary>
    private static readonly TimeSpan LeaveInterval = TimeSpan.FromSeconds(2);

    /// <summary>How long until Litestream is told again, where that failed.</summary>
    private static readonly TimeSpan RetryDelay = TimeSpan.FromSeconds(1);

    private readonly ReplicationPlan _plan;
    private readonly WriterIdentity _self;
    private readonly bool _isInside;
    private readonly Func<WritersPlace, IStore> _open;
    private readonly Action<IReadOnlyList<Claim>> _onTaken;
    private readonly TimeProvider _time;
    private readonly LocalSuccession _succession;
    private readonly SemaphoreSlim _looking = new(Parallelism);
    private readonly SemaphoreSlim _due = new(0, 1), _changed = new(0, 1);
    private readonly CancellationTokenSource _stopping = new();
    private readonly Lock _publishing = new();
    private readonly ConcurrentDictionary<string, CancellationTokenSource> _held = new(StringComparer.Ordinal);

    /// <summary>After the start, only <see cref="AddAsync"/> and <see cref="RemoveAsync"/> change it, which take turns.</summary>
    private volatile ImmutableList<PlaceClaims> _places;
    private volatile ImmutableDictionary<string, string> _databasesByIdentity;
    private IWritingControl? _control;
    private Task _running = Task.CompletedTask;
    private volatile CancellationTokenSource _hurrying = new();
    private volatile ImmutableDictionary<string, ClaimStatus> _forbidden;

    /// <summary>Where <see cref="HeldClaims"/> were left last, and when; under <see cref="_publishing"/>.</summary>
    private string? _leftIn;
    private long _leftAt;

    /// <param name="plan">What is to be written where.</param>
    /// <param name="self">This Datasette.</param>
    /// <param name="open">Opens the store of a place.</param>
    /// <param name="onTaken">Called with the claims that were just taken from another Datasette.</param>
    /// <param name="time">The clock.</param>
    /// <param name="succession">How claims come from another Datasette of this machine, and go to the next.</param>
    public DestinationClaims(
        ReplicationPlan plan,
        WriterIdentity self,
        Func<WritersPlace, IStore> open,
        Action<IReadOnlyList<Claim>> onTaken,
        TimeProvider time,
        LocalSuccession succession)
    {
        (_plan, _self, _isInside, _open, _onTaken, _time, _succession) = (plan, self, plan.IsWritersFileInside, open, onTaken, time, succession);
        (_places, _databasesByIdentity) = ([], ImmutableDictionary.Create<string, string>(StringComparer.Ordinal));
        Claim(plan.Databases);
        _forbidden = Find();
    }

    /// <summary>The destinations that may not be written to, by the identities of their replicas.</summary>
    public ImmutableDictionary<string, ClaimStatus> Forbidden => _forbidden;

    /// <summary>
    /// A token that is cancelled when a destination may not be written to any more; it is already if that is so now. What writes
    /// there besides Litestream has to end with it.
    /// </summary>
    /// <param name="identity">The identity of the replica.</param>
    public CancellationToken WhileHeld(string identity)
    {
        var token = _held.GetOrAdd(identity, _ => new CancellationTokenSource()).Token;
        return _forbidden.ContainsKey(identity) ? new CancellationToken(canceled: true) : token;
    }

    /// <summary>The names of all databases that are not written before it is known that they may be.</summary>
    public ImmutableHashSet<string> ClaimedDatabases => NamesOf(_places.SelectMany(place => place.Claims));

    /// <summary>Makes the first look, before Litestream starts, and goes on looking from then on.</summary>
    /// <param name="control">The replication.</param>
    /// <param name="heldBack">The databases to which nothing is to be written in any case, so that nobody else is asked to let go of their
    /// destinations. They are added when something is.</param>
    /// <returns>
    /// The names of the databases without which Litestream is to start. Completes after the first look, which takes
    /// <see cref="PlaceClaims.LookTimeout"/> at most; it is not waited for where another Datasette of this machine has looked just now.
    /// </returns>
    public async Task<ImmutableHashSet<string>> StartAsync(IWritingControl control, IReadOnlySet<string> heldBack)
    {
        _control = control;
        if (heldBack.Count > 0)
        {
            _places.ForEach(place => place.Dispose());
            Claim([.. _plan.Databases.Where(database => !heldBack.Contains(database.Name))]);
            _forbidden = Find();
        }

        await Task.WhenAll(_places.Where(place => !IsHeld(place)).Select(LookAsync)).ConfigureAwait(false);
        var names = NamesOf(_places.SelectMany(place => place.TakeForbidden()));
        _running = Task.WhenAll(Task.Run(KeepLookingAsync), Task.Run(() => ObeyAsync(names)));
        return names;
    }

    /// <summary>
    /// Leaves the claims to whoever takes over, from when the record beside the database names this Datasette on. Those that were taken over
    /// are left on before the first look, which can take seconds: this process may be killed before that.
    /// </summary>
    public void LeaveFromNowOn()
    {
        lock (_publishing)
        {
            if (!_stopping.IsCancellationRequested)
            {
                LeaveToNext();
            }
        }
    }

    /// <summary>
    /// Claims the destinations of more databases, after <see cref="StartAsync"/>. Litestream must leave those databases out meanwhile; it
    /// goes on to leave out those whose destinations are another Datasette's. Not for two threads at once.
    /// </summary>
    /// <param name="databases">The databases. Those that Litestream could not work on at the start were claimed then.</param>
    /// <returns>Completes after the first look, which takes <see cref="PlaceClaims.LookTimeout"/> at most.</returns>
    public async Task AddAsync(IReadOnlyCollection<DatabasePlan> databases)
    {
        var unclaimed = databases.Where(database => !_databasesByIdentity.ContainsKey(database.Primary.Identity)).ToList();
        _databasesByIdentity = _databasesByIdentity.SetItems(NamesByIdentity(unclaimed));
        var added = PlacesOf(unclaimed, []);
        await Task.WhenAll(added.Select(LookAsync)).ConfigureAwait(false);
        foreach (var place in added)
        {
            // What may be written is written from now on.
            place.TakeForbidden();
            if (_places.Find(known => known.Place.Key == place.Place.Key) is { } known)
            {
                known.Adopt(place);
            }
            else
            {
                _places = _places.Add(place);
            }
        }

        Publish();
        Signal(_due);
    }

    /// <summary>Lets go of the destinations of databases to which nothing is written any more. Not for two threads at once.</summary>
    /// <param name="databases">The databases.</param>
    /// <param name="timeout">How long it may take; what cannot be reached in time is found by others not to be renewed.</param>
    public async Task RemoveAsync(IReadOnlyCollection<DatabasePlan> databases, TimeSpan timeout)
    {
        using var deadline = new CancellationTokenSource(timeout, _time);
        lock (_publishing)
        {
            TakeBack();
        }

        await Task.WhenAll(WritersPlace.Of(databases, _isInside).Select(LeaveAsync)).ConfigureAwait(false);
        var empty = _places.FindAll(place => place.Claims.IsEmpty);
        _places = _places.RemoveRange(empty);
        empty.ForEach(place => place.Dispose());
        _databasesByIdentity = _databasesByIdentity.RemoveRange(NamesByIdentity(databases).Select(pair => pair.Key));
        Publish();

        async Task LeaveAsync(WritersPlace place)
        {
            try
            {
                await (_places.Find(known => known.Place.Key == place.Key)?.LeaveAsync(place.Destinations.Select(destination => destination.Prefix).ToHashSet(StringComparer.Ordinal), deadline.Token) ?? Task.CompletedTask).ConfigureAwait(false);
            }
            catch (Exception ex) when (ex is StoreException or FormatException or OperationCanceledException)
            {
                // The claims themselves are gone, so nobody answers for them here.
            }
        }
    }

    /// <summary>
    /// Stops looking, after Litestream has ended and before the locks are released, and finds out whether the claims are left to one that
    /// stands by.
    /// </summary>
    public async Task EndAsync()
    {
        if (!_stopping.IsCancellationRequested)
        {
            await _stopping.CancelAsync().ConfigureAwait(false);
            await _running.ConfigureAwait(false);
            lock (_publishing)
            {
                LeaveToNext();
                if (!_succession.HasNext())
                {
                    TakeBack();
                }
            }
        }
    }

    /// <summary>
    /// Takes this Datasette out of the files, unless its claims are left to one that stands by. What cannot be reached in time is left,
    /// and found by others not to be renewed.
    /// </summary>
    /// <param name="timeout">How long it may take.</param>
    /// <returns>Whether all of them say so now.</returns>
    public async Task<bool> LeaveAsync(TimeSpan timeout)
    {
        await EndAsync().ConfigureAwait(false);
        using var deadline = new CancellationTokenSource(timeout, _time);
        var left = 0;
        try
        {
            await Parallel.ForEachAsync(
                _places.Where(place => place.Error is null && _leftIn is null),
                new ParallelOptions { MaxDegreeOfParallelism = Parallelism, CancellationToken = deadline.Token },
                async (place, stop) =>
                {
                    try
                    {
                        await place.LeaveAsync(stop).ConfigureAwait(false);
                        Interlocked.Increment(ref left);
                    }
                    catch (Exception ex) when (ex is StoreException or FormatException)
                    {
                        // The others are left all the same.
                    }
                }).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // The time is over.
        }

        foreach (var place in _places)
        {
            place.Dispose();
        }

        return left == _places.Count;
    }

    private void Claim(IReadOnlyCollection<DatabasePlan> databases)
    {
        _places = PlacesOf(databases, _succession.Former());
        _databasesByIdentity = _databasesByIdentity.Clear().SetItems(NamesByIdentity(databases));
    }

    private async Task LookAsync(PlaceClaims place)
    {
        await _looking.WaitAsync().ConfigureAwait(false);
        try
        {
            var before = place.Claims;
            if (!await place.LookAsync(_stopping.Token).ConfigureAwait(false))
            {
                LeaveToNextSometimes();
                return;
            }

            Claim[] taken = [.. place.Claims.Except(before).Where(claim => claim is { IsHeld: true, TakenFrom: not null })];
            if (taken.Length > 0)
            {
                _onTaken(taken);
            }
        }
        finally
        {
            _looking.Release();
        }

        Publish();
    }

    /// <summary>Publishes how the claims stand, and has Litestream obey.</summary>
    private void Publish()
    {
        lock (_publishing)
        {
            PublishInTurn();
            LeaveToNext();
        }

        Signal(_changed);
    }

    private void LeaveToNextSometimes()
    {
        lock (_publishing)
        {
            if (_time.GetElapsedTime(_leftAt) >= LeaveInterval)
            {
                LeaveToNext();
            }
        }
    }

    /// <summary>Leaves the claims to whoever takes over, as long as all of them are held; nothing is let go of before that is taken back.</summary>
    private void LeaveToNext()
    {
        _leftAt = _time.GetTimestamp();
        var places = _places;
        var folder = places.TrueForAll(IsHeld) ? _succession.Folder() : null;
        if (folder != _leftIn)
        {
            TakeBack();
        }

        var until = places.Select(place => place.TrustedUntil).DefaultIfEmpty(long.MaxValue).Min();
        if (folder is not null && new HeldClaims(_self.Id, HeldClaims.DigestOf(places.SelectMany(place => place.Claims, (place, claim) => (place.Place.Key, claim.Destination))), until).TryLeave(folder))
        {
            _leftIn = folder;
        }
    }

    private void TakeBack()
    {
        if (_leftIn is not null)
        {
            HeldClaims.Remove(_leftIn);
            _leftIn = null;
        }
    }

    private void PublishInTurn()
    {
        var before = _forbidden;
        var after = _forbidden = Find();
        foreach (var identity in after.Keys)
        {
            if (_held.TryRemove(identity, out var held))
            {
                held.Cancel();
            }
        }

        if (after.Any(one => IsUrgent(one.Value.State) && !(before.GetValueOrDefault(one.Key) is { } known && IsUrgent(known.State))))
        {
            _hurrying.Cancel();
        }
    }

    private async Task KeepLookingAsync()
    {
        var looks = new Dictionary<PlaceClaims, Task>();

        // Whether a task has completed cannot be asked for from what the task itself signals.
        var busy = new ConcurrentDictionary<PlaceClaims, bool>();
        try
        {
            while (true)
            {
                var now = _time.GetTimestamp();
                foreach (var place in _places.Where(place => place.NextLookAt <= now && busy.TryAdd(place, true)))
                {
                    looks[place] = LookAndSignalAsync(place);
                }

                foreach (var gone in looks.Keys.Except(_places).ToList())
                {
                    looks.Remove(gone);
                }

                if (_places.Where(place => place.TrustedUntil <= now).ToList() is { Count: > 0 } untrusted)
                {
                    untrusted.ForEach(place => place.StopTrusting());
                    Publish();
                }

                var next = _places.Select(place => busy.ContainsKey(place) ? place.TrustedUntil : Math.Min(place.NextLookAt, place.TrustedUntil));
                await WaitAsync(next.DefaultIfEmpty(long.MaxValue).Min()).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // Stopped.
        }

        await Task.WhenAll(looks.Values).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

        async Task LookAndSignalAsync(PlaceClaims place)
        {
            await Task.Yield();
            try
            {
                await LookAsync(place).ConfigureAwait(false);
            }
            finally
            {
                busy.TryRemove(place, out _);
                Signal(_due);
            }
        }
    }

    /// <summary>Waits until a time, or until something may be due earlier.</summary>
    private async Task WaitAsync(long until)
    {
        var wait = until == long.MaxValue ? Timeout.InfiniteTimeSpan : _time.GetElapsedTime(_time.GetTimestamp(), until);
        if (wait != Timeout.InfiniteTimeSpan && wait <= TimeSpan.Zero)
        {
            return;
        }

        using var waiting = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token);
        await Task.WhenAny(_due.WaitAsync(waiting.Token), Task.Delay(wait, _time, waiting.Token)).ConfigureAwait(false);
        _stopping.Token.ThrowIfCancellationRequested();
        await waiting.CancelAsync().ConfigureAwait(false);
    }

    /// <summary>Has Litestream leave out what may not be written, and take in again what may.</summary>
    private async Task ObeyAsync(ImmutableHashSet<string> last)
    {
        try
        {
            while (true)
            {
                await _changed.WaitAsync(_stopping.Token).ConfigureAwait(false);

                // What becomes urgent from here on cancels this one.
                var hurrying = new CancellationTokenSource();
                _hurrying = hurrying;
                var forbidden = _places.ToDictionary(place => place, place => place.TakeForbidden());
                var names = NamesOf(forbidden.Values.SelectMany(claims => claims));
                if (!names.SetEquals(last))
                {
                    var lost = names.Except(last);
                    if (forbidden.Values.SelectMany(claims => claims).Any(claim => IsUrgent(claim.State) && NamesOf([claim]).Overlaps(lost)))
                    {
                        await hurrying.CancelAsync().ConfigureAwait(false);
                    }

                    if (!await TryObeyAsync(names, Describe(lost, last.Except(names)), hurrying.Token).ConfigureAwait(false))
                    {
                        continue;
                    }

                    last = names;
                }

                foreach (var (place, claims) in forbidden)
                {
                    place.Release(claims);
                }

                Signal(_due);
            }
        }
        catch (OperationCanceledException)
        {
            // Stopped.
        }
    }

    /// <returns>Whether Litestream does; otherwise it is told again soon.</returns>
    private async Task<bool> TryObeyAsync(ImmutableHashSet<string> names, string message, CancellationToken hurry)
    {
        try
        {
            await _control!.WriteWithoutAsync(names, message, hurry).ConfigureAwait(false);
            return true;
        }
        catch (Exception)
        {
            // Nothing is let go of as long as it is possibly written.
            await Task.Delay(RetryDelay, _time, _stopping.Token).ConfigureAwait(false);
            Signal(_changed);
            return false;
        }
    }

    private ImmutableList<PlaceClaims> PlacesOf(IEnumerable<DatabasePlan> databases, IEnumerable<HeldClaims> former)
    {
        var (ended, places) = (_succession.Ended(), WritersPlace.Of(databases, _isInside));
        var digest = HeldClaims.DigestOf(places.SelectMany(place => place.Destinations, (place, destination) => (place.Key, destination)));
        var held = former.FirstOrDefault(held => ended.Contains(held.Writer) && held.Destinations == digest && _time.GetElapsedTime(_time.GetTimestamp(), held.Until) is { } left && left > TimeSpan.Zero && left <= ClaimRules.Trust);
        return [.. places.Select(place => new PlaceClaims(place, _self, _open, _time, ended, held?.Until))];
    }

    private static bool IsHeld(PlaceClaims place) => place.Claims.All(claim => claim.IsHeld);

    private static IEnumerable<KeyValuePair<string, string>> NamesByIdentity(IEnumerable<DatabasePlan> databases) => databases
        .SelectMany(database => database.Replicas.Except(database.Mirrors), (database, replica) => KeyValuePair.Create(replica.Identity, database.Name));

    /// <summary>Whether another one may begin to write soon, or has begun.</summary>
    private static bool IsUrgent(ClaimState state) => state is ClaimState.Unproven or ClaimState.Waiting or ClaimState.Lost;

    private ImmutableHashSet<string> NamesOf(IEnumerable<Claim> claims) =>
        [.. claims.Select(claim => _databasesByIdentity.GetValueOrDefault(claim.Destination.Identity)).OfType<string>()];

    private static string Describe(ImmutableHashSet<string> lost, ImmutableHashSet<string> won) => string.Join(
        ' ',
        new[]
        {
            lost.IsEmpty ? "" : $"Litestream leaves out {Names(lost)}, whose destination is not this Datasette's to write to.",
            won.IsEmpty ? "" : $"Litestream takes in {Names(won)}, whose destination is this Datasette's to write to.",
        }.Where(sentence => sentence.Length > 0));

    private static string Names(ImmutableHashSet<string> names) => names.Count <= 3
        ? string.Join(", ", names.Order(StringComparer.Ordinal))
        : $"{names.Count} databases";

    private ImmutableDictionary<string, ClaimStatus> Find() => _places
        .SelectMany(place => place.Claims, (place, claim) => (place, claim))
        .Where(pair => !pair.claim.IsHeld)
        .ToImmutableDictionary(pair => pair.claim.Destination.Identity, pair => ClaimStatus.Of(pair.claim, pair.place.Error), StringComparer.Ordinal);

    private static void Signal(SemaphoreSlim semaphore)
    {
        try
        {
            if (semaphore.CurrentCount == 0)
            {
                semaphore.Release();
            }
        }
        catch (SemaphoreFullException)
        {
            // Another thread has just done so.
        }
    }
}
