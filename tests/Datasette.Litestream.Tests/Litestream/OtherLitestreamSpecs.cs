using System.Collections.Immutable;
using System.Diagnostics;
using System.Text.Json;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Tests.Configuration;
using Datasette.Litestream.Tests.Processes;
using Datasette.Litestream.Tests.SqliteFiles;

namespace Datasette.Litestream.Tests.Litestream;

[TestClass]
public sealed class OtherLitestreamSpecs : IDisposable
{
    private static readonly IReadOnlySet<int> None = new HashSet<int> { Environment.ProcessId };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [TestMethod]
    [DataRow(3)]
    [DataRow(5)]
    public async Task A_Litestream_that_has_a_database_open_is_found_and_others_are_not(int minor)
    {
        var binary = await RealLitestream.RequireAsync(minor);
        using var parks = new OpenDatabase(_folder["parks.db"]);
        using var roads = new OpenDatabase(_folder["roads.db"]);
        var databases = Plan("parks", "roads");
        using var litestream = Start(binary.Path, _folder["parks.db"]);

        OtherLitestream? found = null;
        await Eventually.HoldsAsync(async () => (found = (await OtherLitestream.FindAsync(databases, None)).SingleOrDefault()) is not null, "it is found");

        Assert.AreEqual((litestream.Process.Id, LibC.geteuid(), "parks"), (found!.ProcessId, found.UserId, found.Databases.Single()));
        Assert.IsLessThan(TimeSpan.FromMinutes(1), (DateTimeOffset.UtcNow - found.Since!.Value).Duration());
        Assert.StartsWith($"Another Litestream (process {litestream.Process.Id} of user ", found.Sentence);
        Assert.IsEmpty(await OtherLitestream.FindAsync(databases, new HashSet<int> { Environment.ProcessId, litestream.Process.Id }));

        litestream.Process.Send(LibC.SIGKILL);
        _ = await litestream.EndsAsync();
        Assert.IsEmpty(await OtherLitestream.FindAsync(databases, None));
    }

    [TestMethod]
    public async Task One_with_another_name_is_found_by_its_arguments()
    {
        var binary = await RealLitestream.RequireAsync(5);
        File.Copy(binary.Path, _folder["backup"]);
        using var parks = new OpenDatabase(_folder["parks.db"]);
        using var litestream = Start(_folder["backup"], _folder["parks.db"]);
        await Eventually.HoldsAsync(async () => (await OtherLitestream.FindAsync(Plan("parks"), None)).Count == 1, "it is found");
    }

    [TestMethod]
    public async Task It_is_found_by_lsof_too()
    {
        _ = Programs.Require("lsof");
        var binary = await RealLitestream.RequireAsync(5);
        using var parks = new OpenDatabase(_folder["parks.db"]);
        using var litestream = Start(binary.Path, _folder["parks.db"]);
        var environment = new Dictionary<string, string> { ["PATH"] = Environment.GetEnvironmentVariable("PATH")! };
        await Eventually.HoldsAsync(
            async () => (await OtherLitestream.FindByLsofAsync(Plan("parks"), None, environment)).Any(one => one.ProcessId == litestream.Process.Id), "it is found");
    }

    [TestMethod]
    public void The_sentence_names_who_it_is_and_what_to_do() => Assert.AreEqual(
        "Another Litestream (process 123 of user 33, since 2026-05-01 12:00:00 UTC) replicates a, b, c and 2 more too. Neither can empty the "
            + "write-ahead log while the other runs, so it grows without end. End the other one: kill 123, or stop the service that starts it.",
        new OtherLitestream(123, 33, new DateTimeOffset(2026, 5, 1, 14, 0, 0, TimeSpan.FromHours(2)), ["a", "b", "c", "d", "e"]).Sentence);

    [TestMethod]
    public async Task A_look_at_a_thousand_databases_is_cheap()
    {
        var names = Enumerable.Range(0, 1000).Select(i => $"db{i}").ToArray();
        foreach (var name in names)
        {
            _ = _folder.Write($"{name}.db", "");
        }

        var databases = Plan(names);
        _ = await OtherLitestream.FindAsync(databases, None);
        var watch = Stopwatch.StartNew();
        for (var i = 0; i < 10; i++)
        {
            _ = await OtherLitestream.FindAsync(databases, None);
        }

        // 60 ms each 30 s would be 0.2 % of a core; it takes about 20 with the locks of all of them.
        Assert.IsLessThan(600, watch.ElapsedMilliseconds);
    }

    private ImmutableArray<DatabasePlan> Plan(params string[] names) => Plans.From(
        """{"all-replicate": "file:///x/$DB_NAME"}""",
        "{}",
        [.. names.Select(name => new AttachedDatabase(name, _folder[$"{name}.db"], IsMutable: true))]).Sound.Databases;

    private StartedChild Start(string program, string database) => new(
        program,
        ["replicate", "-no-expand-env", "-config", "/dev/stdin"],
        input: JsonSerializer.Serialize(new { dbs = new[] { new { path = database, replicas = new[] { new { type = "file", path = _folder["backup-of-it"] } } } } }));
}
