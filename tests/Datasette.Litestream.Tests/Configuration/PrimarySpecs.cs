using Datasette.Litestream.Configuration;

namespace Datasette.Litestream.Tests.Configuration;

/// <summary>Litestream 0.5 writes one replica of a database, and the plugin the others.</summary>
[TestClass]
public sealed class PrimarySpecs
{
    [TestMethod]
    [DataRow("/a/parks", "file:///a/$DB_NAME", "s3://b/$DB_NAME")]
    [DataRow("/a/parks", "s3://b/$DB_NAME", "file:///a/$DB_NAME", "file:///c/$DB_NAME")]
    [DataRow("s3://b/parks", "s3://b/$DB_NAME", "s3://c/$DB_NAME")]
    public void Litestream_0_5_writes_the_first_folder_or_else_the_first_and_the_others_are_mirrors(string primary, params string[] urls)
    {
        var database = Plan(urls).For(ReleaseLine.V05).Databases.Single();
        Assert.AreEqual(primary, database.Primary.Destination);
        CollectionAssert.AreEqual(
            database.Replicas.Where(replica => replica.Destination != primary).ToList(), database.Mirrors.ToList());
        Assert.HasCount(urls.Length, database.Replicas);
    }

    [TestMethod]
    public void A_database_whose_replica_is_wrong_has_neither() =>
        Assert.IsEmpty(Plans.From("""{"all-replicate": 5}""", "{}", Plans.Attached("parks")).Plan.For(ReleaseLine.V05).Databases.Single().Mirrors);

    [TestMethod]
    public void Litestream_0_3_writes_all_of_them() =>
        Assert.IsEmpty(Plan("file:///a/$DB_NAME", "s3://b/$DB_NAME").For(ReleaseLine.V03).Databases.Single().Mirrors);

    private static ReplicationPlan Plan(params string[] urls) =>
        Plans.From($$"""{"all-replicate": ["{{string.Join("\", \"", urls)}}"]}""", "{}", Plans.Attached("parks")).Sound;
}
