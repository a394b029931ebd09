using System.Diagnostics.CodeAnalysis;
using System.Threading.Channels;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Logging;

namespace Datasette.Litestream.Notification;

/// <summary>
/// Delivers lines to <c>notify-url</c>, in order, and each until it succeeds, is refused, or is an hour old. One task owns the
/// queue and all state; any thread can post, and never waits.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "A CancellationTokenSource without a timer or a link holds nothing.")]
internal sealed class Webhook
{
    /// <summary>How many lines can wait; the oldest ones are dropped for later ones.</summary>
    public const int Capacity = 100;

    private static readonly TimeSpan MinDelay = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan MaxDelay = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan MaxAge = TimeSpan.FromHours(1);
    private static readonly TimeSpan EndTimeout = TimeSpan.FromSeconds(1.5);

    private readonly Uri _url;
    private readonly HttpSender _sender;
    private readonly TimeProvider _time;
    private readonly DeliveryFailures _failures;
    private readonly Channel<Notice> _waiting;
    private readonly CancellationTokenSource _ending = new();
    private readonly CancellationTokenSource _ended = new();
    private readonly Task _delivering;
    private int _lost;

    /// <param name="url">Where to.</param>
    /// <param name="sender">Sends the requests.</param>
    /// <param name="time">The clock.</param>
    /// <param name="tell">Called with a sentence when lines cannot be delivered, once until one is.</param>
    public Webhook(Uri url, HttpSender sender, TimeProvider time, Action<string> tell)
    {
        _url = url;
        _sender = sender;
        _time = time;
        _failures = new DeliveryFailures("A message cannot be delivered to notify-url", tell);
        _waiting = Channel.CreateBounded<Notice>(
            new BoundedChannelOptions(Capacity) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true }, _ => Interlocked.Increment(ref _lost));
        _delivering = Task.Run(DeliverAllAsync);
    }

    /// <summary>What is wrong with the delivery, in a sentence; null if nothing is.</summary>
    public string? Warning => _failures.Warning;

    /// <summary>Queues a line. Does nothing after <see cref="FinishAsync"/>.</summary>
    /// <param name="level">Its level.</param>
    /// <param name="text">The sentence, without secrets.</param>
    public void Post(LogLevel level, string text) => _waiting.Writer.TryWrite(new Notice(_time.GetUtcNow(), level, text));

    /// <summary>Tries once to deliver each line that waits; returns within 1.5 s.</summary>
    public async Task FinishAsync()
    {
        _waiting.Writer.TryComplete();
        await _ending.CancelAsync().ConfigureAwait(false);
        await using var timer = _time.CreateTimer(_ => _ended.Cancel(), null, EndTimeout, Timeout.InfiniteTimeSpan);
        await _delivering.ConfigureAwait(false);
    }

    private async Task DeliverAllAsync()
    {
        try
        {
            await foreach (var notice in _waiting.Reader.ReadAllAsync().ConfigureAwait(false))
            {
                await DeliverAsync(notice).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            _failures.Add(new SendFailure("there was no time left at the end", IsFinal: false), isLast: true);
        }
    }

    private async Task DeliverAsync(Notice notice)
    {
        var delay = new Backoff(MinDelay, MaxDelay);
        while (true)
        {
            // At the end, a line that waits for its next try gets that try at once, and no other.
            var isLast = _ending.IsCancellationRequested || _time.GetUtcNow() - notice.Time > MaxAge;
            var lost = Volatile.Read(ref _lost);
            var failure = await _sender.SendAsync(HttpMethod.Post, _url, notice.ToJson(lost), _ended.Token).ConfigureAwait(false);
            if (failure is null)
            {
                Interlocked.Add(ref _lost, -lost);
                _failures.Reset();
                return;
            }

            _failures.Add(failure, isLast || failure.IsFinal);
            if (isLast || failure.IsFinal)
            {
                Interlocked.Increment(ref _lost);
                return;
            }

            await Task.Delay(delay.Next(), _time, _ending.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
