using Datasette.Litestream.Errors;
using Datasette.Litestream.Restoring;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Restoring;

[TestClass]
public sealed class StagingFolderSpecs : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [TestMethod]
    public void One_restore_at_a_time_goes_to_a_file()
    {
        using var first = StagingFolder.Create(_folder["parks.db"]);
        Assert.Contains("Another process restores", Assert.ThrowsExactly<StagingTakenException>(() => StagingFolder.Create(_folder["parks.db"])).Message);
        using var other = StagingFolder.Create(_folder["trees.db"]);
    }

    [TestMethod]
    public void What_was_left_is_deleted_and_nothing_is_left()
    {
        Directory.CreateDirectory(_folder[".parks.db-restoring/left"]);
        using (var staging = StagingFolder.Create(_folder["parks.db"]))
        {
            File.WriteAllText(Path.Combine(staging.Path, "restored.db"), "");
            Assert.IsFalse(Directory.Exists(_folder[".parks.db-restoring/left"]));
        }

        Assert.IsEmpty(Directory.GetFileSystemEntries(_folder.Path));
    }

    [TestMethod]
    public void A_database_for_which_there_is_no_room_is_told()
    {
        using var staging = StagingFolder.Create(_folder["parks.db"]);
        staging.RequireRoom(null);
        staging.RequireRoom(1);
        Assert.Contains("has room for", Assert.ThrowsExactly<ReplicationException>(() => staging.RequireRoom(long.MaxValue)).Message);
    }

    [TestMethod]
    public void A_folder_that_cannot_be_written_is_told() =>
        Assert.Contains("-o", Assert.ThrowsExactly<ReplicationException>(() => StagingFolder.Create("/proc/parks.db")).Message);
}
