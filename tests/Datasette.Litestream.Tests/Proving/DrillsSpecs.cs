using Datasette.Litestream.Configuration;
using Datasette.Litestream.Proving;
using Datasette.Litestream.Tests.Configuration;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Proving;

/// <summary>When drills are held, with a script in place of a drill.</summary>
[TestClass]
public sealed class DrillsSpecs
{
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    [TestMethod]
    public async Task The_first_drill_comes_a_few_minutes_after_the_first_copy_is_complete_and_the_next_ones_in_the_interval()
    {
        await using var held = new HeldDrills(Hour);
        await held.LookAsync(isReady: false);
        held.Clock.Advance(Hour);
        await held.LookAsync(isReady: false);
        Assert.IsNull(held.Status.DueAt, "the first copy is under way");
        await held.LookAsync();
        Assert.AreEqual(held.Clock.Now + TimeSpan.FromMinutes(3), held.Status.DueAt);
        await held.DueAsync();
        Assert.AreEqual(1, held.Count);
        Assert.AreEqual(DrillOutcome.Proven, held.Status.LastProof!.Outcome);
        var until = held.Status.DueAt - held.Clock.Now;
        Assert.IsTrue(until >= 0.9 * Hour && until <= Hour, $"the next is due in {until}");
        await held.DueAsync();
        Assert.AreEqual(2, held.Count);
    }

    [TestMethod]
    public async Task Nothing_is_proven_where_drills_are_off_unless_somebody_wants_that()
    {
        await using var held = new HeldDrills(Timeout.InfiniteTimeSpan);
        await held.LookAsync();
        Assert.IsNull(held.Status.DueAt);
        Assert.IsNull(held.Status.Interval);
        var wanted = held.Drills.VerifyAsync("a");
        await held.LookAsync();
        Assert.AreEqual(DrillOutcome.Proven, (await wanted).Single().Result.Outcome);
        Assert.IsNull(held.Status.DueAt);
    }

    [TestMethod]
    [DataRow(1L << 20, 1)]
    [DataRow((1L << 30) + 1, 7)]
    public async Task A_backup_is_proven_once_a_day_and_a_large_one_once_a_week(long bytes, int days)
    {
        await using var held = new HeldDrills(null) { Bytes = bytes };
        await held.LookAsync();
        Assert.AreEqual(TimeSpan.FromDays(days), held.Status.Interval);
    }

    [TestMethod]
    public async Task A_failed_drill_is_repeated_at_once_after_the_backup_was_made_anew_and_later_if_that_has_not_helped()
    {
        await using var held = new HeldDrills(Hour) { Outcome = DrillOutcome.Failed };
        await held.LookAsync();
        await held.DueAsync();
        Assert.AreEqual((1, null), (held.Status.Failures, held.Status.RenewedAt));
        Assert.AreEqual(held.Clock.Now + TimeSpan.FromMinutes(1), held.Status.DueAt, "nobody may renew it");
        held.Drills.Renewed("a");
        Assert.AreEqual(held.Clock.Now, held.Status.RenewedAt);
        held.Clock.Advance(TimeSpan.FromSeconds(1));
        await held.LookAsync();
        Assert.AreEqual(2, held.Count);
        held.Drills.Renewed("a");
        await held.LookAsync();
        Assert.AreEqual(2, held.Count);
        held.Outcome = DrillOutcome.Proven;
        await held.DueAsync();
        Assert.AreEqual((3, 0, null), (held.Count, held.Status.Failures, held.Status.Failure));
    }

    [TestMethod]
    public async Task A_proof_of_a_backup_that_was_made_anew_since_counts_no_more()
    {
        await using var held = new HeldDrills(Hour);
        await held.LookAsync();
        await held.DueAsync();
        held.Drills.Renewed("a");
        Assert.IsNull(held.Status.LastProof);
        await held.LookAsync();
        Assert.AreEqual(held.Clock.Now + TimeSpan.FromMinutes(3), held.Status.DueAt);
        await held.DueAsync();
        Assert.IsNotNull(held.Status.LastProof);
    }

    [TestMethod]
    public async Task What_could_not_be_held_is_tried_again_at_growing_intervals_and_is_overdue_after_three()
    {
        await using var held = new HeldDrills(Hour) { Outcome = DrillOutcome.NotHeld };
        await held.LookAsync();
        var began = held.Clock.Now;
        await held.DueAsync();
        Assert.AreEqual(held.Clock.Now + TimeSpan.FromMinutes(1), held.Status.DueAt);
        await held.DueAsync();
        Assert.AreEqual(held.Clock.Now + TimeSpan.FromMinutes(2), held.Status.DueAt);
        Assert.IsFalse(held.Status.IsOverdue(began + (3 * Hour)));
        Assert.IsTrue(held.Status.IsOverdue(began + (3 * Hour) + TimeSpan.FromSeconds(1)));
    }

