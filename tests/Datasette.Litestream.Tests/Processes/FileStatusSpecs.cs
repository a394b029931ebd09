using System.Diagnostics;
using Datasette.Litestream.Processes;

namespace Datasette.Litestream.Tests.Processes;

[TestClass]
public sealed class FileStatusSpecs
{
    [TestMethod]
    public void A_file_is_seen_as_the_system_sees_it()
    {
        using var temporary = new TemporaryFolder();
        var path = temporary.Write("a.db", "12345");
        var modified = new DateTimeOffset(2026, 5, 1, 12, 0, 0, 123, TimeSpan.Zero).AddTicks(4567);
        File.SetLastWriteTimeUtc(path, modified.UtcDateTime);

        var status = Status(path);

        Assert.AreEqual((5L, 1u, modified, LibC.geteuid()), (status.Size, status.Links, status.ModifiedAt, status.UserId));
        Assert.AreEqual(status, FileStatus.Look(temporary["a"], suffix: ".db").Status);
    }

    [TestMethod]
    public void Two_names_of_one_file_are_the_same_file()
    {
        using var temporary = new TemporaryFolder();
        var path = temporary.Write("a.db", "");
        var other = temporary.Write("other.db", "");
        HardLink.Create(path, temporary["hard"]);
        File.CreateSymbolicLink(temporary["soft"], "a.db");

        Assert.AreEqual(2u, Status(path).Links);
        Assert.IsTrue(Status(path).IsSameFile(Status(temporary["hard"])));
        Assert.IsTrue(Status(path).IsSameFile(Status(temporary["soft"])));
        Assert.IsFalse(Status(path).IsSameFile(FileStatus.Look(temporary["soft"], followLinks: false).Status!.Value));
        Assert.IsFalse(Status(path).IsSameFile(Status(other)));
    }

    [TestMethod]
    public void A_file_that_was_replaced_is_another()
    {
        using var temporary = new TemporaryFolder();
        var path = temporary.Write("a.db", "");
        var before = Status(path);
        File.Move(temporary.Write("new.db", ""), path, overwrite: true);
        Assert.IsFalse(Status(path).IsSameFile(before));
    }

    [TestMethod]
    public void A_missing_file_is_no_error()
    {
        using var temporary = new TemporaryFolder();
        Assert.AreEqual(default, FileStatus.Look(temporary["none"]));
        Assert.AreEqual(default, FileStatus.Look(Path.Combine(temporary.Write("file", ""), "below")));
        File.CreateSymbolicLink(temporary["dangling"], "none");
        Assert.AreEqual(default, FileStatus.Look(temporary["dangling"]));
    }

    [TestMethod]
    public void What_cannot_be_looked_at_is_an_error_in_words_and_never_an_exception()
    {
        using var temporary = new TemporaryFolder();
        File.CreateSymbolicLink(temporary["loop"], "loop");
        Assert.AreEqual(new FileLook(null, "Too many levels of symbolic links"), FileStatus.Look(temporary["loop"]));
        Assert.AreEqual(new FileLook(null, "File name too long"), FileStatus.Look(temporary[new string('x', 5000)]));
    }

    [TestMethod]
    public void A_time_that_no_date_has_is_no_exception()
    {
        using var temporary = new TemporaryFolder();
        var path = temporary.Write("a.db", "");
        using var touch = Process.Start("touch", ["-d", "@-99999999999", path]);
        touch.WaitForExit();
        Assert.IsLessThan(new DateTimeOffset(1902, 1, 1, 0, 0, 0, TimeSpan.Zero), Status(path).ModifiedAt);
    }

    [TestMethod]
    public void A_look_leaves_no_garbage()
    {
        using var temporary = new TemporaryFolder();
        var path = temporary.Write("a.db", "");
        _ = FileStatus.Look(path);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++)
        {
            _ = FileStatus.Look(path);
        }

        Assert.AreEqual(before, GC.GetAllocatedBytesForCurrentThread());
    }

    private static FileStatus Status(string path) => FileStatus.Look(path).Status!.Value;
}
