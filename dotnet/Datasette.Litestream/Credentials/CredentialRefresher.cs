using System.Threading.Channels;
using Datasette.Litestream.Errors;

namespace Datasette.Litestream.Credentials;

/// <summary>
/// Reads the credentials again at an interval, before they expire, and when S3 refuses them. One task owns them and reports every
/// change; <see cref="Status"/> is immutable, and any thread may read it. The sampling task calls <see cref="Look"/>.
/// </summary>
internal sealed class CredentialRefresher : IDisposable
{
    /// <summary>How many failures in a row end the refreshes, where they are not lived with.</summary>
    private const int MaxFailures = 3;

    /// <summary>The delay after a first failure; each further one doubles it.</summary>
    private static readonly TimeSpan MinRetryDelay = TimeSpan.FromSeconds(5);

    /// <summary>
    /// How long before they expire credentials are read again. AWS has new ones for an instance by then:
    /// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html.
    /// </summary>
    private static readonly TimeSpan ExpiryMargin = TimeSpan.FromMinutes(5);

    /// <summary>The shortest time between two refreshes because credentials expire.</summary>
    private static readonly TimeSpan MinExpiryDelay = TimeSpan.FromSeconds(1);

    /// <summary>The shortest time between the end of a refresh and one because S3 refuses.</summary>
    private static readonly TimeSpan MinRefusalPause = TimeSpan.FromSeconds(10);

    private readonly ICredentialSource _source;
    private readonly TimeProvider _time;
    private readonly Func<string, string> _redact;
    private readonly CancellationTokenSource _stopping = new();

    /// <summary>Has an item when S3 has been seen to refuse since the last wait.</summary>
    private readonly Channel<bool> _refusals = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    private volatile CredentialStatus _status;
    private volatile Refusal? _refusal;

    // Only the refreshing task uses the following.
    private IssuedCredentials _current;
    private DateTimeOffset _inUseSince;
    private long _lastRefresh;
    private TimeSpan _refusalPause;
    private int _failures;

    /// <param name="source">Where they come from.</param>
    /// <param name="first">The credentials in use.</param>
    /// <param name="time">The clock.</param>
    /// <param name="redact">Takes secrets out of what others say.</param>
    public CredentialRefresher(ICredentialSource source, IssuedCredentials first, TimeProvider time, Func<string, string> redact)
    {
        _redact = redact;
        _source = source;
        _time = time;
        _current = first;
        _inUseSince = time.GetUtcNow();
        _lastRefresh = time.GetTimestamp();
        _status = new CredentialStatus(source.Description, _inUseSince, null, null) { ExpiresAt = first.ExpiresAt };
    }

    public CredentialStatus Status => _status;

    /// <summary>Whether S3 refuses the credentials in use; those before them do not matter.</summary>
    private bool IsRefused => _refusal?.At > _inUseSince;

    /// <summary>Tells whether S3 refuses credentials.</summary>
    /// <param name="refusedAt">When it last did; null if it does not.</param>
    public void Look(DateTimeOffset? refusedAt)
    {
        _refusal = refusedAt is { } at ? new Refusal(at) : null;
        if (refusedAt is not null)
        {
            _refusals.Writer.TryWrite(true);
        }
    }