    [TestMethod]
    public async Task What_drills_have_shown_is_known_after_a_restart()
    {
        using var folder = new TemporaryFolder();
        var clock = new TestClock();
        await using (var before = new HeldDrills(Hour, folder, clock))
        {
            await before.LookAsync();
            await before.DueAsync();
        }

        clock.Advance(TimeSpan.FromMinutes(30));
        await using var after = new HeldDrills(Hour, folder, clock);
        await after.LookAsync();
        Assert.AreEqual(clock.Now - TimeSpan.FromMinutes(30), after.Status.LastProof!.At);
        Assert.IsTrue(after.Status.DueAt - clock.Now is { TotalMinutes: >= 24 and <= 30 }, $"the next is due at {after.Status.DueAt}");
    }

    [TestMethod]
    public async Task The_end_breaks_off_a_drill_and_the_wait_for_one()
    {
        await using var held = new HeldDrills(Hour) { TakesForEver = true };
        var wanted = held.Drills.VerifyAsync("a");
        held.Look();
        await Eventually.HoldsAsync(() => held.Count == 1);
        Assert.IsNotNull(held.Status.Progress);
        var second = held.Drills.VerifyAsync("a");
        await held.Drills.StopAsync();
        Assert.IsNull(held.Status.Progress);
        Assert.IsTrue(wanted.IsCanceled && second.IsCanceled);
    }

    /// <summary>Drills of the database <c>a</c>, whose results are what a test says.</summary>
    private sealed class HeldDrills : IAsyncDisposable
    {
        private readonly TemporaryFolder? _own;
        private readonly DatabasePlan _database;
        private int _wishes;

        public HeldDrills(TimeSpan? interval, TemporaryFolder? folder = null, TestClock? clock = null)
        {
            _own = folder is null ? new TemporaryFolder() : null;
            Clock = clock ?? new TestClock();
            _database = Plans.FromReplica("s3://maps/$DB_NAME", "a").Sound.Databases.Single() with { Path = (folder ?? _own)!["a.db"], VerifyInterval = interval };
            Directory.CreateDirectory((folder ?? _own)![".a.db-litestream"]);
            Drills = new Drills(HoldAsync, (_, _, _) => { }, Clock, new Random(1));
            Drills.Start();
        }

        public TestClock Clock { get; }

        public Drills Drills { get; }

        public DrillOutcome Outcome { get; set; } = DrillOutcome.Proven;

        public long Bytes { get; init; } = 1000;

        public bool TakesForEver { get; init; }

        public int Count { get; private set; }

        public DrillStatus Status => Drills.Statuses.Values.Single();

        public void Look(bool isReady = true) => Drills.Look([new DrillCandidate(_database, _database.Primary, isReady, Bytes)]);

        /// <summary>Has the destinations looked at, and waits until what follows from that is done.</summary>
        public async Task LookAsync(bool isReady = true)
        {
            Look(isReady);

            // A wish that no database fulfils is answered after a look. The first one may be answered after the look before.
            for (var wish = 0; wish < 2; wish++)
            {
                _wishes++;
                var seen = Drills.VerifyAsync($"no database {_wishes}");
                await Eventually.HoldsAsync(() =>
                {
                    Look(isReady);
                    return seen.IsCompleted;
                });
            }
        }

        /// <summary>Passes the time until the next drill, and waits for it.</summary>
        public async Task DueAsync()
        {
            var count = Count;
            Clock.Advance(Status.DueAt!.Value - Clock.Now);
            await Eventually.HoldsAsync(() =>
            {
                Look();
                return Count > count && Status.Progress is null;
            });
        }

        public async ValueTask DisposeAsync()
        {
            await Drills.StopAsync();
            _own?.Dispose();
        }

        private async Task<DrillResult> HoldAsync(DatabasePlan database, ReplicaPlan replica, TimeSpan patience, Action<DrillProgress> tell, Action<DrillResult> onFailed, CancellationToken cancellationToken)
        {
            Assert.AreEqual((_database, _database.Primary), (database, replica));
            Count++;
            if (TakesForEver)
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
            }

            return new DrillResult(Clock.Now, Outcome, "It is as the test says.");
        }
    }
}
