using System.Runtime.InteropServices;

namespace Datasette.Litestream.EndToEnd;

/// <summary>Signals by their numbers on Linux.</summary>
internal static partial class Signals
{
    public const int SIGHUP = 1, SIGINT = 2, SIGKILL = 9, SIGTERM = 15, SIGCONT = 18, SIGSTOP = 19;

    /// <returns>0, or -1 if there is no such process.</returns>
    [LibraryImport("libc", EntryPoint = "kill")]
    public static partial int Send(int processId, int signal);
}
