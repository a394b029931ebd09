using System.Diagnostics.CodeAnalysis;
using Datasette.Litestream.Errors;

namespace Datasette.Litestream.Notification;

/// <summary>
/// Fetches <c>heartbeat-url</c> at every interval in which a look found everything safe. It has no timer of its own: no look, no
/// request. Whoever looks owns its state.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "A CancellationTokenSource without a timer or a link holds nothing.")]
internal sealed class DeadMansSwitch
{
    private static readonly TimeSpan MinDelay = TimeSpan.FromSeconds(2);

    /// <summary>A look is due a moment before or after the interval has passed.</summary>
    private static readonly TimeSpan Tolerance = TimeSpan.FromSeconds(0.5);

    private readonly Uri _url;
    private readonly TimeSpan _interval;
    private readonly HttpSender _sender;
    private readonly TimeProvider _time;
    private readonly DeliveryFailures _failures;
    private readonly Backoff _delay;
    private readonly CancellationTokenSource _ended = new();
    private Task<SendFailure?>? _sending;
    private long _sentAt;
    private TimeSpan _wait;

    /// <param name="url">What to fetch.</param>
    /// <param name="interval">How often; 2 s at least.</param>
    /// <param name="sender">Sends the requests.</param>
    /// <param name="time">The clock.</param>
    /// <param name="tell">Called with a sentence when it cannot be fetched, once until it can.</param>
    public DeadMansSwitch(Uri url, TimeSpan interval, HttpSender sender, TimeProvider time, Action<string> tell)
    {
        _url = url;
        _interval = interval;
        _sender = sender;
        _time = time;
        _failures = new DeliveryFailures("heartbeat-url cannot be fetched", tell);
        _delay = new Backoff(MinDelay, interval);
        _sentAt = time.GetTimestamp();
    }

    /// <summary>What is wrong with the requests, in a sentence; null if nothing is.</summary>
    public string? Warning => _failures.Warning;

    /// <summary>The request that is under way; completed if there is none.</summary>
    public Task Sending => _sending ?? Task.CompletedTask;

    /// <summary>Takes the result of a look, and sends a request if one is due; does not wait for it.</summary>
    /// <param name="isSafe">Whether everything is safe.</param>
    public void Look(bool isSafe)
    {
        if (_sending is { IsCompleted: true } sent)
        {
            _sending = null;
            TakeResult(sent);
        }

        if (isSafe && _sending is null && _time.GetElapsedTime(_sentAt) >= _wait - Tolerance)
        {
            _sentAt = _time.GetTimestamp();
            _sending = _sender.SendAsync(HttpMethod.Get, _url, json: null, _ended.Token);
        }
    }

    /// <summary>Gives up a request that is under way.</summary>
    public void End() => _ended.Cancel();

    private void TakeResult(Task<SendFailure?> sent)
    {
        if (sent is { IsCompletedSuccessfully: true, Result: { } failure })
        {
            _failures.Add(failure, failure.IsFinal);
            _wait = _delay.Next();
        }
        else
        {
            _failures.Reset();
            _delay.Reset();
            _wait = _interval;
        }
    }
}
