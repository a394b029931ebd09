using System.Globalization;
using Datasette.Litestream.Processes;
using Datasette.Litestream.SqliteFiles;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.SqliteFiles;

[TestClass]
public sealed class SqliteProgramSpecs : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [TestMethod]
    public async Task It_reads_the_headers_of_many_files_in_one_run_and_one_that_fails_costs_no_other()
    {
        using var database = new OpenDatabase(_folder["a#b?%41.db"]);
        database.Write(10);
        File.CreateSymbolicLink(_folder["loop"], "loop");

        var looks = await OpenDatabase.Program.LookAsync([_folder["none"], database.Path, _folder["loop"], _folder.Write("text", "text")], CancellationToken.None);

        CollectionAssert.AreEqual(new[] { "No such file or directory", null, "Too many levels of symbolic links", null }, looks.Select(look => look.Error).ToList());
        var (file, header, index) = (looks[1].File!, looks[1].Header!, looks[1].Index!);
        Assert.AreEqual(FileStatus.Look(database.Path).Status!.Value.Inode, file.Inode);
        Assert.AreEqual((4096, true, 4096L), (header.PageSize, header.IsWal, file.Size));
        Assert.AreEqual((0u, 0u, false), (index.Backfilled, index.Attempted, index.IsCheckpointing));
        Assert.IsGreaterThan(1u, index.Frames);
        Assert.IsNull(looks[3].Header);
    }

    [TestMethod]
    public async Task Databases_are_switched_to_a_log_and_one_that_cannot_be_costs_no_other()
    {
        string[] paths = [_folder.Write("text", "text"), _folder.Write("empty.db", ""), _folder["none"]];
        CollectionAssert.AreEqual(
            new[] { "file is not a database", null, "No such file or directory" }, (await OpenDatabase.Program.UseLogAsync(paths, TimeSpan.FromSeconds(10))).ToList());
        Assert.IsTrue((await OpenDatabase.Program.LookAsync([paths[1]], CancellationToken.None))[0].Header!.IsWal);
    }

    [TestMethod]
    public async Task Logs_are_held_until_they_are_let_go_of()
    {
        var program = new SqliteProgram(
            ["/bin/sh", "-c", $$"""for n in 1 2 3; do read -r line; echo "$line" >> {{_folder["asked"]}}; done; echo $$ > {{_folder["id"]}}; echo '{}'; echo '{"error": "gone"}'; echo '{"blocked": "read"}'; read -r line; echo "$line" > {{_folder["told"]}}; sleep 1000"""],
            new Dictionary<string, string> { ["PATH"] = "/usr/bin:/bin" },
            TimeProvider.System);
        using var hold = await program.HoldLogsAsync([("/a", "/.a"), ("/b", "/.b"), ("/c", "/.c")], TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(30), true, CancellationToken.None);
        StringAssert.StartsWith(File.ReadAllText(_folder["asked"]), """{"do":"hold-log","path":"/a","state":"/.a","seconds":30,"suspect":true}""");
        Assert.AreEqual(("/b", "gone"), (hold.Errors.Single().Key, hold.Errors.Single().Value));
        Assert.AreEqual(("/c", "read"), (hold.Blocked.Single().Key, hold.Blocked.Single().Value));
        Assert.IsFalse(hold.HasEnded);
        hold.LetGo("/a");
        await Eventually.HoldsAsync(() => File.Exists(_folder["told"]) && File.ReadAllText(_folder["told"]) == """{"do":"let-go","path":"/a"}""" + "\n");
        var id = int.Parse(File.ReadAllText(_folder["id"]), CultureInfo.InvariantCulture);
        Assert.AreEqual(0, LibC.kill(id, 0));
        hold.Dispose();
        await Eventually.HoldsAsync(() => LibC.kill(id, 0) != 0);
    }

    [TestMethod]
    public async Task Logs_whose_holder_ends_are_not_held()
    {
        var program = new SqliteProgram(["/bin/sh", "-c", "read -r line; echo '{}'; read -r line; exit 1"], new Dictionary<string, string>(), TimeProvider.System);
        using var hold = await program.HoldLogsAsync([("/a", "/.a"), ("/b", "/.b")], TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(30), false, CancellationToken.None);
        Assert.IsTrue(hold.HasEnded);
    }

    [TestMethod]
    public async Task Nobody_waits_for_logs_to_be_held_who_must_end()
    {
        var program = new SqliteProgram(["/bin/sh", "-c", $"echo $$ > {_folder["id"]}; sleep 1000"], new Dictionary<string, string> { ["PATH"] = "/usr/bin:/bin" }, TimeProvider.System);
        using var ending = new CancellationTokenSource();
        var holding = program.HoldLogsAsync([("/a", "/.a")], TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(30), false, ending.Token);
        await Eventually.HoldsAsync(() => File.Exists(_folder["id"]) && File.ReadAllText(_folder["id"]).Length > 0);
        await ending.CancelAsync();
        await Assert.ThrowsAsync<OperationCanceledException>(() => holding);
        var id = int.Parse(File.ReadAllText(_folder["id"]), CultureInfo.InvariantCulture);
        await Eventually.HoldsAsync(() => LibC.kill(id, 0) != 0);
    }

    [TestMethod]
    public async Task A_program_that_hangs_is_killed()
    {
        var program = new SqliteProgram(["/bin/sh", "-c", "sleep 1000 & wait"], new Dictionary<string, string>(), TimeProvider.System);
        Assert.AreEqual("it was not answered within 0.1 s", (await program.UseLogAsync(["/a", "/b"], TimeSpan.FromMilliseconds(100)))[1]);
    }

    [TestMethod]
    [DataRow("echo {}", "the program that reads SQLite files ended early", DisplayName = "an answer that is cut short")]
    [DataRow("echo Traceback >&2; echo 'ImportError: sqlite3' >&2", "ImportError: sqlite3", DisplayName = "an error")]
    [DataRow("yes | head -c 10000000", "the program that reads SQLite files ended early", DisplayName = "more than it may say")]
    public async Task A_program_that_is_another_is_an_error_for_each_file(string script, string error)
    {
        var program = new SqliteProgram(["/bin/sh", "-c", script], new Dictionary<string, string> { ["PATH"] = "/usr/bin:/bin" }, TimeProvider.System);
        Assert.AreEqual(error, (await program.UseLogAsync(["/a", "/b"], TimeSpan.FromSeconds(10)))[1]);
    }

    [TestMethod]
    public async Task Without_a_program_every_file_is_an_error()
    {
        foreach (string[] command in new string[][] { [], ["/no/such/program"] })
        {
            var looks = await new SqliteProgram(command, new Dictionary<string, string>(), TimeProvider.System).LookAsync(["/a"], CancellationToken.None);
            Assert.IsNotNull(looks[0].Error);
        }
    }
}
