using System.Collections.Concurrent;
using System.Collections.Immutable;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Tests.Configuration;
using Datasette.Litestream.Tests.Processes;
using Datasette.Litestream.Writers;

namespace Datasette.Litestream.Tests.Writers;

/// <summary>The claims of two Datasettes that replicate <c>parks</c> and <c>trees</c> to the same folders.</summary>
[TestClass]
public sealed class DestinationClaimsSpecs : IDisposable
{
    private static readonly string[] Both = ["parks", "trees"];

    private readonly Dictionary<string, MemoryStore> _places = Both.ToDictionary(name => $"/backup/{name}", _ => new MemoryStore());
    private readonly TestClock _clock = new();
    private readonly TemporaryFolder _folder = new();
    private readonly List<Datasette> _started = [];
    private bool _isCutOff, _standsBy = true;

    public void Dispose()
    {
        _isCutOff = true;
        _started.ForEach(datasette => datasette.LetGo());
        Task.WhenAll(_started.Select(datasette => datasette.Claims.LeaveAsync(TimeSpan.Zero))).InTimeAsync().GetAwaiter().GetResult();
        foreach (var store in _places.Values)
        {
            store.Dispose();
        }

        _folder.Dispose();
    }

    [TestMethod]
    public async Task The_first_one_starts_with_everything()
    {
        var a = await StartAsync("a");
        Assert.IsEmpty(a.AtStart);
        Assert.IsEmpty(a.Claims.Forbidden);
        Assert.IsFalse(a.Claims.WhileHeld(a.Identity("parks")).IsCancellationRequested);
    }

    [TestMethod]
    public async Task A_second_one_starts_with_nothing_and_gets_it_when_the_first_has_stopped()
    {
        var a = await StartAsync("a");
        var whileHeld = a.Claims.WhileHeld(a.Identity("parks"));
        var stopping = a.Hold();
        var b = await StartAsync("b");
        CollectionAssert.AreEquivalent(Both, b.AtStart.ToList());
        Assert.AreEqual("host a (process 7) writes to /backup/parks, and was asked to let go", b.Claims.Forbidden[b.Identity("parks")].Detail);

        await PassUntilAsync(() => !a.Orders.IsEmpty);
        StringAssert.EndsWith(a.Orders.Single().Message, "whose destination is not this Datasette's to write to.");
        Assert.IsFalse(a.Orders.Single().Hurry.IsCancellationRequested, "there is time for a last sync");

        await PassAsync(40);
        Assert.IsTrue(whileHeld.IsCancellationRequested);
        Assert.IsEmpty(b.Orders, "the first one makes its last sync");
        stopping.SetResult();
        await PassUntilAsync(() => b.Claims.Forbidden.IsEmpty && b.Orders.LastOrDefault().Names is { Count: 0 });
        Assert.AreEqual("host b (process 7) took over", a.Claims.Forbidden[a.Identity("parks")].Detail);
        Assert.IsTrue(a.Claims.WhileHeld(a.Identity("parks")).IsCancellationRequested);
        Assert.IsNotEmpty(b.Taken);
    }

    [TestMethod]
    public async Task Who_cannot_reach_its_destinations_stops_in_a_hurry_before_it_can_be_replaced()
    {
        var a = await StartAsync("a");
        var start = _clock.Now;
        _isCutOff = true;
        await PassUntilAsync(() => a.Orders.LastOrDefault().Names is { Count: 2 });
        Assert.AreEqual(20, (_clock.Now - start).TotalSeconds, 1.0);
        Assert.IsTrue(a.Orders.Last().Hurry.IsCancellationRequested);
        Assert.AreEqual("no route to host", a.Claims.Forbidden[a.Identity("parks")].Detail);
        _isCutOff = false;
        await PassUntilAsync(() => a.Orders.Last().Names.Count == 0);
    }

    [TestMethod]
    public async Task Who_does_not_answer_is_replaced()
    {
        var a = await StartAsync("a");
        a.IsCutOff = true;
        var b = await StartAsync("b");
        await PassUntilAsync(() => b.Claims.Forbidden.IsEmpty && b.Orders.LastOrDefault().Names is { Count: 0 } && b.Taken.Length == 2);
        Assert.IsTrue(b.Taken.All(claim => claim.IsForced));
        a.IsCutOff = false;
        await PassUntilAsync(() => a.Claims.Forbidden.Values.All(status => status.State == ClaimState.Lost));
    }

    [TestMethod]
    public async Task A_last_sync_is_broken_off_where_the_destination_gets_out_of_reach()
    {
        var a = await StartAsync("a");
        a.Hold();
        await StartAsync("b");
        await PassUntilAsync(() => !a.Orders.IsEmpty);
        var first = a.Orders.First();
        Assert.IsFalse(first.Hurry.IsCancellationRequested);
        _isCutOff = true;
        await PassUntilAsync(() => first.Hurry.IsCancellationRequested);
    }

