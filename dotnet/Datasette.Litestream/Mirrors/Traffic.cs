using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using Datasette.Litestream.Configuration;

namespace Datasette.Litestream.Mirrors;

/// <summary>
/// Lets at most <see cref="MaxCopies"/> copies run at once in one Datasette, in the order in which they asked. One that gets nowhere,
/// since its server does not answer, does not count any more: others must not wait for it. Each server has at most as many requests
/// as that at once, so that those that wait for it are not in the way of others either. For any thread.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "A SemaphoreSlim without a wait handle holds nothing.")]
internal sealed class Traffic(TimeProvider time)
{
    /// <summary>How many copies run at once.</summary>
    public const int MaxCopies = 4;

    /// <summary>A copy that got no further for this long does not count.</summary>
    private static readonly TimeSpan StallTime = TimeSpan.FromSeconds(2);

    private readonly SemaphoreSlim _slots = new(MaxCopies, MaxCopies);
    private readonly ConcurrentDictionary<string, SemaphoreSlim> _servers = new(StringComparer.Ordinal);

    /// <summary>Waits for a turn at the server of a destination; it ends with the disposal.</summary>
    public async Task<IDisposable> EnterAsync(ReplicaPlan replica, CancellationToken cancellationToken)
    {
        var server = _servers.GetOrAdd(ServerOf(replica), _ => new SemaphoreSlim(MaxCopies, MaxCopies));
        await server.WaitAsync(cancellationToken).ConfigureAwait(false);
        return new Turn(server);
    }

    /// <summary>Waits for a turn to copy; it ends with the disposal.</summary>
    /// <param name="readBytes">How far the copy is.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<IDisposable> CopyAsync(Func<long> readBytes, CancellationToken cancellationToken)
    {
        await _slots.WaitAsync(cancellationToken).ConfigureAwait(false);
        return new Turn(_slots, readBytes, time);
    }

    private static string ServerOf(ReplicaPlan replica) =>
        replica.Server?.ToString() ?? (replica.Type == "file" ? Path.GetDirectoryName(replica.Place) ?? "/" : $"{replica.Type}:{replica.Place.Split('/')[0]}");

    private sealed class Turn : IDisposable
    {
        private readonly SemaphoreSlim _from;
        private readonly ITimer? _watch;
        private long _last = -1;
        private int _isOver;

        public Turn(SemaphoreSlim from) => _from = from;

        public Turn(SemaphoreSlim from, Func<long> readBytes, TimeProvider time)
        {
            _from = from;
            _watch = time.CreateTimer(_ => EndIfStalled(readBytes()), null, StallTime, StallTime);
        }

        public void Dispose()
        {
            _watch?.Dispose();
            End();
        }

        private void EndIfStalled(long count)
        {
            if (Interlocked.Exchange(ref _last, count) == count)
            {
                End();
            }
        }

        private void End()
        {
            if (Interlocked.Exchange(ref _isOver, 1) == 0)
            {
                _from.Release();
            }
        }
    }
}
