using System.ComponentModel;
using Datasette.Litestream.Litestream;

namespace Datasette.Litestream.Locking;

/// <summary>
/// The turn to take and to release the locks of databases, among the Datasettes that serve the same ones, such as the workers of one
/// server: so that one of them gets all, rather than each some. It is held for moments only, and nobody waits for a database's lock
/// meanwhile. It keeps no backup safe, which each database's own lock does; where it cannot be had, things go on without it.
/// </summary>
internal sealed class Turn : IDisposable
{
    private const string Name = "datasette-litestream.turn";

    /// <summary>How long it is waited for: whoever has it may have been stopped by a signal.</summary>
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(5);

    private readonly FileLock? _lock;

    private Turn(FileLock? taken) => _lock = taken;

    /// <summary>Waits for the turn, for a moment.</summary>
    /// <param name="paths">The files of all databases that Datasette is to replicate, absolute.</param>
    /// <param name="time">The clock.</param>
    public static async Task<Turn> TakeAsync(IEnumerable<string> paths, TimeProvider time)
    {
        var started = time.GetTimestamp();
        try
        {
            var file = PathOf(paths);
            while (file is not null)
            {
                if (FileLock.TryTake(file) is { } taken)
                {
                    return new Turn(taken);
                }

                if (time.GetElapsedTime(started) > Timeout)
                {
                    return new Turn(null);
                }

                await Task.Delay(PollInterval, time).ConfigureAwait(false);
            }
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException or Win32Exception)
        {
            // The folder is not there yet, or cannot be written: the database's own lock says so.
        }

        return new Turn(null);
    }

    /// <summary>Takes the turn if nobody has it.</summary>
    /// <param name="paths">See <see cref="TakeAsync"/>.</param>
    /// <returns>Null if somebody has it.</returns>
    public static Turn? TryTake(IEnumerable<string> paths)
    {
        try
        {
            return PathOf(paths) is not { } file ? new Turn(null) : FileLock.TryTake(file) is { } taken ? new Turn(taken) : null;
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException or Win32Exception)
        {
            return new Turn(null);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _lock?.Dispose();

    // The same for all that serve the same databases; null if there are none.
    private static string? PathOf(IEnumerable<string> paths)
    {
        if (paths.Min(StringComparer.Ordinal) is not { } first)
        {
            return null;
        }

        var folder = LitestreamFolder.Of(first);
        if (!Directory.Exists(folder))
        {
            Directory.CreateDirectory(folder, File.GetUnixFileMode(Path.GetDirectoryName(folder)!));
        }

        return Path.Combine(folder, Name);
    }
}
