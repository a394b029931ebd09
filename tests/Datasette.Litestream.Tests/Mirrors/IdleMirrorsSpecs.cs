using System.Text.Json;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Mirrors;
using Datasette.Litestream.Stores;
using Datasette.Litestream.Tests.Configuration;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Mirrors;

/// <summary>What mirrors cost where nothing happens.</summary>
[TestClass]
[DoNotParallelize]
public sealed class IdleMirrorsSpecs
{
    [TestMethod]
    public async Task Hundreds_of_databases_with_a_mirror_cost_next_to_nothing_while_idle()
    {
        const int count = 400, seconds = 5;
        using var folder = new TemporaryFolder();
        var databases = Enumerable.Range(0, count).Select(i => new AttachedDatabase($"db{i}", folder[$"db{i}.db"], IsMutable: true)).ToArray();
        var settings = new Dictionary<string, string[]> { ["all-replicate"] = [$"file://{folder["first"]}/$DB_NAME", $"file://{folder["mirror"]}/$DB_NAME"] };
        var plan = Plans.Of(new DatasetteConfiguration(folder.Path, JsonElement.Parse(settings.ToJson()), new Dictionary<string, JsonElement>(), databases)).Sound.For(ReleaseLine.V05);
        foreach (var database in plan.Databases)
        {
            MadeLtx.Write(LitestreamFolder.Of(database.Path), MirrorBench.L0(1), MirrorBench.Now.AddMinutes(-1));
        }

        using var stores = new StoreFactory(() => new Dictionary<string, string>(), TimeProvider.System);
        var mirroring = new Mirroring(() => plan, stores.Open, TimeProvider.System, new Random(1), text => text);
        mirroring.Start();
        await Eventually.HoldsAsync(() => mirroring.Statuses.Count == count && mirroring.Statuses.Values.All(status => status is { Txid: 1, Phase: MirrorPhase.Following }));

        // What came at once is over.
        await Eventually.HoldsAsync(() => Directory.GetLastWriteTimeUtc(Path.Combine(LitestreamFolder.Of(plan.Databases[^1].Path), "ltx", "0")) < DateTime.UtcNow.AddSeconds(-5));
        var before = Environment.CpuUsage.TotalTime;
        await Task.Delay(TimeSpan.FromSeconds(seconds));
        var share = (Environment.CpuUsage.TotalTime - before).TotalSeconds / seconds;
        Console.WriteLine($"{share:P2} of a core for {count} idle mirrors.");
        await mirroring.FinishAsync(TimeSpan.FromSeconds(10), CancellationToken.None).InTimeAsync();
        Assert.IsLessThan(0.04, share);
    }
}
