using System.Globalization;
using Datasette.Litestream.Configuration;

namespace Datasette.Litestream.Healing;

/// <summary>
/// Moves what lies in a destination folder to a folder beside it, so that Litestream can start over in an empty one: transaction
/// ids that begin again below those of a snapshot that was left would make every restore give that snapshot. What was moved can
/// still be restored, and is deleted after the time that Litestream keeps snapshots.
/// </summary>
internal sealed class OldBackup(TimeProvider time)
{
    /// <summary>Litestream's default for <c>snapshot: retention</c>. Source: <c>DefaultSnapshotRetention</c> in store.go, v0.5.17.</summary>
    public static readonly TimeSpan Retention = TimeSpan.FromHours(24);

    private const string Mark = ".replaced-", TimeFormat = "yyyyMMdd'T'HHmmss'Z'";

    /// <summary>Moves what is in the folder of a replica, if anything is.</summary>
    /// <returns>Why it could not be moved, in a sentence; null if it was, or if there was nothing.</returns>
    public string? MoveAside(ReplicaPlan replica)
    {
        var folder = FolderOf(replica);
        if (!Directory.Exists(folder))
        {
            return null;
        }

        var to = $"{folder}{Mark}{time.GetUtcNow().UtcDateTime.ToString(TimeFormat, CultureInfo.InvariantCulture)}";
        try
        {
            Directory.Move(folder, to);
            return null;
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            return $"What is left in {folder} could not be moved to {to}: {ex.Message}";
        }
    }

    /// <summary>Deletes what was moved aside longer ago than <see cref="Retention"/>.</summary>
    public void DeleteExpired(ReplicaPlan replica)
    {
        var folder = FolderOf(replica);
        var prefix = Path.GetFileName(folder) + Mark;
        try
        {
            foreach (var old in Directory.EnumerateDirectories(Path.GetDirectoryName(folder)!, prefix + "*"))
            {
                if (DateTime.TryParseExact(
                        Path.GetFileName(old)[prefix.Length..],
                        TimeFormat,
                        CultureInfo.InvariantCulture,
                        DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal,
                        out var movedAt)
                    && time.GetUtcNow().UtcDateTime - movedAt > Retention)
                {
                    Directory.Delete(old, recursive: true);
                }
            }
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            // It is tried again an hour later.
        }
    }

    private static string FolderOf(ReplicaPlan replica) => Path.TrimEndingDirectorySeparator(replica.Settings["path"]!.GetValue<string>());
}
