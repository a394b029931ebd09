using Datasette.Litestream.Processes;
using Datasette.Litestream.Stores;
using Datasette.Litestream.Tests.Processes;
using Datasette.Litestream.Writers;

namespace Datasette.Litestream.Tests.Writers;

/// <summary>Two machines at one folder.</summary>
[TestClass]
public sealed class ClaimSpecs : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly TestClock _clock = new();
    private bool _isCutOff;

    private string Path => _folder[$"backup/{WritersFile.Name}"];

    private WritersFile Content => WritersFile.Parse(File.ReadAllBytes(Path));

    public void Dispose() => _folder.Dispose();

    [TestMethod]
    public async Task A_key_that_is_not_told_that_there_is_no_file_makes_one_and_replaces_none()
    {
        var (clock, store) = (new TestClock(), new MemoryStore { Refuses = (true, false) });
        var a = new Machine(clock, "a", store);
        Assert.AreEqual(ClaimState.Held, await a.LookAsync());
        store.Refuses = (true, true);
        var b = new Machine(clock, "b", store);
        Assert.AreEqual(ClaimState.Unproven, await b.LookAsync());
        Assert.AreEqual("/backup/.datasette-litestream-writers.json: access denied (AccessDenied)", b.Claims.Error);
        store.Refuses = default;
        Assert.AreEqual(ClaimState.Held, await a.LookAfterAsync(10));
    }

    [TestMethod]
    public async Task Where_nobody_is_nobody_is_waited_for()
    {
        var a = Machine("a");
        Assert.AreEqual(ClaimState.Unproven, a.State);
        Assert.AreEqual(ClaimState.Held, await a.LookAsync());
        Assert.AreEqual("/srv/parks.db", Content.Find(a.Identified)!.Holds["parks"]);
    }

    [TestMethod]
    public async Task Who_is_known_to_have_let_go_of_the_databases_lock_is_not_waited_for()
    {
        var a = Machine("container a");
        await a.LookAsync();
        var b = new Machine(_clock, Writers.Machine.Identity("container b", _clock), Store(), [a.Identified.Id], "parks");
        Assert.AreEqual(ClaimState.Held, await b.LookAsync());
        Assert.IsFalse(b.Parks.IsForced);
        Assert.IsNull(b.Parks.TakenFrom);
    }

    [TestMethod]
    public async Task As_long_as_nobody_asks_nothing_is_written()
    {
        var a = Machine("a");
        await a.LookAsync();
        var before = FileStatus.Look(Path).Status;
        await a.LookAfterAsync(10);
        await a.LookAfterAsync(10);
        Assert.AreEqual(before, FileStatus.Look(Path).Status);
    }

    [TestMethod]
    public async Task Who_starts_asks_and_gets_it_when_the_other_Litestream_has_ended()
    {
        var (a, b) = (Machine("a"), Machine("b"));
        await a.LookAsync();
        Assert.AreEqual(ClaimState.Waiting, await b.LookAsync());
        Assert.AreEqual("host a (process 7)", b.Parks.Other);

        Assert.AreEqual(ClaimState.Yielding, await a.LookAfterAsync(8));
        Assert.AreEqual(ClaimState.Waiting, await b.LookAsync(), "Litestream still runs on a");
        a.EndLitestream();
        Assert.AreEqual(ClaimState.Lost, await a.LookAsync());
        Assert.AreEqual("host b (process 7)", a.Parks.Other);
        Assert.AreEqual(ClaimState.Held, await b.LookAsync());
        Assert.AreEqual("host a (process 7)", b.Parks.TakenFrom);
        Assert.IsFalse(b.Parks.IsForced);
    }

    [TestMethod]
    public async Task Who_was_replaced_never_takes_over_again_by_itself()
    {
        var (a, b) = (Machine("a"), Machine("b"));
        await HandOverAsync(a, b);
        await b.Claims.LeaveAsync(CancellationToken.None);
        Assert.IsEmpty(Content.Writers);
        Assert.AreEqual(ClaimState.Lost, await a.LookAfterAsync(100));

        var restarted = Machine("a");
        Assert.AreEqual(ClaimState.Held, await restarted.LookAsync());
    }

    [TestMethod]
    public async Task A_restart_takes_it_back()
    {
        var (a, b) = (Machine("a"), Machine("b"));
        await HandOverAsync(a, b);
        await a.Claims.LeaveAsync(CancellationToken.None);
        var restarted = Machine("a");
        await HandOverAsync(b, restarted);
        Assert.AreEqual(ClaimState.Lost, b.State);
    }

    [TestMethod]
    public async Task Who_does_not_answer_for_thirty_seconds_is_taken_to_be_gone()
    {
        var (a, b) = (Machine("a"), Machine("b"));
        await a.LookAsync();
        await b.LookAsync();
        Assert.AreEqual(ClaimState.Waiting, await b.LookAfterAsync(29.9));
        Assert.AreEqual(ClaimState.Held, await b.LookAfterAsync(0.1));
        Assert.IsTrue(b.Parks.IsForced);
        Assert.AreEqual("host b (process 7)", Content.Find(a.Identified)!.Taken["parks"].By);

        // It was only out of sight.
        Assert.AreEqual(ClaimState.Lost, await a.LookAsync());
        Assert.AreEqual("host b (process 7)", a.Parks.Other);
        Assert.AreEqual(ClaimState.Held, await b.LookAfterAsync(10));
    }

    /// <summary>Two answers get lost, and between them the one that let go took it back, so that nobody asked any more.</summary>
    [TestMethod]
    public async Task What_was_seen_before_the_question_does_not_count()
    {
        var store = new MemoryStore();
        var (a, b) = (new Machine(_clock, "a", store), new Machine(_clock, "b", store));
        await a.LookAsync();
        Assert.AreEqual(ClaimState.Waiting, await b.LookAsync());
        Assert.AreEqual(ClaimState.Yielding, await a.LookAfterAsync(2));
        a.EndLitestream();
        await LoseAnswerAsync(a);
        Assert.AreEqual(ClaimState.Held, await a.LookAfterAsync(2));
        await a.LookAfterAsync(10);
        Assert.AreEqual(ClaimState.Held, await a.LookAfterAsync(10));

        await LoseAnswerAsync(b);
        Assert.AreEqual(ClaimState.Waiting, await b.LookAfterAsync(10), "a has looked 10 s ago, and not seen that somebody asks");
        Assert.AreEqual(ClaimState.Yielding, await a.LookAsync());

        async Task LoseAnswerAsync(Machine machine)
        {
            store.OnAnswer = () => throw new StoreException("connection reset by peer");
            await machine.LookAsync();
            Assert.IsNotNull(machine.Claims.Error);
            store.OnAnswer = () => { };
        }
    }

    [TestMethod]
    public async Task Who_comes_back_after_the_other_has_left_again_still_knows_that_it_was_replaced()
    {
        var (a, b) = (Machine("a"), Machine("b"));
        await a.LookAsync();
        await b.LookAsync();
        await b.LookAfterAsync(30);
        await b.Claims.LeaveAsync(CancellationToken.None);
        Assert.AreEqual(ClaimState.Lost, await a.LookAsync());
        Assert.AreEqual("host b (process 7)", a.Parks.Other);
    }

    [TestMethod]
    public async Task A_last_sync_that_takes_long_is_waited_for()
    {
        var (a, b) = (Machine("a"), Machine("b"));
        await a.LookAsync();
        await b.LookAsync();
        for (var passed = 0; passed < 200; passed += 10)
        {
            Assert.AreEqual(ClaimState.Yielding, await a.LookAfterAsync(10));
            Assert.AreEqual(ClaimState.Waiting, await b.LookAsync());
        }
    }

    [TestMethod]
    public async Task Who_asked_and_left_gets_nothing()
    {
        var (a, b) = (Machine("a"), Machine("b"));
        await a.LookAsync();
        await b.LookAsync();
        await a.LookAsync();
        a.EndLitestream();
        await b.Claims.LeaveAsync(CancellationToken.None);
        Assert.AreEqual(ClaimState.Held, await a.LookAsync());
    }

    [TestMethod]
    public async Task Who_asked_and_died_is_not_yielded_to_after_a_restart()
    {
        var (a, dead) = (Machine("a"), Machine("b"));
        await a.LookAsync();
        await dead.LookAsync();
        await a.LookAsync();
        a.EndLitestream();
        Assert.AreEqual(ClaimState.Lost, await a.LookAsync());
        await a.Claims.LeaveAsync(CancellationToken.None);

        var restarted = Machine("a");
        Assert.AreEqual(ClaimState.Held, await restarted.LookAsync());
        Assert.AreEqual(ClaimState.Held, await restarted.LookAfterAsync(10));
    }

    [TestMethod]
    public async Task Two_that_wait_for_one_that_is_gone_end_with_one_that_writes()
    {
        var (gone, a, b) = (Machine("gone"), Machine("a"), Machine("b"));
        await gone.LookAsync();
        await a.LookAsync();
        await b.LookAsync();
        _clock.Advance(ClaimRules.Patience);
        for (var i = 0; i < 10; i++)
        {
            foreach (var machine in new[] { a, b })
            {
                await machine.LookAfterAsync(2);
                machine.EndLitestream();
            }
        }

        CollectionAssert.AreEquivalent(new[] { ClaimState.Held, ClaimState.Lost }, new[] { a.State, b.State });
    }

    [TestMethod]
    public async Task Different_prefixes_are_written_in_peace()
    {
        var (a, b) = (Machine("a", "parks", "trees"), Machine("b", "lakes"));
        Assert.AreEqual(ClaimState.Held, await a.LookAsync());
        Assert.AreEqual(ClaimState.Held, await b.LookAsync());
        Assert.AreEqual(ClaimState.Held, await a.LookAfterAsync(10));
        Assert.HasCount(2, Content.Writers);
    }

    [TestMethod]
    public async Task Only_what_both_want_changes_hands()
    {
        var (a, b) = (Machine("a", "parks", "trees"), Machine("b", "trees", "lakes"));
        await a.LookAsync();
        await b.LookAsync();
        Assert.AreEqual("b: trees Waiting, lakes Held", $"{b}");
        await a.LookAfterAsync(10);
        Assert.AreEqual("a: parks Held, trees Yielding", $"{a}");
        a.EndLitestream();
        await a.LookAsync();
        await b.LookAsync();
        Assert.AreEqual("a: parks Held, trees Lost", $"{a}");
        Assert.AreEqual("b: trees Held, lakes Held", $"{b}");
    }

    [TestMethod]
    public async Task What_is_written_again_after_it_was_let_go_of_is_not_let_go_of_unseen()
    {
        var (a, b) = (Machine("a"), Machine("b"));
        await a.LookAsync();
        await b.LookAsync();
        await a.LookAsync();
        a.EndLitestream();
        await b.Claims.LeaveAsync(CancellationToken.None);
        Assert.AreEqual(ClaimState.Held, await a.LookAsync());
        var c = Machine("c");
        await c.LookAsync();
        Assert.AreEqual(ClaimState.Yielding, await a.LookAsync());
        Assert.AreEqual(ClaimState.Yielding, await a.LookAsync(), "Litestream has not ended");
    }

    [TestMethod]
    public async Task Who_cannot_look_for_twenty_seconds_stops_writing_and_goes_on_when_nobody_came()
    {
        var a = Machine("a");
        await a.LookAsync();
        _isCutOff = true;
        Assert.AreEqual(ClaimState.Held, await a.LookAfterAsync(10));
        Assert.AreEqual("no route to host", a.Claims.Error);
        Assert.AreEqual(_clock.GetTimestamp() + (10 * _clock.TimestampFrequency), a.Claims.TrustedUntil);
        a.Claims.StopTrusting();
        Assert.AreEqual(ClaimState.Unproven, a.State);
        Assert.AreEqual(long.MaxValue, a.Claims.TrustedUntil);
        Assert.AreEqual(ClaimState.Unproven, await a.LookAfterAsync(10));
        _isCutOff = false;
        Assert.AreEqual(ClaimState.Held, await a.LookAfterAsync(10));
        Assert.IsNull(a.Claims.Error);
    }

    [TestMethod]
    public async Task Who_cannot_look_at_the_start_does_not_begin()
    {
        _isCutOff = true;
        var a = Machine("a");
        Assert.AreEqual(ClaimState.Unproven, await a.LookAsync());
        Assert.AreEqual(ClaimState.Unproven, await a.LookAfterAsync(60));
        _isCutOff = false;
        Assert.AreEqual(ClaimState.Held, await a.LookAsync());
    }

    [TestMethod]
    public async Task A_file_that_was_deleted_is_written_again()
    {
        var a = Machine("a");
        await a.LookAsync();
        File.Delete(Path);
        Assert.AreEqual(ClaimState.Held, await a.LookAfterAsync(10));
        Assert.IsNotNull(Content.Find(a.Identified));
    }

    [TestMethod]
    public async Task A_file_that_cannot_be_read_is_told()
    {
        Directory.CreateDirectory(_folder["backup"]);
        File.WriteAllText(Path, "{}");
        var a = Machine("a");
        Assert.AreEqual(ClaimState.Unproven, await a.LookAsync());
        StringAssert.StartsWith(a.Claims.Error, $"{WritersFile.Name} cannot be read (");
        StringAssert.EndsWith(a.Claims.Error, "); delete it");
    }

    [TestMethod]
    public async Task The_same_machine_need_not_wait_for_a_process_of_its_own_that_has_ended()
    {
        var self = ProcessIdentity.Of(Environment.ProcessId)!;
        var killed = new Machine(_clock, new WriterIdentity(Guid.NewGuid(), "a", self with { ProcessId = int.MaxValue }, _clock.Now), Store());
        await killed.LookAsync();
        var restarted = new Machine(_clock, new WriterIdentity(Guid.NewGuid(), "a", self, _clock.Now), Store());
        Assert.AreEqual(ClaimState.Held, await restarted.LookAsync());
        Assert.AreEqual(restarted.Identified, Content.Writers.Single().Identity);
    }

    [TestMethod]
    public async Task A_process_of_the_same_machine_that_runs_is_asked()
    {
        var self = ProcessIdentity.Of(Environment.ProcessId)!;
        var first = new Machine(_clock, new WriterIdentity(Guid.NewGuid(), "a", self, _clock.Now), Store());
        await first.LookAsync();
        var second = new Machine(_clock, new WriterIdentity(Guid.NewGuid(), "a", self, _clock.Now), Store());
        Assert.AreEqual(ClaimState.Waiting, await second.LookAsync());
    }

    [TestMethod]
    public async Task Looks_are_soon_while_somebody_is_waited_for_and_rare_otherwise()
    {
        var (a, b) = (Machine("a"), Machine("b"));
        await a.LookAsync();
        Assert.AreEqual(10.0, NextLookIn(a));
        await b.LookAsync();
        Assert.AreEqual(2.0, NextLookIn(b));
        await a.LookAsync();
        a.EndLitestream();
        Assert.AreEqual(0.0, NextLookIn(a), "who waits should not wait for the next look");
    }

    private static async Task HandOverAsync(Machine from, Machine to)
    {
        await from.LookAsync();
        Assert.AreEqual(ClaimState.Waiting, await to.LookAsync());
        await from.LookAsync();
        from.EndLitestream();
        Assert.AreEqual(ClaimState.Lost, await from.LookAsync());
        Assert.AreEqual(ClaimState.Held, await to.LookAsync());
    }

    private double NextLookIn(Machine machine) => (machine.Claims.NextLookAt - _clock.GetTimestamp()) / (double)_clock.TimestampFrequency;

    private Machine Machine(string host, params string[] prefixes) => new(_clock, host, new CutOffStore(Store(), () => _isCutOff), prefixes);

    private FolderStore Store() => new(_folder["backup"], FileRights.Private, _clock);
}
