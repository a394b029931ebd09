using System.Collections.Concurrent;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Manual;
using Datasette.Litestream.Observation;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Restoring;
using Datasette.Litestream.Stores;
using Datasette.Litestream.Tests.Configuration;
using Datasette.Litestream.Tests.Processes;
using Datasette.Litestream.Tests.Restoring;

namespace Datasette.Litestream.Tests.Manual;

/// <summary>Downloads, with a script in Litestream's place: <c>-o FILE</c> is its third and fourth word.</summary>
[TestClass]
public sealed class DownloadsSpecs : IDisposable
{
    private const string Restores = "printf restored > \"$4\"", Hangs = "printf half > \"$4.tmp\"; exec tail -f /dev/null", Fails = "echo 'Error: no such file' >&2; exit 1";

    private readonly ReplicaBench _replica = new();
    private readonly StoreFactory _stores = new(() => new Dictionary<string, string>(), TimeProvider.System);
    private readonly ConcurrentQueue<Deed> _told = new();

    public void Dispose()
    {
        _stores.Dispose();
        _replica.Dispose();
    }

    [TestMethod]
    public async Task What_was_restored_is_there_until_the_end_and_told_when_it_is_handed_out()
    {
        var downloads = Make(Restores);
        var result = await downloads.RestoreAsync(Request("a", "2026-05-01T12:00:30")).InTimeAsync();
        Assert.AreEqual((ManualOutcome.Done, "restored", ReplicaBench.Start.AddSeconds(30)), (result.Result.Outcome, File.ReadAllText(result.File!.Path), result.At));
        Assert.IsEmpty(_told);
        Assert.IsTrue(downloads.HandOut("a"));
        Assert.AreEqual(
            $"alice downloaded parks as it was at 2026-05-01 12:00:30 UTC: state 0000000000000002, 8 B, from {_replica.Folder["replica"]}.", DeedWording.Tell(_told.Single()));
        downloads.End("a");
        downloads.End("a");
        await AssertNothingIsLeftAsync();
        Assert.IsFalse(downloads.HandOut("a"));
    }

