using System.Runtime.InteropServices;
using Datasette.Litestream.Errors;

namespace Datasette.Litestream.Processes;

/// <summary>A Litestream that is still running although its Datasette was killed.</summary>
internal static class OrphanedProcess
{
    /// <summary>The polling interval, since there is no notification for the end of a process that is not a child.</summary>
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(10);

    /// <summary>How long to wait after SIGKILL, since a process that is blocked in the kernel does not end.</summary>
    private static readonly TimeSpan KillTimeout = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Kills it: what it had not sent is in the databases and their logs, and nobody replicates until it has ended. Anyone who can write to a database's folder can put any process into
    /// the record there. The program's name and file prove nothing, since the program may be a script, be renamed or have been
    /// replaced. So a Litestream is recognized by its arguments.
    /// </summary>
    /// <param name="litestream">A process that was running a moment ago.</param>
    /// <param name="arguments">The arguments that this plugin starts Litestream with.</param>
    /// <param name="time">The clock.</param>
    /// <returns>False if the process is not such a Litestream; it is left alone then.</returns>
    /// <exception cref="ReplicationException">It is such a Litestream, but cannot be ended.</exception>
    public static async Task<bool> KillAsync(ProcessIdentity litestream, IReadOnlyList<string> arguments, TimeProvider time)
    {
        // Open the descriptor before checking the process id, so that the checks hold for the process behind the descriptor.
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

        var error = descriptor?.Send(LibC.SIGKILL) ?? LibC.Kill(litestream.ProcessId, LibC.SIGKILL);
        if (error is not (0 or LibC.ESRCH))
        {
            throw CannotEnd(litestream, Marshal.GetPInvokeErrorMessage(error));
        }

        var started = time.GetTimestamp();
        while (litestream.IsRunning)
        {
            if (time.GetElapsedTime(started) > KillTimeout)
            {
                throw CannotEnd(litestream, "it was killed, and does not end");
            }

            await Task.Delay(PollInterval, time).ConfigureAwait(false);
        }

        return true;
    }

    private static ReplicationException CannotEnd(ProcessIdentity litestream, string reason) => new(
        $"A Litestream (process {litestream.ProcessId}) was left over from a Datasette that was killed, and cannot be ended: {reason}. "
        + "Two would destroy the backup. End that process first.");
}