    [TestMethod]
    public async Task An_order_that_fails_is_given_again_and_nothing_is_let_go_of_before()
    {
        var a = await StartAsync("a");
        a.Fails = true;
        var b = await StartAsync("b");
        await PassUntilAsync(() => a.Orders.Count >= 3);
        Assert.IsNotEmpty(b.Claims.Forbidden);
        a.Fails = false;
        await PassUntilAsync(() => b.Claims.Forbidden.IsEmpty);
    }

    [TestMethod]
    public async Task Who_left_is_in_no_file_any_more()
    {
        var a = await StartAsync("a");
        await a.Claims.LeaveAsync(TimeSpan.FromSeconds(2));
        foreach (var store in _places.Values)
        {
            var file = await store.ReadAsync(WritersFile.Name, CancellationToken.None);
            Assert.IsEmpty(WritersFile.Parse(file!.Content).Writers);
        }
    }

    [TestMethod]
    public async Task What_is_detached_is_let_go_of_and_claimed_again_when_it_is_attached()
    {
        var a = await StartAsync("a");
        await a.Claims.RemoveAsync([a["trees"]], TimeSpan.FromSeconds(2)).InTimeAsync();
        Assert.IsEmpty(await WritersOfAsync("trees"));
        Assert.HasCount(1, await WritersOfAsync("parks"));
        await a.Claims.AddAsync([a["trees"]]).InTimeAsync();
        Assert.HasCount(1, await WritersOfAsync("trees"));
        Assert.IsEmpty(a.Claims.Forbidden);
        Assert.IsEmpty(a.Orders, "Litestream need not be told");
    }

    [TestMethod]
    public async Task What_is_attached_and_another_one_s_is_left_out_until_that_one_lets_go()
    {
        var a = await StartAsync("a");
        await a.Claims.RemoveAsync([a["trees"]], TimeSpan.FromSeconds(2)).InTimeAsync();
        var b = await StartAsync("b");
        CollectionAssert.AreEqual(new[] { "parks" }, b.AtStart.ToArray());
        await a.Claims.AddAsync([a["trees"]]).InTimeAsync();
        Assert.AreEqual(ClaimState.Waiting, a.Claims.Forbidden[a.Identity("trees")].State);
        await PassUntilAsync(() => a.Orders.Any(order => order.Names.Contains("trees")) && !a.Claims.Forbidden.ContainsKey(a.Identity("trees")));
    }

    private async Task<IReadOnlyList<WriterRecord>> WritersOfAsync(string name) =>
        WritersFile.Parse((await _places[$"/backup/{name}"].ReadAsync(WritersFile.Name, CancellationToken.None))!.Content).Writers;

    [TestMethod]
    public async Task The_next_one_of_the_same_machine_starts_before_the_destinations_answer()
    {
        var first = await StartFirstAsync();
        Assert.IsFalse(await first.Claims.LeaveAsync(TimeSpan.FromSeconds(1)), "it is left to the next one");
        _isCutOff = true;
        var next = await StartNextAsync(first);
        Assert.IsEmpty(next.AtStart);
        Assert.IsEmpty(next.Claims.Forbidden);
        _isCutOff = false;
        await PassUntilAsync(() => Holder("parks") == next.Identified.Id && Holder("trees") == next.Identified.Id);
        Assert.IsEmpty(next.Orders);
    }

    [TestMethod]
    public async Task It_stops_writing_where_they_never_answer()
    {
        var first = await StartFirstAsync();
        await first.Claims.LeaveAsync(TimeSpan.FromSeconds(1));
        _isCutOff = true;
        var next = await StartNextAsync(first);
        var started = _clock.Now;
        await PassUntilAsync(() => next.Orders.LastOrDefault().Names is { Count: 2 });
        Assert.IsLessThanOrEqualTo(ClaimRules.Trust + TimeSpan.FromSeconds(1), _clock.Now - started);
    }

    [TestMethod]
    public async Task It_looks_first_where_that_was_too_long_ago()
    {
        var first = await StartFirstAsync();
        await first.Claims.LeaveAsync(TimeSpan.FromSeconds(1));
        _clock.Advance(ClaimRules.Trust + TimeSpan.FromSeconds(1));
        _isCutOff = true;
        Assert.HasCount(2, (await StartNextAsync(first)).AtStart);
    }

    [TestMethod]
    public async Task It_looks_first_at_what_the_first_one_did_not_write_to()
    {
        var first = await StartFirstAsync();
        await first.Claims.RemoveAsync([first["trees"]], TimeSpan.FromSeconds(1));
        await first.Claims.LeaveAsync(TimeSpan.FromSeconds(1));
        _isCutOff = true;
        Assert.HasCount(2, (await StartNextAsync(first)).AtStart);
    }

    [TestMethod]
    public async Task Where_nobody_stands_by_nothing_is_left_after_the_end()
    {
        var first = await StartFirstAsync();
        Assert.IsNotNull(HeldClaims.Read(_folder.Path));
        _standsBy = false;
        Assert.IsTrue(await first.Claims.LeaveAsync(TimeSpan.FromSeconds(1)));
        Assert.IsNull(HeldClaims.Read(_folder.Path));
    }

