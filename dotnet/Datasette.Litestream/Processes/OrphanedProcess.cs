using System.Runtime.InteropServices;
using Datasette.Litestream.Errors;

namespace Datasette.Litestream.Processes;

/// <summary>A Litestream whose Datasette was killed outright, and which goes on replicating for nobody.</summary>
internal static class OrphanedProcess
{
    /// <summary>Nothing tells of the end of a process that is not a child, so this is how often it is looked at.</summary>
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(10);

    /// <summary>A process that hangs in the kernel outlives being killed.</summary>
    private static readonly TimeSpan KillTimeout = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Ends it gracefully, and by force after a time. Who can write beside a database can name any process in the record there,
    /// and a program can be a script, replaced since, or of any name; so a Litestream is told by what it was started with.
    /// </summary>
    /// <param name="litestream">A process that ran a moment ago.</param>
    /// <param name="arguments">Those that this plugin starts Litestream with.</param>
    /// <param name="timeout">How long it may take before it is killed.</param>
    /// <param name="time">The clock.</param>
    /// <returns>False where that process is no such Litestream, and was left alone.</returns>
    /// <exception cref="ReplicationException">It is one, and cannot be ended.</exception>
    public static async Task<bool> EndAsync(
        ProcessIdentity litestream, IReadOnlyList<string> arguments, TimeSpan timeout, TimeProvider time)
    {
        // Before anything is asked about the number: what is true of it afterwards is true of what the descriptor stands for.
        using var descriptor = PidFileDescriptor.Of(litestream.ProcessId);
        var program = await RunningProgram.OfAsync(litestream.ProcessId).ConfigureAwait(false);
        if (!litestream.IsRunning)
        {
            return true;
        }

        if (program is null || !program.CommandLine.EndsWith($" {string.Join(' ', arguments)}", StringComparison.Ordinal))
        {
            return false;
        }

        if (program.UserId != LibC.geteuid())
        {
            throw CannotEnd(litestream, $"it is another user's ({program.UserId})");
        }

        var started = time.GetTimestamp();
        Send(LibC.SIGTERM);
        while (litestream.IsRunning)
        {
            if (time.GetElapsedTime(started) > timeout + KillTimeout)
            {
                throw CannotEnd(litestream, "it was killed, and does not end");
            }

            if (time.GetElapsedTime(started) > timeout)
            {
                Send(LibC.SIGKILL);
            }

            await Task.Delay(PollInterval, time).ConfigureAwait(false);
        }

        return true;

        void Send(int signal)
        {
            var error = descriptor?.Send(signal) ?? LibC.Kill(litestream.ProcessId, signal);
            if (error is not (0 or LibC.ESRCH))
            {
                throw CannotEnd(litestream, Marshal.GetPInvokeErrorMessage(error));
            }
        }
    }

    private static ReplicationException CannotEnd(ProcessIdentity litestream, string reason) => new(
        $"A Litestream (process {litestream.ProcessId}) was left over from a Datasette that was killed, and cannot be ended: {reason}. "
        + "Two would destroy the backup. End that process first.");
}