    [TestMethod]
    public async Task Two_at_once_are_enough()
    {
        var downloads = Make(Restores);
        Assert.IsNotNull((await downloads.RestoreAsync(Request("a")).InTimeAsync()).File);
        Assert.IsNotNull((await downloads.RestoreAsync(Request("b")).InTimeAsync()).File);
        var refused = await downloads.RestoreAsync(Request("c")).InTimeAsync();
        Assert.AreEqual((ManualOutcome.Busy, null), (refused.Result.Outcome, refused.File));
        downloads.End("a");
        await Eventually.HoldsAsync(() => Directory.GetDirectories(_replica.Folder.Path, ".*").Length == 1);
        await Eventually.HoldsAsync(async () => (await downloads.RestoreAsync(Request("c")).InTimeAsync()).File is not null);
        await downloads.StopAsync().InTimeAsync();
        await AssertNothingIsLeftAsync();
        Assert.AreEqual(ManualOutcome.Refused, (await downloads.RestoreAsync(Request("d")).InTimeAsync()).Result.Outcome);
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public async Task One_that_is_still_restored_is_given_up(bool allOfThem)
    {
        var downloads = Make(Hangs);
        var restoring = downloads.RestoreAsync(Request("a"));
        await Eventually.HoldsAsync(() => Directory.GetFiles(_replica.Folder.Path, "restored.db.tmp", SearchOption.AllDirectories).Length == 1);
        if (allOfThem)
        {
            await downloads.StopAsync().InTimeAsync();
        }
        else
        {
            downloads.End("a");
        }

        Assert.IsNull((await restoring.InTimeAsync()).File);
        await AssertNothingIsLeftAsync();
    }

    [TestMethod]
    public async Task One_that_fails_says_why_and_leaves_nothing()
    {
        var downloads = Make(Fails);
        for (var i = 0; i < 3; i++)
        {
            var result = await downloads.RestoreAsync(Request($"{i}")).InTimeAsync();
            Assert.AreEqual(ManualOutcome.Failed, result.Result.Outcome);
            Assert.Contains("no such file", result.Result.Sentence);
            await AssertNothingIsLeftAsync();
        }
    }

    [TestMethod]
    public async Task What_cannot_be_downloaded_is_told()
    {
        var downloads = Make(Restores);
        Assert.AreEqual((ManualOutcome.Wrong, $"at=soon: {WrittenTime.Expected}."), Told(await downloads.RestoreAsync(Request("a", "soon"))));
        Assert.AreEqual((ManualOutcome.NotFound, "trees is not replicated."), Told(await downloads.RestoreAsync(Request("b") with { Database = "trees" })));
        Assert.AreEqual(ManualOutcome.Failed, Told(await downloads.RestoreAsync(Request("c", "2026-04-01T12:00"))).Outcome);
        Directory.Delete(_replica.Folder["replica/ltx"], recursive: true);
        Assert.AreEqual((ManualOutcome.NotFound, "There is no backup of parks yet."), Told(await downloads.RestoreAsync(Request("d"))));
        await AssertNothingIsLeftAsync();
    }

    [TestMethod]
    public async Task Datasettes_internal_database_is_not_there()
    {
        var plan = Plans.From("""{"internal-replica": "s3://vault/tokens"}""", databases: [Plans.Internal]).Sound;
        Assert.IsTrue(plan.Databases.Single().IsInternal);
        var result = await Make(Restores, plan).RestoreAsync(Request("a") with { Database = plan.Databases.Single().Name }).InTimeAsync();
        Assert.AreEqual(ManualOutcome.NotFound, result.Result.Outcome);
    }

    [TestMethod]
    public async Task What_a_process_that_was_killed_has_left_is_deleted()
    {
        var left = Directory.CreateDirectory(_replica.Folder[".parks.db.download-2-restoring/x"]).FullName;
        File.WriteAllText(Path.Combine(left, "restored.db.tmp"), "half");
        Make(Restores).DeleteLeftovers();
        await AssertNothingIsLeftAsync();
    }

    [TestMethod]
    public void The_file_is_called_after_the_database_and_the_time()
    {
        var file = new RestoredFile("/x/restored.db", new RestorePoint.Transaction(7, ReplicaBench.Start, ReplicaBench.Start, 1), "/backup", TimeSpan.Zero);
        var request = Request("a") with { Database = "a/ü \"b\"" };
        var answer = DownloadReport.Answer(request, new DownloadResult(new ManualResult(ManualOutcome.Done, ""), file), ReplicaBench.Start, isReplicated: true);
        Assert.AreEqual(
            ("/x/restored.db", "attachment; filename=\"a__ _b_-20260501T120000Z.db\"; filename*=UTF-8''a_%C3%BC%20%22b%22-20260501T120000Z.db"), (answer.File, answer.Disposition));
    }

    [TestMethod]
    public void Who_is_refused_is_told_so_and_goes_back_to_the_page()
    {
        var answer = DownloadReport.Answer(Request("a", "10 minutes ago"), new DownloadResult(new ManualResult(ManualOutcome.Busy, "Wait.")), ReplicaBench.Start, isReplicated: true);
        Assert.AreEqual((429, "Wait.", "?database=parks&at=10%20minutes%20ago"), (answer.Status, answer.Message, answer.Page));
        Assert.Contains("\"action\":\"download\"", answer.Body);
    }

    private static (ManualOutcome Outcome, string Sentence) Told(DownloadResult result) => (result.Result.Outcome, result.Result.Sentence);

    private static DownloadRequest Request(string id, string at = "") => new(id, "parks", at, "alice");

    private Downloads Make(string script, ReplicationPlan? plan = null)
    {
        _replica.Ltx(9, 1, 1, 0);
        _replica.Ltx(0, 2, 2, 30);
        _replica.Ltx(0, 3, 3, 60);
        var command = new LitestreamCommand(_replica.Folder.WriteScript("litestream", script), () => new Dictionary<string, string> { ["PATH"] = "/usr/bin:/bin" }, text => text, TimeProvider.System);
        return new Downloads(
            () => plan ?? _replica.Plan, () => new Restorer(command, ReleaseLine.V05, _stores, TimeProvider.System), _told.Enqueue, TimeProvider.System);
    }

    private Task AssertNothingIsLeftAsync() => Eventually.HoldsAsync(() => Directory.GetDirectories(_replica.Folder.Path, ".*").Length == 0);
}