    /// <summary>As when workers are killed one after the other, each before its destinations have answered.</summary>
    [TestMethod]
    public async Task What_was_taken_over_is_left_on_before_the_first_look()
    {
        var first = await StartFirstAsync();
        _isCutOff = true;
        var second = await StartNextAsync(first, isFollowed: true);
        Assert.IsEmpty(second.AtStart);
        second.Claims.LeaveFromNowOn();
        Assert.IsEmpty((await StartNextAsync(second)).AtStart);
    }

    [TestMethod]
    public async Task What_another_machine_asks_for_is_left_to_nobody_else()
    {
        var first = await StartFirstAsync();
        Assert.IsNotNull(HeldClaims.Read(_folder.Path));
        var other = await StartAsync("b");
        await PassUntilAsync(() => !first.Orders.IsEmpty);
        Assert.IsNull(HeldClaims.Read(_folder.Path));
        await PassUntilAsync(() => other.Claims.Forbidden.IsEmpty);
        Assert.HasCount(2, (await StartNextAsync(first)).AtStart);
    }

    /// <summary>Who writes to the destination of a database, as its file says.</summary>
    private Guid? Holder(string name) =>
        WritersFile.Parse(_places[$"/backup/{name}"].ReadAsync(WritersFile.Name, CancellationToken.None).GetAwaiter().GetResult()!.Content).Writers.Single(writer => !writer.Holds.IsEmpty).Identity.Id;

    private async Task<Datasette> StartAsync(string host, LocalSuccession? succession = null)
    {
        var datasette = new Datasette(this, host, succession);
        _started.Add(datasette);
        datasette.AtStart = await datasette.Claims.StartAsync(datasette, new HashSet<string>());
        return datasette;
    }

    private async Task PassAsync(int seconds)
    {
        var end = _clock.Now.AddSeconds(seconds);
        await PassUntilAsync(() => _clock.Now >= end);
    }

    /// <summary>One for which another one stands by.</summary>
    private Task<Datasette> StartFirstAsync() => StartAsync("a", new LocalSuccession(() => [], () => [], () => _folder.Path, () => _standsBy));

    /// <summary>One that has its locks now, on the same machine.</summary>
    private Task<Datasette> StartNextAsync(Datasette first, bool isFollowed = false) => StartAsync(
        "a", new LocalSuccession(() => [first.Identified.Id], () => HeldClaims.Read(_folder.Path) is { } held ? [held] : [], () => isFollowed ? _folder.Path : null, () => isFollowed));

    /// <summary>Lets the time pass until something has come about.</summary>
    private Task PassUntilAsync(Func<bool> condition) => Eventually.HoldsAsync(() =>
    {
        if (condition())
        {
            return true;
        }

        _clock.Advance(TimeSpan.FromMilliseconds(100));
        return false;
    });

    private sealed class Datasette : IWritingControl
    {
        private readonly ReplicationPlan _plan;
        private TaskCompletionSource _held = new();
        private ImmutableArray<Claim> _taken = [];

        public Datasette(DestinationClaimsSpecs specs, string host, LocalSuccession? succession = null)
        {
            Identified = Machine.Identity(host, specs._clock);
            _plan = Plans.From(
                """{"all-replicate": "file:///backup/$DB_NAME"}""",
                databases: [.. Both.Select(name => new AttachedDatabase(name, $"/{host}/{name}.db", IsMutable: true))]).Plan;
            Claims = new DestinationClaims(
                _plan,
                Identified,
                place => new CutOffStore(specs._places[place.Path], () => specs._isCutOff || IsCutOff),
                taken => ImmutableInterlocked.Update(ref _taken, (all, more) => all.AddRange(more), taken),
                specs._clock,
                succession ?? LocalSuccession.None);
            LetGo();
        }

        public WriterIdentity Identified { get; }

        public DestinationClaims Claims { get; }

        public IReadOnlySet<string> AtStart { get; set; } = new HashSet<string>();

        public ConcurrentQueue<(IReadOnlySet<string> Names, string Message, CancellationToken Hurry)> Orders { get; } = [];

        /// <summary>The task that looks adds to it.</summary>
        public ImmutableArray<Claim> Taken => _taken;

        public bool Fails { get; set; }

        /// <summary>Whether it alone cannot reach its destinations.</summary>
        public bool IsCutOff { get; set; }

        public DatabasePlan this[string name] => _plan.Databases.Single(database => database.Name == name);

        public string Identity(string name) => _plan.Databases.Single(database => database.Name == name).Primary.Identity;

        /// <summary>Has Litestream take its time with what it is told.</summary>
        public TaskCompletionSource Hold() => _held = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>Lets Litestream end, as a stop does.</summary>
        public void LetGo() => _held.TrySetResult();

        public async Task WriteWithoutAsync(IReadOnlySet<string> names, string message, CancellationToken hurry)
        {
            Orders.Enqueue((names, message, hurry));
            if (Fails)
            {
                throw new InvalidOperationException("Litestream cannot be ended");
            }

            await Task.WhenAny(_held.Task, Task.Delay(Timeout.InfiniteTimeSpan, hurry));
        }
    }
}
