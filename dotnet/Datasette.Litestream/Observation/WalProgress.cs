using Datasette.Litestream.Litestream;

namespace Datasette.Litestream.Observation;

/// <summary>
/// Concludes from the metrics of Litestream 0.3 up to when a database is replicated. A sync that is counted as the second after
/// a look began after that look, so it has read everything that was written before; when every replica has come as far as that
/// sync had read, all of it is there. The sampling task owns it.
/// </summary>
internal sealed class WalProgress
{
    private const int SyncsAfterLook = 2;

    private (DateTimeOffset At, DatabaseFiles Files, WalPosition Position)? _look;
    private (double Index, double Offset)? _target;

    /// <summary>What is known to be replicated, as the answer to a request of that time; null if nothing new is.</summary>
    public SyncAnswer? Advance(DateTimeOffset now, DatabaseFiles files, WalPosition position)
    {
        if (_look is not { } look || position.SyncCount < look.Position.SyncCount || position.SyncErrorCount != look.Position.SyncErrorCount)
        {
            // Litestream was started anew, or a sync failed, which may have been the one that counts.
            (_look, _target) = ((now, files, position), null);
            return null;
        }

        if (position.SyncCount >= look.Position.SyncCount + SyncsAfterLook)
        {
            _target ??= position.Synced;
        }

        if (_target is not { } target || position.Replicated is not { } replicated || replicated.CompareTo(target) < 0)
        {
            return null;
        }

        (_look, _target) = ((now, files, position), null);
        return new SyncAnswer(look.At, look.Files, 0, 0, 0, 0);
    }
}
