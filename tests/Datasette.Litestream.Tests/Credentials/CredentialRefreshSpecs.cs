using Datasette.Litestream.Credentials;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Credentials;

[TestClass]
public sealed class CredentialRefreshSpecs : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(10);
    private static readonly S3Credentials First = new("AKIA1", "s3cr3t", null), Second = First with { SessionToken = "t0ken" };

    private readonly TestClock _clock = new();
    private readonly Source _source = new();
    private readonly List<S3Credentials> _changes = [];
    private readonly List<string> _failures = [], _givenUp = [];
    private readonly DateTimeOffset _begin;
    private CredentialRefresher _refresher;

    public CredentialRefreshSpecs()
    {
        _begin = _clock.Now;
        _refresher = new CredentialRefresher(_source, new IssuedCredentials(First), _clock, text => text.Replace("hunter2", "***", StringComparison.Ordinal));
    }

    public void Dispose() => _refresher.Dispose();

    [TestMethod]
    public async Task Unchanged_credentials_change_nothing()
    {
        var running = Run();
        await RefreshAsync(times: 6);
        Assert.IsEmpty(_changes);
        Assert.AreEqual(new CredentialStatus("the source", _begin + (6 * Interval), null, null, Unchanged: 6), _refresher.Status);
        _refresher.Dispose();
        await running.InTimeAsync();
        Assert.AreEqual(6, _source.Reads);
    }

    [TestMethod]
    public async Task Changed_ones_are_told_once()
    {
        _ = Run();
        await RefreshAsync();
        _source.Next = () => new(Second);
        await RefreshAsync(times: 3);
        CollectionAssert.AreEqual(new[] { Second }, _changes);
        Assert.AreEqual(new CredentialStatus("the source", _begin + (4 * Interval), _begin + (2 * Interval), null, Unchanged: 3, Changed: 1), _refresher.Status);
    }

    [TestMethod]
    public async Task The_next_refresh_waits_for_a_change_to_be_taken_up()
    {
        var taking = new TaskCompletionSource();
        var taken = new TaskCompletionSource();
        _ = Run(onChanged: _ =>
        {
            taken.SetResult();
            return taking.Task;
        });
        _source.Next = () => new(Second);
        await _clock.PassAsync(Interval);
        await Eventually.HoldsAsync(() => _source.Reads == 1);
        await taken.Task.InTimeAsync();
        _clock.Advance(TimeSpan.FromHours(5));
        Assert.AreEqual(1, _source.Reads);
        taking.SetResult();
        await RefreshAsync();
        Assert.AreEqual(2, _source.Reads);
        Assert.AreEqual(_begin + (2 * Interval) + TimeSpan.FromHours(5), _clock.Now);
    }

    [TestMethod]
    public async Task The_third_failure_in_a_row_ends_it()
    {
        var running = Run();
        _source.Next = () => throw new ReplicationException("no vault.");
        await FailAsync(600, 5);
        CollectionAssert.AreEqual(new[] { "no vault." }, _failures, "one is told once");
        Assert.IsEmpty(_givenUp);
        await _clock.PassAsync(seconds: 10);
        await running.InTimeAsync();
        CollectionAssert.AreEqual(new[] { "no vault. That was failure 3 in a row." }, _givenUp);
        Assert.HasCount(1, _failures);
        Assert.AreEqual(new CredentialStatus("the source", _begin, null, "no vault.", Failed: 3) { FailingSince = _begin + Interval }, _refresher.Status);
        _clock.Advance(TimeSpan.FromHours(5));
        Assert.AreEqual(3, _source.Reads);
    }

    [TestMethod]
    public async Task A_success_has_failures_counted_anew()
    {
        _ = Run();
        for (var round = 0; round < 3; round++)
        {
            _source.Next = () => throw new ReplicationException("no vault");
            await FailAsync(600, 5);
            _source.Next = () => new(First);
            await _clock.PassAsync(seconds: 10);
            await _clock.IsAwaitedAsync(Interval);
            Assert.AreEqual((null, null), (_refresher.Status.Failure, _refresher.Status.FailingSince));
        }

        Assert.IsEmpty(_givenUp);
        Assert.HasCount(3, _failures, "each time it is new");
    }

    [TestMethod]
    public async Task Failures_that_are_lived_with_keep_the_last_ones_and_are_tried_again_ever_later_up_to_the_interval()
    {
        _ = Run(keepsOnFailure: true);
        _source.Next = () => throw new ReplicationException("no vault");
        await FailAsync(600, 5, 10, 20, 40, 80, 160, 320, 600, 600);
        Assert.AreEqual(new CredentialStatus("the source", _begin, null, "no vault", Failed: 10) { FailingSince = _begin + Interval }, _refresher.Status);
        Assert.HasCount(1, _failures);
        Assert.IsEmpty(_givenUp);
        _source.Next = () => new(Second);
        await RefreshAsync();
        CollectionAssert.AreEqual(new[] { Second }, _changes);
        Assert.AreEqual(new CredentialStatus("the source", _clock.Now, _clock.Now, null, Changed: 1, Failed: 10), _refresher.Status);
    }

    [TestMethod]
    public async Task A_failure_that_nobody_foresaw_is_a_failure_too()
    {
        _ = Run();
        _source.Next = () => throw new InvalidOperationException("out of luck");
        await FailAsync(600);
        CollectionAssert.AreEqual(new[] { "The credentials of the source cannot be refreshed: out of luck" }, _failures);
    }

    [TestMethod]
    public async Task A_failure_as_it_is_stopped_is_none()
    {
        var running = Run();
        _source.Next = () =>
        {
            _refresher.Dispose();
            throw new ReplicationException("no vault");
        };
        await _clock.PassAsync(Interval);
        await running.InTimeAsync();
        Assert.IsEmpty(_failures);
        Assert.IsEmpty(_givenUp);
    }

    [TestMethod]
    [DataRow(60.0, 10.0, DisplayName = "an expiry that is far away does not matter")]
    [DataRow(14.0, 9.0, DisplayName = "five minutes before")]
    [DataRow(8.0, 4.0, DisplayName = "if that is soon, at half of the time")]
    [DataRow(1.5 / 60, 1.0 / 60, DisplayName = "but not all the time")]
    public async Task They_are_refreshed_before_they_expire(double minutes, double delay)
    {
        _refresher = new CredentialRefresher(_source, new IssuedCredentials(First, _begin.AddMinutes(minutes)), _clock, text => text);
        Assert.AreEqual(_begin.AddMinutes(minutes), _refresher.Status.ExpiresAt);
        _ = Run();
        await _clock.IsAwaitedAsync(TimeSpan.FromMinutes(delay));
    }

    [TestMethod]
    public async Task Ones_that_are_about_to_expire_are_refreshed_until_there_are_others()
    {
        var expiresAt = _begin.AddMinutes(8);
        _refresher = new CredentialRefresher(_source, new IssuedCredentials(First, expiresAt), _clock, text => text);
        _source.Next = () => new(First, expiresAt);
        _ = Run();
        foreach (var seconds in (int[])[240, 120, 60])
        {
            await _clock.PassAsync(seconds);
            await _clock.IsAwaitedAsync(TimeSpan.FromSeconds(seconds / 2));
        }

        Assert.AreEqual(3, _refresher.Status.Unchanged);
        _source.Next = () => new(Second, _begin.AddHours(6));
        await _clock.PassAsync(seconds: 30);
        await _clock.IsAwaitedAsync(Interval);
        Assert.AreEqual((_begin.AddHours(6), 1), (_refresher.Status.ExpiresAt, _refresher.Status.Changed));
    }

    /// <summary>Some sources only tell that the same credentials are valid for longer.</summary>
    [TestMethod]
    public async Task A_new_expiry_alone_is_no_change()
    {
        _refresher = new CredentialRefresher(_source, new IssuedCredentials(First, _begin.AddMinutes(8)), _clock, text => text);
        _source.Next = () => new(First, _begin.AddHours(6));
        _ = Run();
        await _clock.PassAsync(seconds: 240);
        await _clock.IsAwaitedAsync(Interval);
        Assert.IsEmpty(_changes);
        Assert.AreEqual(_begin.AddHours(6), _refresher.Status.ExpiresAt);
    }

    [TestMethod]
    public async Task A_refusal_refreshes_at_once_but_every_ten_seconds_at_most()
    {
        _ = Run();
        for (var reads = 1; reads <= 3; reads++)
        {
            _clock.Advance(TimeSpan.FromSeconds(9.9));
            _refresher.Look(_clock.Now);
            Assert.AreEqual(reads - 1, _source.Reads);
            _clock.Advance(TimeSpan.FromSeconds(0.1));
            await RefuseAsync(reads);
        }

        Assert.AreEqual(3, _refresher.Status.Unchanged);
        _refresher.Look(null);
        await RefreshAsync();
        Assert.AreEqual(4, _source.Reads);
    }

    [TestMethod]
    public async Task A_refusal_of_earlier_credentials_does_not_matter()
    {
        _ = Run();
        _source.Next = () => new(Second);
        _clock.Advance(TimeSpan.FromSeconds(30));
        var before = _clock.Now;
        await RefuseAsync(reads: 1);
        _source.Next = () => throw new ReplicationException("no vault");
        _clock.Advance(TimeSpan.FromMinutes(1));
        _refresher.Look(before);
        Assert.AreEqual(1, _source.Reads);
        _clock.Advance(Interval - TimeSpan.FromMinutes(1));
        await Eventually.HoldsAsync(() => _refresher.Status.Failed == 1);
        Assert.AreEqual(2, _source.Reads);
        Assert.IsEmpty(_givenUp);
    }

    /// <summary>As with a role that lacks a right, and a command that assumes it anew each time.</summary>
    [TestMethod]
    public async Task Where_new_ones_are_refused_too_Litestream_is_restarted_ever_more_rarely()
    {
        _ = Run();
        _source.Next = () => new(new S3Credentials("ASIA", $"{_source.Reads}", "t0ken"));
        var reads = 0;
        foreach (var pause in (int[])[10, 20, 40, 80])
        {
            _clock.Advance(TimeSpan.FromSeconds(pause - 1));
            _refresher.Look(_clock.Now);
            Assert.AreEqual(reads, _source.Reads);
            _clock.Advance(TimeSpan.FromSeconds(1));
            await RefuseAsync(++reads);
        }

        Assert.HasCount(4, _changes);
        await RefreshAsync();
        _clock.Advance(TimeSpan.FromSeconds(10));
        await RefuseAsync(6);
    }

    [TestMethod]
    public async Task A_failure_while_S3_refuses_ends_it_at_once()
    {
        var running = Run();
        _source.Next = () => throw new ReplicationException("no vault");
        _clock.Advance(TimeSpan.FromSeconds(10));
        _refresher.Look(_clock.Now);
        await running.InTimeAsync();
        CollectionAssert.AreEqual(new[] { "no vault. S3 refuses the previous credentials too." }, _givenUp);
        Assert.IsEmpty(_failures);
    }

    [TestMethod]
    public async Task A_failure_while_S3_refuses_can_be_lived_with_and_is_tried_again_every_ten_seconds_at_least()
    {
        _ = Run(keepsOnFailure: true);
        _source.Next = () => throw new ReplicationException("no vault");
        await FailAsync(600, 5, 10, 20);
        for (var reads = 5; reads <= 7; reads++)
        {
            _clock.Advance(TimeSpan.FromSeconds(10));
            _refresher.Look(_clock.Now);
            await Eventually.HoldsAsync(() => _refresher.Status.Failed == reads);
            await _clock.IsAwaitedAsync(TimeSpan.FromSeconds(5 << (reads - 1)));
        }

        Assert.IsEmpty(_givenUp);
    }

    private Task Run(bool keepsOnFailure = false, Func<S3Credentials, Task>? onChanged = null) => _refresher.RunAsync(
        Interval,
        keepsOnFailure,
        onChanged ?? (changed =>
        {
            _changes.Add(changed);
            return Task.CompletedTask;
        }),
        _failures.Add,
        _givenUp.Add);

    private async Task RefreshAsync(int times = 1)
    {
        for (; times > 0; times--)
        {
            await _clock.PassAsync(Interval);

            // It waits again, so that refresh has ended.
            await _clock.IsAwaitedAsync(Interval);
        }
    }

    /// <summary>Lets refreshes fail, each after a time.</summary>
    private async Task FailAsync(params double[] seconds)
    {
        foreach (var wait in seconds)
        {
            var failed = _refresher.Status.Failed;
            await _clock.PassAsync(wait);
            await Eventually.HoldsAsync(() => _refresher.Status.Failed == failed + 1);
        }
    }

    /// <summary>Has S3 refuse now, and waits until a refresh has ended.</summary>
    private async Task RefuseAsync(int reads)
    {
        _refresher.Look(_clock.Now);
        await Eventually.HoldsAsync(() => _source.Reads == reads);
        await _clock.IsAwaitedAsync(Interval);
    }

    private sealed class Source : ICredentialSource
    {
        private int _reads;

        public Func<IssuedCredentials> Next { get; set; } = () => new(First);

        public int Reads => _reads;

        public string Description => "the source";

        public async Task<IssuedCredentials> ReadAsync(CancellationToken cancellationToken)
        {
            await Task.Yield();
            Interlocked.Increment(ref _reads);
            return Next();
        }
    }
}
