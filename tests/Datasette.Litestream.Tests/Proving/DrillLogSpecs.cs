using System.Text.Json;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Proving;
using Datasette.Litestream.Tests.Configuration;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Proving;

[TestClass]
public sealed class DrillLogSpecs
{
    private static readonly DateTimeOffset Now = new(2026, 5, 1, 12, 0, 0, TimeSpan.Zero);

    [TestMethod]
    public void What_is_added_is_read()
    {
        using var folder = new TemporaryFolder();
        var database = Database(folder);
        var result = new DrillResult(Now, DrillOutcome.ProvenWeakly, "Whole.") { State = "2a", Bytes = 4096, RestoreSeconds = 0.5, CheckSeconds = 0.25, DataAgeSeconds = 1.5, ForeignKeyViolations = 1 };
        DrillLog.Add(database, database.Primary, result);
        Assert.AreEqual(result, DrillLog.Read(database).Of(database.Primary).Single());
    }

    [TestMethod]
    public void Drills_of_the_last_90_days_are_kept_and_so_many_as_anybody_reads()
    {
        using var folder = new TemporaryFolder();
        var database = Database(folder);
        const int oneEachHour = 90 * 24;
        var many = Enumerable.Range(1, oneEachHour + 10).Select(i => new DrillResult(Now.AddMinutes(i), DrillOutcome.Proven, "Equal.")).ToList();
        File.WriteAllBytes(
            folder[".a.db-litestream/datasette-litestream-drills.json"],
            JsonSerializer.SerializeToUtf8Bytes(
                new Dictionary<string, List<DrillResult>> { [database.Primary.Destination] = many }, DrillLogJson.Default.DictionaryStringListDrillResult));
        var next = new DrillResult(Now.AddDays(2), DrillOutcome.Failed, "Not equal.");
        DrillLog.Add(database, database.Primary, next);
        Assert.AreEqual((oneEachHour, next), (DrillLog.Read(database).Of(database.Primary).Count, DrillLog.Read(database).Of(database.Primary)[^1]));
        DrillLog.Add(database, database.Primary, next with { StillRestorable = "That of yesterday." });
        Assert.AreEqual((oneEachHour, "That of yesterday."), (DrillLog.Read(database).Of(database.Primary).Count, DrillLog.Read(database).Of(database.Primary)[^1].StillRestorable));
        var last = new DrillResult(Now.AddDays(100), DrillOutcome.Proven, "Equal.");
        DrillLog.Add(database, database.Primary, last);
        Assert.AreEqual(last, DrillLog.Read(database).Of(database.Primary).Single());
    }

    [TestMethod]
    [DataRow(null)]
    [DataRow("")]
    [DataRow("{")]
    [DataRow("""{"s3://maps/a": [{"at": "2026"}]}""")]
    public void One_that_is_not_there_or_cannot_be_read_is_empty(string? content)
    {
        using var folder = new TemporaryFolder();
        var database = Database(folder);
        if (content is not null)
        {
            File.WriteAllText(folder[".a.db-litestream/datasette-litestream-drills.json"], content);
        }

        Assert.IsEmpty(DrillLog.Read(database).Of(database.Primary));
    }

    private static DatabasePlan Database(TemporaryFolder folder)
    {
        Directory.CreateDirectory(folder[".a.db-litestream"]);
        return Plans.FromReplica("s3://maps/$DB_NAME", "a").Sound.Databases.Single() with { Path = folder["a.db"] };
    }
}
