using System.Text.Json;
using Datasette.Litestream.Litestream;

namespace Datasette.Litestream.Daemon;

/// <summary>Detects a Litestream process that exists but does not answer, because it was stopped or hangs.</summary>
internal static class Heartbeat
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(2.5);

    /// <summary>The maximum number of consecutive requests without an answer: at most 9 s after its last sign of life.</summary>
    private const int MaxUnanswered = 2;

    /// <summary>Returns when Litestream stops answering; never for a release line without a control socket.</summary>
    /// <param name="socket">The socket to query; null for such a release line.</param>
    /// <param name="countSigns">Counts its outputs and answers; while the count grows, no request is needed.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellationToken">Stops watching.</param>
    public static async Task WatchAsync(ControlSocket? socket, Func<long> countSigns, TimeProvider time, CancellationToken cancellationToken)
    {
        if (socket is null)
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, time, cancellationToken).ConfigureAwait(false);
            return;
        }

        var signs = countSigns();
        for (var unanswered = 0; unanswered < MaxUnanswered;)
        {
            if (unanswered == 0)
            {
                await Task.Delay(Interval, time, cancellationToken).ConfigureAwait(false);
            }

            var signsBefore = signs;
            signs = countSigns();
            unanswered = signs != signsBefore || await AnswersAsync(socket, time, cancellationToken).ConfigureAwait(false) ? 0 : unanswered + 1;
        }
    }

    private static async Task<bool> AnswersAsync(ControlSocket socket, TimeProvider time, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(AnswerTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            await socket.PingAsync(either.Token).ConfigureAwait(false);
            return true;
        }
        catch (Exception ex) when (ex is HttpRequestException or JsonException or OperationCanceledException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            return false;
        }
    }
}
