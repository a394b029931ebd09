using Datasette.Litestream.Configuration;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Replicas;
using Datasette.Litestream.Tests.Configuration;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Replicas;

/// <summary>The queue of checks, with a script in place of Litestream that says whether the backup is whole.</summary>
[TestClass]
public sealed class ReplicaChecksSpecs
{
    private static readonly TimeSpan Interval = TimeSpan.FromHours(1);

    [TestMethod]
    public async Task Nothing_is_checked_before_it_is_requested()
    {
        using var queue = new Queue("a", "b");
        queue.Checks.Request(queue["b"]);
        await queue.IsCheckedAsync("b");
        Assert.IsNull(queue.Latest("a"));
        Assert.AreEqual("restore b, ltx b", queue.Asked, "the first check lists everything");
    }

    [TestMethod]
    public async Task A_whole_backup_is_checked_again_after_the_interval()
    {
        using var queue = new Queue("a");
        queue.Checks.Request(queue["a"]);
        var first = await queue.IsCheckedAsync("a");
        queue.Clock.Advance(Interval * 0.89);
        Assert.AreEqual(first, queue.Latest("a"));
        await queue.IsCheckedAgainAsync("a");
        Assert.IsLessThanOrEqualTo(first.At + Interval, queue.Latest("a")!.At);
    }

    [TestMethod]
    public async Task A_damaged_one_is_checked_again_soon()
    {
        using var queue = new Queue("a") { IsWhole = false };
        queue.Checks.Request(queue["a"]);
        var first = await queue.IsCheckedAsync("a");
        Assert.AreEqual(ReplicaCondition.Damaged, first.Finding.Condition);
        await queue.Clock.PassAsync(30);
        await Eventually.HoldsAsync(() => queue.Latest("a") != first);
    }

    [TestMethod]
    public async Task A_request_does_not_wait_for_the_interval()
    {
        using var queue = new Queue("a");
        queue.Checks.Request(queue["a"]);
        var first = await queue.IsCheckedAsync("a");
        queue.Clock.Advance(TimeSpan.FromSeconds(1));
        queue.Checks.Request(queue["a"]);
        await Eventually.HoldsAsync(() => queue.Latest("a") != first);
        Assert.AreEqual("restore a, ltx a, restore a, ltx a", queue.Asked);
    }

    [TestMethod]
    public async Task One_that_cannot_be_checked_does_not_keep_others_from_it()
    {
        using var queue = new Queue("a", "b") { Fails = name => name == "a" };
        queue.Checks.Request(queue["a"]);
        queue.Checks.Request(queue["b"]);
        Assert.IsTrue((await queue.IsCheckedAsync("b")).IsWhole);
        Assert.AreEqual("no way", queue.Latest("a")!.Error);
    }

    [TestMethod]
    public async Task It_can_be_stopped_at_any_time()
    {
        using var queue = new Queue("a");
        queue.Checks.Dispose();
        await queue.Checks.Stopped.InTimeAsync();
    }

    private sealed class Queue : IDisposable
    {
        private readonly TemporaryFolder _folder = new();
        private readonly IReadOnlyList<DatabasePlan> _databases;

        public Queue(params string[] names)
        {
            _databases = Plans.From("""{"all-replicate": "s3://maps/$DB_NAME"}""", databases: [.. names.Select(Plans.Attached)]).Sound.Databases;
            var script = _folder.WriteScript(
                "litestream",
                $$"""
                for path; do :; done
                printf '%s %s\n' "$1" "$(basename "$path" .db)" >> {{_folder["asked"]}}
                if [ "$1" = ltx ]; then echo '[{"level": 0, "min_txid": "0000000000000002", "max_txid": "0000000000000002", "size": 1, "timestamp": "2026-11-26T03:00:50Z"}]'
                elif [ -e {{_folder["damaged"]}} ]; then echo "Error: no matching backup files available" >&2; exit 1
                else echo '{"max_txid": "0000000000000002", "files": []}'; fi
                """);
            var command = new LitestreamCommand(
                script, () => new Dictionary<string, string> { ["PATH"] = Environment.GetEnvironmentVariable("PATH")! }, text => text, TimeProvider.System);
            Checks = new ReplicaChecks(
                new ReplicaProbe(command, Clock),
                database => Fails(database.Name) ? throw new InvalidOperationException("no way.") : 2UL,
                Interval,
                Clock,
                new Random(1));
        }

        public ReplicaChecks Checks { get; }

        public TestClock Clock { get; } = new();

        public Func<string, bool> Fails { get; init; } = _ => false;

        public bool IsWhole
        {
            init
            {
                if (!value)
                {
                    _folder.Write("damaged", "");
                }
            }
        }

        /// <summary>What the script was asked.</summary>
        public string Asked => string.Join(", ", File.ReadAllLines(_folder["asked"]));

        /// <summary>A database.</summary>
        public DatabasePlan this[string name] => _databases.Single(database => database.Name == name);

        public ReplicaCheck? Latest(string name) => Checks.Latest(this[name], this[name].Primary);

        public async Task<ReplicaCheck> IsCheckedAsync(string name)
        {
            await Eventually.HoldsAsync(() => Latest(name) is not null, $"{name} is checked");
            return Latest(name)!;
        }

        /// <summary>Lets the time pass that is left until the next check.</summary>
        public async Task IsCheckedAgainAsync(string name)
        {
            var before = Latest(name);
            await Eventually.HoldsAsync(() =>
            {
                Clock.Advance(TimeSpan.FromSeconds(1));
                return Latest(name) != before;
            });
        }

        public void Dispose()
        {
            Checks.Dispose();
            Checks.Stopped.InTimeAsync().GetAwaiter().GetResult();
            _folder.Dispose();
        }
    }
}
