using Datasette.Litestream.Configuration;
using Datasette.Litestream.Tests.Configuration;
using Datasette.Litestream.Writers;

namespace Datasette.Litestream.Tests.Writers;

[TestClass]
public sealed class WritersPlaceSpecs
{
    [TestMethod]
    [DataRow("s3://backup/$DB_NAME", "", "parks", "trees")]
    [DataRow("s3://backup/a/b/$DB_NAME?endpoint=http://127.0.0.1:9000&region=eu", "a/b", "parks", "trees")]
    [DataRow("s3://backup/$DB_NAME/x", null, "x", "x")]
    [DataRow("file:///backup/$DB_NAME", null, "", "")]
    [DataRow("sftp://ranger@backup/$DB_NAME", null, null, null)]
    public void Databases_at_S3_share_a_file_above_them_and_a_folder_has_its_own(string url, string? path, string? first, string? second)
    {
        var places = WritersPlace.Of(Plan(url, "parks", "trees").Databases);
        CollectionAssert.AreEqual(
            new[] { first, second }.OfType<string>().ToArray(), places.SelectMany(place => place.Destinations).Select(destination => destination.Prefix).ToArray());
        Assert.HasCount(first is null ? 0 : path is null ? 2 : 1, places);
        if (path is not null)
        {
            Assert.AreEqual(path, places[0].Path);
        }
    }

    [TestMethod]
    public void A_thousand_databases_have_one_file() =>
        Assert.HasCount(1, WritersPlace.Of(Plan("s3://backup/all/$DB_NAME", [.. Enumerable.Range(0, 1000).Select(i => $"db{i}")]).Databases));

    [TestMethod]
    public void Other_buckets_and_servers_have_other_files()
    {
        var settings = """{"all-replicate": ["s3://one/$DB_NAME", "s3://two/$DB_NAME", "s3://one/$DB_NAME?endpoint=http://127.0.0.1:9000", "file:///one/$DB_NAME"]}""";
        Assert.HasCount(4, WritersPlace.Of(Plans.From(settings).Plan.Databases));
    }

    [TestMethod]
    public void All_of_a_bucket_is_a_destination_too()
    {
        var place = WritersPlace.Of(Plans.FromReplica("""{"type": "s3", "bucket": "backup"}""").Plan.Databases).Single();
        Assert.AreEqual(("", ""), (place.Path, place.Destinations.Single().Prefix));
    }

    private static ReplicationPlan Plan(string url, params string[] names) =>
        Plans.From($$"""{"all-replicate": "{{url}}"}""", databases: [.. names.Select(Plans.Attached)]).Plan;
}
