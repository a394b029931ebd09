using Datasette.Litestream.Litestream;
using Datasette.Litestream.Tests.Configuration;

namespace Datasette.Litestream.Tests.Litestream;

/// <summary>A URL is used only where it says all that is configured.</summary>
[TestClass]
public sealed class RegistrationUrlSpecs
{
    [TestMethod]
    [DataRow("file:///backup/$DB_NAME", "file:///backup/parks")]
    [DataRow("""{"type": "file", "path": "/backup/a b"}""", null, DisplayName = "Litestream would escape it")]
    [DataRow("""{"path": "/backup", "sync-interval": "5s"}""", null)]
    [DataRow("s3://bucket/path/$DB_NAME", "s3://bucket/path/parks")]
    [DataRow("s3://bucket/path?region=eu-1", "s3://bucket/path?region=eu-1")]
    [DataRow("""{"url": "s3://bucket/path", "endpoint": "http://127.0.0.1:9000", "region": "x"}""", "s3://bucket/path?endpoint=http%3A%2F%2F127.0.0.1%3A9000&region=x")]
    [DataRow("""{"url": "s3://bucket/path?region=y", "endpoint": "http://h", "force-path-style": true}""", "s3://bucket/path?region=y&endpoint=http%3A%2F%2Fh&force-path-style=true")]
    [DataRow("""{"type": "s3", "bucket": "b", "path": "/a b/c"}""", "s3://b/a%20b/c")]
    [DataRow("""{"url": "s3://bucket/path", "access-key-id": "id", "secret-access-key": "fake-secret"}""", null)]
    [DataRow("sftp://user@host/path", null)]
    public void It_says_all_or_is_none(string replica, string? url) =>
        Assert.AreEqual(url, RegistrationUrl.Of(Plans.FromReplica(replica).Plan.Databases.Single()));

    [TestMethod]
    [DataRow("monitor-interval", "\"2s\"")]
    [DataRow("min-checkpoint-page-count", "500")]
    public void A_setting_of_the_database_is_none_of_a_URL(string key, string value) => Assert.IsNull(RegistrationUrl.Of(
        Plans.From("""{"all-replicate": "file:///backup/$DB_NAME"}""", $$"""{"parks": { "{{key}}": {{value}} } }""").Plan.Databases.Single()));
}
