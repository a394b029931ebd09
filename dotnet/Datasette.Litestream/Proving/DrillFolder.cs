using System.Security.Cryptography;
using System.Text;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Restoring;

namespace Datasette.Litestream.Proving;

/// <summary>
/// Where drills restore databases: for each destination a folder in <c>datasette-litestream-UID</c>, which is the user's alone, in the
/// temporary folder. It is deleted when the drill is over; what a process that was killed has left, by the next one's start.
/// </summary>
internal static class DrillFolder
{
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>Whether the folder is this user's: in one that everybody can write to, somebody else may have made it first.</summary>
    private static bool IsOurs => FileStatus.Look(Root, followLinks: false).Status?.UserId == LibC.geteuid();

    private static string Root => Path.Combine(Path.GetTempPath(), $"datasette-litestream-{LibC.geteuid()}");

    /// <summary>Makes the folder for one drill.</summary>
    /// <param name="database">The database.</param>
    /// <param name="replica">The destination.</param>
    /// <exception cref="StagingTakenException">Another drill of the destination is under way.</exception>
    /// <exception cref="ReplicationException">It cannot be made.</exception>
    public static StagingFolder Create(DatabasePlan database, ReplicaPlan replica)
    {
        try
        {
            Directory.CreateDirectory(Root, Private);
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            throw new ReplicationException($"Nothing can be restored into {Root}: {ex.Message} Set TMPDIR to another folder.", ex);
        }

        if (!IsOurs)
        {
            throw new ReplicationException($"{Root} is another user's, so nothing is restored into it. Delete it, or set TMPDIR to another folder.");
        }

        // A Litestream that outlived its parent may have made it.
        File.SetUnixFileMode(Root, Private);
        return StagingFolder.Create(PlaceOf(database, replica), "set TMPDIR to another folder");
    }

    /// <summary>Deletes what drills have left whose process was killed.</summary>
    public static void DeleteLeftovers()
    {
        try
        {
            foreach (var name in IsOurs ? Directory.GetDirectories(Root).Select(folder => Path.GetFileName(folder)) : [])
            {
                StagingFolder.DeleteLeftover(Path.Combine(Root, StagingFolder.TargetOf(name)));
            }
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            // It is somebody else's.
        }

        DeleteRoot();
    }

    /// <summary>Deletes the folder of all drills, unless one is under way.</summary>
    public static void DeleteRoot()
    {
        try
        {
            Directory.Delete(Root);
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            // It is not empty, or not there.
        }
    }

    private static string PlaceOf(DatabasePlan database, ReplicaPlan replica) => Path.Combine(
        Root, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{database.Path}\n{replica.Identity}")).AsSpan(0, 8)));
}
