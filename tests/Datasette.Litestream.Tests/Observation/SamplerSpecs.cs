using Datasette.Litestream.Daemon;
using Datasette.Litestream.Observation;
using Datasette.Litestream.Tests.Daemon;
using Datasette.Litestream.Tests.Processes;
using Datasette.Litestream.Tests.Replication;

namespace Datasette.Litestream.Tests.Observation;

[TestClass]
public sealed class SamplerSpecs : IDisposable
{
    private readonly TestDatasette _datasette = new();
    private readonly TestClock _clock = new();
    private Replicator? _replicator;
    private Sampler? _sampler;

    public void Dispose()
    {
        _sampler?.Dispose();
        if (_replicator is not null)
        {
            _clock.PassUntilAsync(_replicator.StopAsync(new StopOrder(TimeSpan.FromSeconds(10)))).GetAwaiter().GetResult();
        }

        _datasette.Dispose();
    }

    [TestMethod]
    public async Task It_looks_every_two_seconds_however_many_ask()
    {
        await StartAsync();
        await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => _sampler!.LatestAsync())).InTimeAsync();
        Assert.AreEqual(1, Requests("/list"));
        for (var look = 2; look <= 5; look++)
        {
            Write();
            await PassToNextLookAsync();
            await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => _sampler!.LatestAsync())).InTimeAsync();
            Assert.AreEqual(look, Requests("/list"));
        }
    }

    [TestMethod]
    public async Task A_look_that_fails_leaves_the_last_one_with_its_time_and_the_next_one_is_taken()
    {
        var clock = new FaultyClock(_clock);
        await StartAsync(clock);
        var first = await _sampler!.LatestAsync().InTimeAsync();
        clock.FailsAfter = 0;
        await _clock.PassAsync(seconds: 2);
        await Eventually.HoldsAsync(() => clock.HasFailed, "the look has failed");
        Assert.AreEqual(first.At, (await _sampler.LatestAsync().InTimeAsync()).At);
        await PassToNextLookAsync();
        Assert.AreEqual(_clock.Now, (await _sampler.LatestAsync().InTimeAsync()).At);
    }

    [TestMethod]
    public async Task While_nothing_is_written_it_asks_Litestream_every_ten_seconds()
    {
        await StartAsync();
        Write();
        await _sampler!.LatestAsync().InTimeAsync();

        // A request at the moment of a change is repeated once.
        await PassToNextLookAsync();

        var (asked, synced) = (Requests("/list"), Requests("/sync"));
        for (var look = 0; look < 15; look++)
        {
            await PassToNextLookAsync();
        }

        Assert.AreEqual((asked + 3, synced), (Requests("/list"), Requests("/sync")));
        Assert.AreEqual(DatabaseState.Replicating, (await _sampler.LatestAsync()).Databases.Single().State);
        Write();
        await PassToNextLookAsync();
        Assert.AreEqual((asked + 4, synced + 1), (Requests("/list"), Requests("/sync")));
    }

    [TestMethod]
    public async Task It_looks_also_when_nobody_asks()
    {
        await StartAsync();
        Assert.AreEqual(0, Requests("/list"));

        // The supervisor's heartbeat waits for the same time.
        await _clock.IsAwaitedAsync(TimeSpan.FromSeconds(2), by: 2);
        await PassToNextLookAsync();
        Assert.AreEqual(1, Requests("/list"));
    }

    [TestMethod]
    public async Task It_keeps_a_sample_every_ten_seconds()
    {
        await StartAsync();
        var begin = (await _sampler!.LatestAsync().InTimeAsync()).At;
        while (_clock.Now - begin < TimeSpan.FromSeconds(30))
        {
            await PassToNextLookAsync();
        }

        Sample[] samples = [];
        await Eventually.HoldsAsync(() => (samples = _sampler.HistoryOf("parks")!.Read(HistoryRange.Hour, _clock.Now))[^1] != Sample.None);
        CollectionAssert.AreEqual(
            new ulong[] { 0, 7, 7, 7, 7 }, samples[^5..].Select(sample => sample.Txid).ToArray());
        Assert.IsNull(_sampler.HistoryOf("roads"));
    }

    [TestMethod]
    public async Task Of_many_databases_a_hundred_are_synced_at_a_look()
    {
        _datasette.Databases = [.. Enumerable.Range(0, 150).Select(i => $"db{i}")];
        await StartAsync();
        await Eventually.HoldsAsync(() => Requests("/sync") == 150, "the first sync of each, which the start itself asks for");
        var first = await _sampler!.LatestAsync().InTimeAsync();
        Assert.AreEqual((250, 100), (Requests("/sync"), first.Databases.Count(database => database.Evidence.TakenTxid == 7)));
        await PassToNextLookAsync();
        Assert.AreEqual((300, 150), (Requests("/sync"), (await _sampler.LatestAsync()).Databases.Count(database => database.Evidence.TakenTxid == 7)));
        CollectionAssert.AreEqual(_datasette.Databases.ToArray(), first.Databases.Select(database => database.Plan.Name).ToArray());
        await PassToNextLookAsync();
        Assert.AreEqual(300, Requests("/sync"));
    }

    [TestMethod]
    public async Task A_sync_that_does_not_answer_is_waited_for_and_not_asked_for_again()
    {
        var holding = _datasette.Folder.Write("holding", "");
        _datasette.Words = $"hold-syncs={holding}";
        await StartAsync();
        await Eventually.HoldsAsync(() => Requests("/sync") == 1, "the first sync, which the start itself asks for");
        var asking = _sampler!.LatestAsync();

        // The answer, the next sample, and the supervisor's heartbeat.
        await _clock.IsAwaitedAsync(TimeSpan.FromSeconds(2), by: 3);
        _clock.Advance(TimeSpan.FromSeconds(2));
        Assert.IsNull((await asking.InTimeAsync()).Databases.Single().Evidence.TakenTxid);
        for (var look = 0; look < 3; look++)
        {
            await PassToNextLookAsync();
        }

        Assert.AreEqual(2, Requests("/sync"));
        File.Delete(holding);
        for (var look = 0; (await _sampler.LatestAsync()).Databases.Single() is not { Evidence: { TakenTxid: 7, ReplicatedTxid: 7 }, State: DatabaseState.Replicating }; look++)
        {
            Assert.IsLessThan(1000, look, "the answer is never heard");
            await PassToNextLookAsync();
        }

        Assert.AreEqual(2, Requests("/sync"));
    }

    [TestMethod]
    public async Task A_sync_that_fails_is_asked_for_again()
    {
        var failing = _datasette.Folder.Write("failing", "");
        _datasette.Words = $"sync-fails={failing}";
        await StartAsync();
        await _sampler!.LatestAsync().InTimeAsync();

        // Litestream reports the result of a request at the next sample.
        await PassToNextLookAsync();
        var failed = (await _sampler.LatestAsync()).Databases.Single();
        Assert.AreEqual((DatabaseState.Failing, "sync database: database is locked"), (failed.State, failed.Error));
        var asked = Requests("/sync");
        File.Delete(failing);
        for (var look = 0; (await _sampler.LatestAsync()).Databases.Single().State != DatabaseState.Replicating; look++)
        {
            Assert.IsLessThan(10, look, "it is not asked again");
            await PassToNextLookAsync();
        }

        Assert.IsGreaterThan(asked, Requests("/sync"));
    }

    [TestMethod]
    public async Task What_is_not_at_the_replica_yet_is_asked_for_again()
    {
        // Once for the start's own sync.
        _datasette.Words = "slow-replica=3";
        await StartAsync();
        await Eventually.HoldsAsync(() => Requests("/sync") == 1);
        for (var look = 0; look < 2; look++)
        {
            Assert.IsTrue((await _sampler!.LatestAsync().InTimeAsync()).Databases.Single() is { Evidence: { TakenTxid: 7, ReplicatedTxid: null }, State: DatabaseState.Starting });
            await PassToNextLookAsync();
        }

        Assert.IsTrue((await _sampler!.LatestAsync()).Databases.Single() is { Evidence: { TakenTxid: 7, ReplicatedTxid: 7 }, State: DatabaseState.Replicating });
    }

    [TestMethod]
    public async Task Whoever_waits_as_it_is_disposed_of_in_a_look_waits_no_longer()
    {
        _datasette.Words = "mute-after=0";
        await StartAsync();
        var asking = _sampler!.LatestAsync();
        await Eventually.HoldsAsync(() => Requests("/debug/sync-status") == 1);
        Assert.IsFalse(asking.IsCompleted);
        _sampler.Dispose();
        Assert.IsEmpty((await asking.InTimeAsync()).Databases);
        Assert.IsEmpty((await _sampler.LatestAsync().InTimeAsync()).Databases);
        _sampler.Dispose();
    }

    [TestMethod]
    public async Task A_Litestream_that_lists_nothing_is_believed_what_it_answers()
    {
        _datasette.Words = "no-list";
        await StartAsync();
        Assert.AreEqual(DatabaseState.Replicating, (await _sampler!.LatestAsync().InTimeAsync()).Databases.Single().State);
        await PassToNextLookAsync();
    }

    [TestMethod]
    public async Task What_was_uploaded_of_two_databases_by_one_file_name_is_told_apart()
    {
        Directory.CreateDirectory(_datasette.Folder["north"]);
        Directory.CreateDirectory(_datasette.Folder["south"]);
        _datasette.Words = "ltx=100";
        _datasette.Databases = ["north/parks", "south/parks"];
        await StartAsync();
        for (var look = 0; look < 2; look++)
        {
            var latest = await _sampler!.LatestAsync().InTimeAsync();
            CollectionAssert.AreEqual(new[] { 100L, 200L }, latest.Databases.Select(database => database.UploadedBytes).ToArray());
            await PassToNextLookAsync();
        }
    }

    private async Task StartAsync(TimeProvider? time = null)
    {
        _datasette.Words += $" requests={_datasette.Folder["requests"]}";
        _replicator = await _datasette.StartReplicatorAsync(_clock).InTimeAsync();
        _sampler = new Sampler(() => _replicator.Snapshot, time ?? _clock);
    }

    private async Task PassToNextLookAsync()
    {
        await _clock.PassAsync(seconds: 2);
        await Eventually.HoldsAsync(() => _sampler!.LastSampleAt == _clock.Now, "the next look");
    }

    private void Write()
    {
        var path = _replicator!.Plan.Databases.Single().Path;
        File.WriteAllText(path, "a database");
        File.SetLastWriteTimeUtc(path, _clock.Now.UtcDateTime);
    }

    private int Requests(string path) =>
        File.Exists(_datasette.Folder["requests"]) ? File.ReadLines(_datasette.Folder["requests"]).Count(line => line == path) : 0;
}
