using System.Net.Sockets;
using System.Runtime.InteropServices;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Processes;
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
    public void One_that_was_left_behind_is_removed()
    {
        using var temporary = new TemporaryFolder();
        var left = Leave(temporary);
        SocketFolder.RemoveLeftover(left);
        Assert.IsFalse(Directory.Exists(left));
        SocketFolder.RemoveLeftover(left);
    }

    [TestMethod]
    public void Whatever_else_a_record_names_is_left_alone()
    {
        using var temporary = new TemporaryFolder();
        foreach (var name in new[] { "other", "datasette-litestream-open", "datasette-litestream-used" })
        {
            Directory.CreateDirectory(temporary[name], OwnerOnly);
            File.WriteAllText(temporary[$"{name}/control"], "");
        }

        File.SetUnixFileMode(temporary["datasette-litestream-open"], OwnerOnly | UnixFileMode.GroupRead);
        var precious = temporary.Write("datasette-litestream-used/precious", "");
        foreach (var path in Directory.GetDirectories(temporary.Path).Append("datasette-litestream-relative").Append($"/tmp/datasette-litestream-{new string('x', 100)}"))
        {
            SocketFolder.RemoveLeftover(path);
        }

        Assert.IsTrue(File.Exists(temporary["other/control"]));
        Assert.IsTrue(File.Exists(temporary["datasette-litestream-open/control"]));
        Assert.IsTrue(File.Exists(precious));
    }

    [TestMethod]
    public void One_with_a_socket_that_somebody_listens_on_is_left_alone()
    {
        using var temporary = new TemporaryFolder();
        var path = Directory.CreateDirectory(temporary["datasette-litestream-live"], OwnerOnly).FullName;
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(Path.Combine(path, "control")));
        listener.Listen();
        SocketFolder.RemoveLeftover(path);
        Assert.IsTrue(File.Exists(Path.Combine(path, "control")));
    }

    [TestMethod]
    public void Another_users_is_left_alone()
    {
        if (LibC.geteuid() != 0)
        {
            throw Skip.Because("only root can give a folder away");
        }

        using var temporary = new TemporaryFolder();
        var left = Leave(temporary);
        Assert.AreEqual(0, chown(left, 65534, 65534));
        SocketFolder.RemoveLeftover(left);
        Assert.IsTrue(Directory.Exists(left));
    }

    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>Creates what a killed Datasette leaves: a socket that no process listens on.</summary>
    private static string Leave(TemporaryFolder temporary)
    {
        var path = Directory.CreateDirectory(temporary["datasette-litestream-0123456789ab"], OwnerOnly).FullName;
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(Path.Combine(path, "control")));
        File.Move(Path.Combine(path, "control"), Path.Combine(path, "kept"));
        listener.Dispose();
        File.Move(Path.Combine(path, "kept"), Path.Combine(path, "control"));
        return path;
    }

    [DllImport("libc", CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int chown(string path, uint user, uint group);

    private static SocketFolder Create(string runtime, string temporary) =>
        SocketFolder.Create(new Dictionary<string, string> { ["XDG_RUNTIME_DIR"] = runtime, ["TMPDIR"] = temporary });
}
