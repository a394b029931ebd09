using System.Text;
using Datasette.Litestream.Errors;

namespace Datasette.Litestream.Daemon;

/// <summary>A folder that nobody else can enter, for the control socket; gone when disposed of.</summary>
internal sealed class SocketFolder : IDisposable
{
    // sockaddr_un holds 108 bytes on Linux and 104 on macOS, a NUL among them.
    private const int MaxSocketPathBytes = 103;

    private SocketFolder(string path) => Path = path;

    public string Path { get; }

    public string SocketPath => SocketIn(Path);

    /// <summary>Makes one under <c>$XDG_RUNTIME_DIR</c>, else under the temporary folder, else under <c>/tmp</c>.</summary>
    /// <exception cref="ReplicationException">None of them will do.</exception>
    public static SocketFolder Create(IReadOnlyDictionary<string, string> environment)
    {
        string[] candidates = [environment.GetValueOrDefault("XDG_RUNTIME_DIR", ""), environment.GetValueOrDefault("TMPDIR", ""), "/tmp"];
        var name = $"datasette-litestream-{Guid.NewGuid():N}"[..33];
        foreach (var parent in candidates.Where(System.IO.Path.IsPathRooted))
        {
            var folder = new SocketFolder(System.IO.Path.Combine(parent, name));
            if (Encoding.UTF8.GetByteCount(folder.SocketPath) <= MaxSocketPathBytes && folder.TryMake(parent))
            {
                return folder;
            }
        }

        throw new ReplicationException(
            "There is no folder for Litestream's control socket: neither XDG_RUNTIME_DIR nor TMPDIR nor /tmp can be written to "
            + $"with a path of at most {MaxSocketPathBytes} bytes; set XDG_RUNTIME_DIR to a folder of your own.");
    }

    public void Dispose() => Remove(Path);

    /// <summary>
    /// Removes such a folder, also one that a process before this one left behind; nothing where it is gone. Nothing but
    /// the socket is deleted: the path may come from a record that anybody who can write beside the database can write.
    /// </summary>
    public static void Remove(string path)
    {
        try
        {
            File.Delete(SocketIn(path));
            Directory.Delete(path);
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            // Gone already, or not ours.
        }
    }

    private static string SocketIn(string folder) => System.IO.Path.Combine(folder, "control");

    private bool TryMake(string parent)
    {
        try
        {
            if (Directory.Exists(parent))
            {
                Directory.CreateDirectory(Path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
                return true;
            }
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            // The next candidate may do.
        }

        return false;
    }
}
