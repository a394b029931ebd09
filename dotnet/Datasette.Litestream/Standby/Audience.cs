using System.ComponentModel;
using Datasette.Litestream.Locking;

namespace Datasette.Litestream.Standby;

/// <summary>
/// Whether anybody stands by, for which reports are worth their cost. Who does holds a shared lock on a file in the folder of the
/// reports, which ends with its process.
/// </summary>
internal static class Audience
{
    private const string Name = "datasette-litestream.standby";

    /// <summary>Joins; dispose of it to leave.</summary>
    /// <param name="folder">The folder of the reports.</param>
    /// <returns>Null if that is not possible now.</returns>
    public static IDisposable? Join(string folder) => TryTake(folder, isShared: true);

    /// <summary>Whether anybody stands by.</summary>
    /// <param name="folder">The folder of the reports.</param>
    public static bool IsThere(string folder)
    {
        // Most processes are alone, and leave no such file.
        if (!File.Exists(Path.Combine(folder, Name)))
        {
            return false;
        }

        using var free = TryTake(folder, isShared: false);
        return free is null;
    }

    private static FileLock? TryTake(string folder, bool isShared)
    {
        try
        {
            return FileLock.TryTake(Path.Combine(folder, Name), isShared);
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException or Win32Exception)
        {
            // Litestream's folder was removed.
            return null;
        }
    }
}
