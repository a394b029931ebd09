using Datasette.Litestream.Errors;

namespace Datasette.Litestream.Processes;

/// <summary>A Litestream whose Datasette was killed outright, and which goes on replicating for nobody.</summary>
internal static class OrphanedProcess
{
    /// <summary>Nothing tells of the end of a process that is not a child, so this is how often it is looked at.</summary>
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(10);

    /// <summary>A process that hangs in the kernel, or is another user's, outlives being killed.</summary>
    private static readonly TimeSpan KillTimeout = TimeSpan.FromSeconds(10);

    /// <summary>Ends it gracefully, and by force after a time.</summary>
    /// <param name="litestream">A process that runs.</param>
    /// <param name="timeout">How long it may take before it is killed.</param>
    /// <param name="time">The clock.</param>
    /// <exception cref="ReplicationException">It cannot be ended.</exception>
    public static async Task EndAsync(ProcessIdentity litestream, TimeSpan timeout, TimeProvider time)
    {
        var started = time.GetTimestamp();
        _ = LibC.kill(litestream.ProcessId, LibC.SIGTERM);
        while (litestream.IsRunning)
        {
            if (time.GetElapsedTime(started) > timeout + KillTimeout)
            {
                throw new ReplicationException(
                    $"A Litestream (process {litestream.ProcessId}) was left over from a Datasette that was killed, and cannot be ended; "
                    + "two would destroy the backup. End that process first.");
            }

            if (time.GetElapsedTime(started) > timeout)
            {
                _ = LibC.kill(litestream.ProcessId, LibC.SIGKILL);
            }

            await Task.Delay(PollInterval, time).ConfigureAwait(false);
        }
    }
}
