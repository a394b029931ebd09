using Datasette.Litestream.Errors;

namespace Datasette.Litestream.Credentials;

/// <summary>
/// Reads the credentials again at an interval. One task owns them and reports every change; <see cref="Status"/> is immutable,
/// and any thread may read it.
/// </summary>
internal sealed class CredentialRefresher : IDisposable
{
    private readonly ICredentialSource _source;
    private readonly TimeProvider _time;
    private readonly Func<string, string> _redact;
    private readonly CancellationTokenSource _stopping = new();
    private volatile CredentialStatus _status;

    /// <param name="source">Where they come from.</param>
    /// <param name="first">The credentials in use.</param>
    /// <param name="time">The clock.</param>
    /// <param name="redact">Takes secrets out of what others say.</param>
    public CredentialRefresher(ICredentialSource source, S3Credentials first, TimeProvider time, Func<string, string> redact)
    {
        _redact = redact;
        _source = source;
        _time = time;
        Current = first;
        _status = new CredentialStatus(source.Description, time.GetUtcNow(), null, null);
    }

    public CredentialStatus Status => _status;

    private S3Credentials Current { get; set; }

    /// <summary>Refreshes until disposed of, or until a refresh fails and failures are not tolerated.</summary>
    /// <param name="interval">The time between the end of one refresh and the next.</param>
    /// <param name="keepsOnFailure">Whether the last good credentials stay in use if a refresh fails.</param>
    /// <param name="onChanged">Called with new credentials; the next refresh waits for it.</param>
    /// <param name="onFailed">Called for each failure that differs from the previous one, and for the failure that ended the
    /// refreshes.</param>
    public async Task RunAsync(
        TimeSpan interval, bool keepsOnFailure, Func<S3Credentials, Task> onChanged, Action<ReplicationException> onFailed)
    {
        try
        {
            while (true)
            {
                await Task.Delay(interval, _time, _stopping.Token).ConfigureAwait(false);
                try
                {
                    await RefreshAsync(onChanged).ConfigureAwait(false);
                }
                catch (Exception ex) when (!_stopping.IsCancellationRequested)
                {
                    var error = ex as ReplicationException
                        ?? new ReplicationException($"The credentials of {_source.Description} cannot be refreshed: {_redact(ex.Message)}", ex);
                    var isNew = _status.Failure != error.Message;
                    _status = _status with { Failure = error.Message, Failed = _status.Failed + 1 };
                    if (isNew || !keepsOnFailure)
                    {
                        onFailed(error);
                    }

                    if (!keepsOnFailure)
                    {
                        return;
                    }
                }
            }
        }
        catch (Exception) when (_stopping.IsCancellationRequested)
        {
            // Disposed of; the result of a refresh under way no longer matters.
        }
    }

    public void Dispose() => _stopping.Cancel();

    private async Task RefreshAsync(Func<S3Credentials, Task> onChanged)
    {
        var read = await _source.ReadAsync(_stopping.Token).ConfigureAwait(false);
        var now = _time.GetUtcNow();
        _status = _status with { ReadAt = now, Failure = null };
        if (read == Current)
        {
            _status = _status with { Unchanged = _status.Unchanged + 1 };
            return;
        }

        Current = read;
        await onChanged(read).ConfigureAwait(false);
        _status = _status with { ChangedAt = now, Changed = _status.Changed + 1 };
    }
}
