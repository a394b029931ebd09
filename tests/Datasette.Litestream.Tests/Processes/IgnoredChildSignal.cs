using System.Runtime.InteropServices;

namespace Datasette.Litestream.Tests.Processes;

/// <summary>
/// Makes this process ignore SIGCHLD until it is disposed of, like a process started by <c>trap '' CHLD; exec …</c>. A test that does so runs
/// alone: of no child that ends meanwhile is it known how.
/// </summary>
internal sealed unsafe partial class IgnoredChildSignal : IDisposable
{
    private const int SIGCHLD = 17;
    private const byte Ignore = 1;

    // A struct sigaction begins with the handler.
    private readonly byte[] _before = new byte[1024];

    public IgnoredChildSignal()
    {
        var action = new byte[_before.Length];
        action[0] = Ignore;
        Assert.AreEqual(0, sigaction(SIGCHLD, action, _before));
    }

    public void Dispose() => Assert.AreEqual(0, sigaction(SIGCHLD, _before, null));

    [LibraryImport("libc")]
    private static partial int sigaction(int signal, byte[]? action, byte[]? before);
}
