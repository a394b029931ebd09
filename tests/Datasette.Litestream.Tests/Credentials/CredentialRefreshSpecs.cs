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
    private readonly List<string> _failures = [];
    private readonly CredentialRefresher _refresher;
    private readonly DateTimeOffset _begin;

    public CredentialRefreshSpecs()
    {
        _begin = _clock.Now;
        _refresher = new CredentialRefresher(_source, First, _clock, text => text.Replace("hunter2", "***", StringComparison.Ordinal));
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
        _source.Next = () => Second;
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
        _source.Next = () => Second;
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
    public async Task A_failure_ends_it()
    {
        var running = Run();
        _source.Next = () => throw new ReplicationException("no vault");
        await _clock.PassAsync(Interval);
        await running.InTimeAsync();
        CollectionAssert.AreEqual(new[] { "no vault" }, _failures);
        Assert.AreEqual(new CredentialStatus("the source", _begin, null, "no vault", Failed: 1), _refresher.Status);
        _clock.Advance(TimeSpan.FromHours(5));
        Assert.AreEqual(1, _source.Reads);
    }

    [TestMethod]
    public async Task A_failure_that_is_lived_with_keeps_the_last_ones_until_it_passes()
    {
        _ = Run(keepsOnFailure: true);
        _source.Next = () => throw new ReplicationException("no vault");
        await RefreshAsync(times: 3);
        Assert.AreEqual(new CredentialStatus("the source", _begin, null, "no vault", Failed: 3), _refresher.Status);
        Assert.HasCount(1, _failures);
        _source.Next = () => Second;
        await RefreshAsync();
        CollectionAssert.AreEqual(new[] { Second }, _changes);
        Assert.AreEqual(new CredentialStatus("the source", _clock.Now, _clock.Now, null, Changed: 1, Failed: 3), _refresher.Status);
    }

    [TestMethod]
    public async Task A_failure_that_nobody_foresaw_is_a_failure_too()
    {
        var running = Run();
        _source.Next = () => throw new InvalidOperationException("out of luck");
        await _clock.PassAsync(Interval);
        await running.InTimeAsync();
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
    }

    private Task Run(bool keepsOnFailure = false, Func<S3Credentials, Task>? onChanged = null) => _refresher.RunAsync(
        Interval,
        keepsOnFailure,
        onChanged ?? (changed =>
        {
            _changes.Add(changed);
            return Task.CompletedTask;
        }),
        error => _failures.Add(error.Message));

    private async Task RefreshAsync(int times = 1)
    {
        for (; times > 0; times--)
        {
            await _clock.PassAsync(Interval);

            // It waits again, so that refresh has ended.
            await _clock.IsAwaitedAsync(Interval);
        }
    }

    private sealed class Source : ICredentialSource
    {
        private int _reads;

        public Func<S3Credentials> Next { get; set; } = () => First;

        public int Reads => _reads;

        public string Description => "the source";

        public async Task<S3Credentials> ReadAsync(CancellationToken cancellationToken)
        {
            await Task.Yield();
            Interlocked.Increment(ref _reads);
            return Next();
        }
    }
}
