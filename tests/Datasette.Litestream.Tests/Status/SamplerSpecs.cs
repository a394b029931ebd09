using Datasette.Litestream.Status;
using Datasette.Litestream.Tests.Processes;
using Datasette.Litestream.Tests.Replication;

namespace Datasette.Litestream.Tests.Status;

[TestClass]
public sealed class SamplerSpecs : IDisposable
{
    private readonly Site _site = new();
    private readonly TestClock _clock = new();
    private Replicator? _replicator;
    private Sampler? _sampler;

    public void Dispose()
    {
        _sampler?.Dispose();
        if (_replicator is not null)
        {
            _clock.PassUntilAsync(_replicator.StopAsync(TimeSpan.FromSeconds(10))).GetAwaiter().GetResult();
        }

        _site.Dispose();
    }

    [TestMethod]
    public async Task It_looks_every_two_seconds_however_many_ask()
    {
        await StartAsync();
        await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => _sampler!.LatestAsync())).InTimeAsync();
        Assert.AreEqual(1, Requests("/list"));
        for (var look = 2; look <= 5; look++)
        {
            await PassToNextLookAsync();
            await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => _sampler!.LatestAsync())).InTimeAsync();
            Assert.AreEqual(look, Requests("/list"));
        }
    }

    [TestMethod]
    public async Task While_nothing_is_written_it_asks_Litestream_every_ten_seconds()
    {
        await StartAsync();
        Write();
        await _sampler!.LatestAsync().InTimeAsync();

        // A change that was just seen is looked at for a while.
        for (var look = 0; look < 5; look++)
        {
            await PassToNextLookAsync();
        }

        var asked = Requests("/list");
        for (var look = 0; look < 15; look++)
        {
            await PassToNextLookAsync();
        }

        Assert.AreEqual(asked + 3, Requests("/list"));
        Assert.AreEqual(DatabaseState.Replicating, (await _sampler.LatestAsync()).Databases.Single().State);
        Write();
        await PassToNextLookAsync();
        Assert.AreEqual(asked + 4, Requests("/list"));
    }

    [TestMethod]
    public async Task It_looks_also_when_nobody_asks()
    {
        await StartAsync();
        Assert.AreEqual(0, Requests("/list"));

        // The supervisor waits as long for its next question whether Litestream is there.
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
    public async Task Of_many_databases_a_hundred_transaction_ids_are_asked_for_at_a_look()
    {
        _site.Databases = [.. Enumerable.Range(0, 150).Select(i => $"db{i}")];
        await StartAsync();
        var first = await _sampler!.LatestAsync().InTimeAsync();
        Assert.AreEqual((100, 100), (Requests("/txid"), first.Databases.Count(database => database.Txid == 7)));
        await PassToNextLookAsync();
        Assert.AreEqual((150, 150), (Requests("/txid"), (await _sampler.LatestAsync()).Databases.Count(database => database.Txid == 7)));
        CollectionAssert.AreEqual(_site.Databases.ToArray(), first.Databases.Select(database => database.Plan.Name).ToArray());
        await PassToNextLookAsync();
        Assert.AreEqual(150, Requests("/txid"));
    }

    [TestMethod]
    public async Task Whoever_waits_as_it_is_disposed_of_in_a_look_waits_no_longer()
    {
        _site.Words = "mute-after=0";
        await StartAsync();
        var asking = _sampler!.LatestAsync();
        await Eventually.HoldsAsync(() => Requests("/list") == 1);
        Assert.IsFalse(asking.IsCompleted);
        _sampler.Dispose();
        Assert.IsEmpty((await asking.InTimeAsync()).Databases);
        Assert.IsEmpty((await _sampler.LatestAsync().InTimeAsync()).Databases);
        _sampler.Dispose();
    }

    [TestMethod]
    public async Task A_Litestream_that_lists_nothing_does_not_end_it()
    {
        _site.Words = "no-list";
        await StartAsync();
        Assert.AreEqual(DatabaseState.Unknown, (await _sampler!.LatestAsync().InTimeAsync()).Databases.Single().State);
        await PassToNextLookAsync();
    }

    [TestMethod]
    [DataRow("north/parks south/trails", 100L)]
    [DataRow("north/parks south/parks", 0L)]
    public async Task What_Litestream_logs_of_a_file_name_that_two_databases_share_is_told_of_neither(string names, long bytes)
    {
        Directory.CreateDirectory(_site.Folder["north"]);
        Directory.CreateDirectory(_site.Folder["south"]);
        _site.Words = "upload";
        _site.Databases = names.Split(' ');
        await StartAsync();
        await Eventually.HoldsAsync(() => _replicator!.Plan.Databases.All(plan => _replicator.Tally.Of(plan.Path).UploadedBytes > 0));
        var latest = await _sampler!.LatestAsync().InTimeAsync();
        CollectionAssert.AreEqual(new[] { bytes, bytes }, latest.Databases.Select(database => database.UploadedBytes).ToArray());
    }

    private async Task StartAsync()
    {
        _site.Words += $" requests={_site.Folder["requests"]}";
        _replicator = await _site.StartReplicatorAsync(_clock).InTimeAsync();
        _sampler = new Sampler(_replicator, _clock);
    }

    private async Task PassToNextLookAsync()
    {
        await _clock.PassAsync(seconds: 2);
        await Eventually.HoldsAsync(() => _sampler!.LastLookAt == _clock.Now, "the next look");
    }

    private void Write()
    {
        var path = _replicator!.Plan.Databases.Single().Path;
        File.WriteAllText(path, "a database");
        File.SetLastWriteTimeUtc(path, _clock.Now.UtcDateTime);
    }

    private int Requests(string path) =>
        File.Exists(_site.Folder["requests"]) ? File.ReadLines(_site.Folder["requests"]).Count(line => line == path) : 0;
}
