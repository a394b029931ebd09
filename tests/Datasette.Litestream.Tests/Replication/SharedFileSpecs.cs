using Datasette.Litestream.Configuration;
using Datasette.Litestream.Tests.Configuration;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Replication;

[TestClass]
public sealed class SharedFileSpecs : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [TestMethod]
    public void A_hard_link_to_a_file_that_is_replicated_is_not_and_others_are()
    {
        var parks = _folder.Write("parks.db", "");
        HardLink.Create(parks, _folder["trails.db"]);
        var roads = _folder.Write("roads.db", "");

        var plan = SharedFiles.LeaveOut(Plan(parks, _folder["trails.db"], roads));

        CollectionAssert.AreEqual(new[] { parks, roads }, plan.Databases.Select(database => database.Path).ToList());
        Assert.AreEqual(
            new UnreplicableDatabase(
                "trails",
                _folder["trails.db"],
                UnreplicableReason.SameFile,
                $"Its file {_folder["trails.db"]} is a hard link to that of parks, {parks}, which is replicated. "
                    + "Writes by two names of one file destroy it. Attach it once."),
            plan.Unreplicable.Single());
        Assert.AreEqual(
            $"parks: its file {parks} has 2 names (hard links). Whoever writes to it by another name writes past its write-ahead log, "
                + "which destroys it. Remove the other names, or make them symbolic links.",
            plan.Warnings.Single());
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void A_file_that_is_attached_twice_is_replicated_once(bool exists)
    {
        var path = exists ? _folder.Write("parks.db", "") : _folder["none.db"];
        var plan = Plan(path, path);
        plan = SharedFiles.LeaveOut(plan with { Databases = [plan.Databases[0], plan.Databases[1] with { Name = "again" }] });
        Assert.AreEqual(path, plan.Databases.Single().Path);
        var left = plan.Unreplicable.Single();
        Assert.AreEqual(("again", $"It is the same file as {plan.Databases[0].Name}, {path}, which is replicated. Attach it once."), (left.Name, left.Sentence));
        Assert.IsEmpty(plan.Warnings);
    }

    private static ReplicationPlan Plan(params string[] paths) => Plans.From(
        """{"all-replicate": "file:///x/$DB_NAME-$DB_DIRECTORY"}""",
        "{}",
        [.. paths.Select(path => new AttachedDatabase(Path.GetFileNameWithoutExtension(path), path, IsMutable: true))]).Plan;
}
