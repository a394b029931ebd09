using System.Text;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Processes;

namespace Datasette.Litestream.Daemon;

/// <summary>A folder for the control socket that no other user can enter. Dispose removes it.</summary>
internal sealed class SocketFolder : IDisposable
{
    // sockaddr_un holds 108 bytes on Linux and 104 on macOS, including a NUL (https://man7.org/linux/man-pages/man7/unix.7.html).
    private const int MaxSocketPathBytes = 103;

    private const string NamePrefix = "datasette-litestream-";
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private SocketFolder(string path) => Path = path;

    public string Path { get; }

    public string SocketPath => SocketIn(Path);

    /// <summary>Creates one under <c>$XDG_RUNTIME_DIR</c>, else under <c>$TMPDIR</c>, else under <c>/tmp</c>.</summary>
    /// <exception cref="ReplicationException">None of them is usable.</exception>
    public static SocketFolder Create(IReadOnlyDictionary<string, string> environment)
    {
        string[] candidates = [environment.GetValueOrDefault("XDG_RUNTIME_DIR", ""), environment.GetValueOrDefault("TMPDIR", ""), "/tmp"];
        var name = $"{NamePrefix}{Guid.NewGuid():N}"[..33];
        foreach (var parent in candidates.Where(System.IO.Path.IsPathRooted))
        {
            var folder = new SocketFolder(System.IO.Path.Combine(parent, name));
            if (IsShortEnough(folder.Path) && folder.TryCreate(parent))
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
    /// Removes the folder that an earlier process left behind; does nothing if it is gone. The path comes from a record that
    /// anyone who can write to the database's folder can change, so the folder must belong to this user and must not be in use.
    /// </summary>
    public static void RemoveLeftover(string path)
    {
        try
        {
            if (IsOurs(path) && !IsInUse(path))
            {
                Remove(path);
            }
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            // It was removed meanwhile.
        }
    }

    // Removes only what this class created.
    private static void Remove(string path)
    {
        try
        {
            File.Delete(SocketIn(path));
            Directory.Delete(path);
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            // It is gone already, or contains something else.
        }
    }

    private static bool IsOurs(string path) =>
        System.IO.Path.IsPathRooted(path)
        && System.IO.Path.GetFileName(path).StartsWith(NamePrefix, StringComparison.Ordinal)
        && IsShortEnough(path)
        && Directory.Exists(path)
        && File.GetUnixFileMode(path) == OwnerOnly
        && FileStatus.Look(path, followLinks: false).Status?.UserId == LibC.geteuid();

    private static bool IsInUse(string path)
    {
        using var socket = new ControlSocket(SocketIn(path));
        return socket.IsListening();
    }

    private static bool IsShortEnough(string folder) => Encoding.UTF8.GetByteCount(SocketIn(folder)) <= MaxSocketPathBytes;

    private static string SocketIn(string folder) => System.IO.Path.Combine(folder, ControlSocket.FileName);

    private bool TryCreate(string parent)
    {
        try
        {
            if (Directory.Exists(parent))
            {
                Directory.CreateDirectory(Path, OwnerOnly);
                return true;
            }
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            // The next candidate may work.
        }

        return false;
    }
}