    /// <summary>
    /// Refreshes until disposed of, or until failures are not tolerated any more: after the third in a row, or at once if S3
    /// refuses the credentials in use.
    /// </summary>
    /// <param name="interval">The longest time between the end of one refresh and the next.</param>
    /// <param name="keepsOnFailure">Whether the last good credentials stay in use however often a refresh fails.</param>
    /// <param name="onChanged">Called with new credentials; the next refresh waits for it.</param>
    /// <param name="onFailed">Called with the message of each failure that differs from the previous one, and is lived with.</param>
    /// <param name="onGivenUp">Called with the message of the failure that ended the refreshes.</param>
    public async Task RunAsync(
        TimeSpan interval, bool keepsOnFailure, Func<S3Credentials, Task> onChanged, Action<string> onFailed, Action<string> onGivenUp)
    {
        try
        {
            var retryDelay = new Backoff(MinRetryDelay, interval);
            var refusalPause = new Backoff(MinRefusalPause, Longer(MinRefusalPause, interval));
            _refusalPause = refusalPause.Next();
            while (true)
            {
                var isAfterRefusal = await WaitAsync(_failures > 0 ? retryDelay.Next() : Delay(interval)).ConfigureAwait(false);
                try
                {
                    var isChanged = await RefreshAsync(onChanged).ConfigureAwait(false);

                    retryDelay.Reset();
                    if (!isAfterRefusal)
                    {
                        refusalPause.Reset();
                    }

                    // A source that issues others each time would have Litestream restarted every 10 s, in vain.
                    _refusalPause = isAfterRefusal && !isChanged ? _refusalPause : refusalPause.Next();
                }
                catch (Exception ex) when (!_stopping.IsCancellationRequested)
                {
                    var message = ex is ReplicationException ? ex.Message : $"The credentials of {_source.Description} cannot be refreshed: {_redact(ex.Message)}";
                    var isNew = RecordFailure(message);
                    if (!keepsOnFailure && (IsRefused || _failures == MaxFailures))
                    {
                        onGivenUp($"{message.TrimEnd('.')}. {(IsRefused ? "S3 refuses the previous credentials too." : $"That was failure {MaxFailures} in a row.")}");
                        return;
                    }

                    if (isNew)
                    {
                        onFailed(message);
                    }
                }

                _lastRefresh = _time.GetTimestamp();
            }
        }
        catch (Exception) when (_stopping.IsCancellationRequested)
        {
            // Disposed of; the result of a refresh under way no longer matters.
        }
    }

    public void Dispose() => _stopping.Cancel();

    private static TimeSpan Shorter(TimeSpan a, TimeSpan b) => a < b ? a : b;

    private static TimeSpan Longer(TimeSpan a, TimeSpan b) => a > b ? a : b;

    /// <summary>How long to wait for the next refresh after one that succeeded.</summary>
    private TimeSpan Delay(TimeSpan interval) =>
        _current.ExpiresAt - _time.GetUtcNow() is { } left ? Shorter(interval, Longer(MinExpiryDelay, Longer(left - ExpiryMargin, left / 2)))
        : interval;

    /// <summary>Waits until the next refresh is due.</summary>
    /// <returns>Whether it is due because S3 refuses the credentials.</returns>
    private async Task<bool> WaitAsync(TimeSpan delay)
    {
        using var waiting = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token);
        var refused = WaitForRefusalAsync(waiting.Token);
        var first = await Task.WhenAny(Task.Delay(delay, _time, waiting.Token), refused).ConfigureAwait(false);
        await waiting.CancelAsync().ConfigureAwait(false);
        await first.ConfigureAwait(false);
        return first == refused;
    }

    private async Task WaitForRefusalAsync(CancellationToken cancellationToken)
    {
        // As long as S3 refuses, that is told every few seconds.
        do
        {
            await _refusals.Reader.ReadAsync(cancellationToken).ConfigureAwait(false);
        }
        while (!IsRefused || _time.GetElapsedTime(_lastRefresh) < _refusalPause);
    }

    /// <summary>Reads the credentials, and takes them up if they are new.</summary>
    /// <returns>Whether they are.</returns>
    private async Task<bool> RefreshAsync(Func<S3Credentials, Task> onChanged)
    {
        var read = await _source.ReadAsync(_stopping.Token).ConfigureAwait(false);
        var now = _time.GetUtcNow();
        var isChanged = read.Keys != _current.Keys;
        (_current, _failures) = (read, 0);
        _status = _status with { ReadAt = now, Failure = null, FailingSince = null, ExpiresAt = read.ExpiresAt };
        if (!isChanged)
        {
            _status = _status with { Unchanged = _status.Unchanged + 1 };
            return false;
        }

        await onChanged(read.Keys).ConfigureAwait(false);
        _inUseSince = _time.GetUtcNow();
        _status = _status with { ChangedAt = now, Changed = _status.Changed + 1 };
        return true;
    }

    /// <summary>Records a failure.</summary>
    /// <returns>Whether it differs from the previous one.</returns>
    private bool RecordFailure(string message)
    {
        var isNew = _status.Failure != message;
        _failures++;
        _status = _status with { Failure = message, FailingSince = _status.FailingSince ?? _time.GetUtcNow(), Failed = _status.Failed + 1 };
        return isNew;
    }

    /// <param name="At">When S3 last refused.</param>
    private sealed record Refusal(DateTimeOffset At);
}
