using Datasette.Litestream.Daemon;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Daemon;

[TestClass]
public sealed class SocketFolderSpecs
{
    [TestMethod]
    public void Nobody_else_can_enter_it_and_it_goes_with_its_owner()
    {
        using var runtime = new TemporaryFolder();
        using (var folder = Create(runtime.Path, "/nowhere"))
        {
            Assert.AreEqual(runtime.Path, Path.GetDirectoryName(folder.Path));
            Assert.AreEqual(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(folder.Path));
            File.WriteAllText(folder.SocketPath, "");
        }

        Assert.IsEmpty(Directory.GetFileSystemEntries(runtime.Path));
    }

    [TestMethod]
    public void Two_have_a_folder_each()
    {
        using var runtime = new TemporaryFolder();
        using var one = Create(runtime.Path, "");
        using var other = Create(runtime.Path, "");
        Assert.AreNotEqual(one.Path, other.Path);
    }

    [TestMethod]
    [DataRow("", DisplayName = "not set")]
    [DataRow("relative", DisplayName = "relative")]
    [DataRow("/nowhere", DisplayName = "not there")]
    [DataRow("LONG", DisplayName = "too long for a socket")]
    public void A_runtime_folder_that_will_not_do_is_passed_over(string runtime)
    {
        using var temporary = new TemporaryFolder();
        var path = runtime == "LONG" ? Directory.CreateDirectory(temporary[new string('x', 80)]).FullName : runtime;
        using var folder = Create(path, temporary.Path);
        Assert.AreEqual(temporary.Path, Path.GetDirectoryName(folder.Path));
    }

    [TestMethod]
    public void The_last_resort_is_tmp()
    {
        using var folder = Create("/nowhere", "/nowhere/else");
        Assert.AreEqual("/tmp", Path.GetDirectoryName(folder.Path));
    }

    [TestMethod]
    public void Removing_one_touches_nothing_else()
    {
        // The path may come from a record that somebody else wrote.
        using var temporary = new TemporaryFolder();
        var precious = temporary.Write("precious", "");
        File.WriteAllText(temporary["control"], "");
        SocketFolder.Remove(temporary.Path);
        CollectionAssert.AreEqual(new[] { precious }, Directory.GetFileSystemEntries(temporary.Path));
        SocketFolder.Remove(temporary["not-there"]);
    }

    private static SocketFolder Create(string runtime, string temporary) =>
        SocketFolder.Create(new Dictionary<string, string> { ["XDG_RUNTIME_DIR"] = runtime, ["TMPDIR"] = temporary });
}
