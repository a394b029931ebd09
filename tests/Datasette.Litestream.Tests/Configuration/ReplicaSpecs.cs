using System.Text.Json;
using System.Text.Json.Nodes;

namespace Datasette.Litestream.Tests.Configuration;

[TestClass]
public sealed class ReplicaSpecs
{
    private const string Key = "plugins.datasette-litestream.all-replicate";

    [TestMethod]
    [DataRow("file:///backup", "file", """{"type":"file","path":"/backup"}""")]
    [DataRow("s3://b/p", "s3", """{"url":"s3://b/p"}""")]
    [DataRow("S3://b/p", "s3", """{"url":"S3://b/p"}""")]
    [DataRow("gcs://b/p", "gcs", """{"url":"gcs://b/p"}""")]
    [DataRow("gs://b/p", "gs", """{"url":"gs://b/p"}""")]
    [DataRow("abs://account@b/p", "abs", """{"url":"abs://account@b/p"}""")]
    [DataRow("sftp://ranger@h:22/p", "sftp", """{"url":"sftp://ranger@h:22/p"}""")]
    [DataRow("nats://h:4222/b", "nats", """{"url":"nats://h:4222/b"}""")]
    [DataRow("oss://b/p", "oss", """{"url":"oss://b/p"}""")]
    [DataRow("webdav://h/p", "webdav", """{"url":"webdav://h/p"}""")]
    [DataRow("webdavs://h/p", "webdav", """{"url":"webdavs://h/p"}""")]
    [DataRow("sftp://[::1]:22/p", "sftp", """{"url":"sftp://[::1]:22/p"}""")]
    [DataRow("s3://arn:aws:s3:eu-west-1:1234:accesspoint/maps/p", "s3", """{"url":"s3://arn:aws:s3:eu-west-1:1234:accesspoint/maps/p"}""")]
    [DataRow("s3://b/p?endpoint=minio:9000&region=auto", "s3", """{"url":"s3://b/p?endpoint=minio:9000&region=auto"}""")]
    public void A_URL_says_its_type(string url, string type, string settings) => AssertReplica(Plans.FromReplica(url), type, settings);

    [TestMethod]
    [DataRow("""{"path": "backup"}""", "file", """{"type":"file","path":"/srv/backup"}""")]
    [DataRow("""{"type": "file", "path": "/backup/", "sync-interval": 90}""", "file", """{"type":"file","path":"/backup","sync-interval":"1m30s"}""")]
    [DataRow("""{"url": "file:///backup", "retention": "24h"}""", "file", """{"type":"file","path":"/backup","retention":"24h"}""")]
    [DataRow("""{"type": "s3", "bucket": "b", "force-path-style": true, "part-size": "5MiB"}""", "s3", """{"type":"s3","bucket":"b","force-path-style":true,"part-size":"5MiB"}""")]
    [DataRow("""{"type": "s3", "url": "s3://b/p", "part-size": 5242880}""", "s3", """{"type":"s3","url":"s3://b/p","part-size":5242880}""")]
    [DataRow("""{"type": "sftp", "host": "h", "user": "ranger", "password": "fake$password"}""", "sftp", """{"type":"sftp","host":"h","user":"ranger","password":"fake$password"}""")]
    [DataRow("""{"url": "nats://h:4222", "bucket": "b", "root-cas": ["/a.pem", "$BUCKET"]}""", "nats", """{"url":"nats://h:4222","bucket":"b","root-cas":["/a.pem","maps"]}""")]
    [DataRow("""{"path": "/x", "age": {"identities": ["$SECRET"], "recipients": ["age1fake"]}}""", "file", """{"type":"file","path":"/x","age":{"identities":["fake-secret-from-the-environment"],"recipients":["age1fake"]}}""")]
    public void A_mapping_is_Litestream_s_own(string replica, string type, string settings) =>
        AssertReplica(Plans.FromReplica(replica), type, settings);

    [TestMethod]
    public void How_often_changes_are_sent_is_known_to_the_plan()
    {
        Assert.AreEqual(TimeSpan.FromSeconds(90), Plans.FromReplica("""{"path": "/x", "sync-interval": "1m30s"}""").Replica.SyncInterval);
        Assert.IsNull(Plans.FromReplica("file:///x").Replica.SyncInterval);
    }

    [TestMethod]
    public void A_replica_with_a_fault_is_none() =>
        Assert.IsEmpty(Plans.FromReplica("""{"path": "/x", "sync-interval": "soon"}""").Plan.Databases.Single().Replicas);

    [TestMethod]
    [DataRow("""{"url": "file:///x", "sync-intervall": 1}""", ".sync-intervall", "unknown key; did you mean \"sync-interval\"?")]
    [DataRow("""{"url": "file:///x", "acess-key-id": 1}""", ".acess-key-id", "unknown key; did you mean \"access-key-id\"?")]
    [DataRow("""{"url": "file:///x", "age": {"identity": []}}""", ".age.identity", "unknown key; did you mean \"identities\"?")]
    [DataRow("""{"url": "file:///x", "age": {"recipients": "age1fake"}}""", ".age.recipients", "expected a list of text, got text")]
    [DataRow("""{"url": "file:///x", "age": {"identities": [7]}}""", ".age.identities[0]", "expected text, got a number")]
    [DataRow("""{"url": "file:///x", "root-cas": ["a", null]}""", ".root-cas[1]", "expected text, got nothing (a variable named by $env that is not set reads as nothing)")]
    [DataRow("""{"path": "a\u0000b"}""", ".path", "has a NUL character, which no setting may have")]
    [DataRow("{}", "", "names no destination; add url, or type and path")]
    [DataRow("""{"type": "s3", "path": "x"}""", "", "names no destination; add bucket, or a url")]
    [DataRow("""{"type": "sftp", "path": "x"}""", "", "names no destination; add host, or a url")]
    [DataRow("""{"type": "webdav", "host": "h"}""", "", "names no destination; add webdav-url, or a url")]
    [DataRow("""{"type": "s4", "bucket": "b"}""", ".type", "Litestream has no replica type \"s4\"; did you mean \"s3\"?")]
    [DataRow("""{"type": "sftp", "url": "s3://b/p"}""", ".type", "is \"sftp\", but the URL's scheme says \"s3\"; keep the url and leave out the type")]
    [DataRow("""{"url": "s3://b/p", "path": "q"}""", ".path", "is given beside a url, which names it too; keep one of them")]
    [DataRow("""{"url": "s3://b/p", "bucket": "c"}""", ".bucket", "is given beside a url, which names it too; keep one of them")]
    [DataRow("""{"url": "sftp://u@h/p", "host": "i"}""", ".host", "is given beside a url, which names it too; keep one of them")]
    [DataRow("""{"url": "webdav://h/p", "webdav-url": "http://i"}""", ".webdav-url", "is given beside a url, which names it too; keep one of them")]
    [DataRow("""{"url": "nats://h/b", "bucket": "c"}""", ".bucket", "is given beside a url, which names it too; keep one of them")]
    [DataRow("""{"type": "nats", "bucket": "b", "path": "p"}""", ".path", "does not apply to NATS, where a replica is a whole bucket; remove it, and give each database its own bucket")]
    [DataRow("""{"path": "s3://b/p"}""", ".path", "is a URL; give it as url")]
    [DataRow("""{"type": "s3", "bucket": "b", "path": "s3://b/p"}""", ".path", "is a URL; give it as url")]
    [DataRow("s4://b/p", "", "Litestream has no replica type \"s4\"; did you mean \"s3\"?")]
    [DataRow("https://h/p", "", "Litestream has no replica type \"https\"")]
    [DataRow("/backup", "", "is not a URL; write file:///absolute/path, file://$PWD/path or s3://bucket/path")]
    [DataRow("", "", "is not a URL; write file:///absolute/path, file://$PWD/path or s3://bucket/path")]
    [DataRow("file://", "", "names no path; write file:///absolute/path or file://$PWD/path")]
    [DataRow("file:///a%00b", "", "has a NUL character, which no path may have")]
    [DataRow("file:///a?b", "", "has a ?, and a URL of type file has no query; write %3F for a question mark, and settings as keys beside url")]
    [DataRow("abs://a@b/p?sig=fake", "", "has a ?, and a URL of type abs has no query; write %3F for a question mark, and settings as keys beside url")]
    [DataRow("s3://b/p?endpont=minio", "", "has \"endpont\" in its query, which Litestream would ignore; did you mean \"endpoint\"?")]
    [DataRow("s3://b/p#q", "", "has a #, after which Litestream would ignore all; write %23 for a number sign")]
    [DataRow("s3://b/100%", "", "has a % that starts no %XX; write %25 for a percent sign")]
    [DataRow("s3://b/a\nb", "", "has a control character, which no URL may have")]
    [DataRow("sftp://u:pass/word@h/p", "", "has a port that is no number; in a user name or a password, write %2F for a slash and %3F for a question mark")]
    [DataRow("s3:///p", "", "names no bucket; write s3://NAME/path")]
    [DataRow("s3:b/p", "", "names no bucket; write s3://NAME/path")]
    [DataRow("sftp:///p", "", "names no host; write sftp://NAME/path")]
    [DataRow("nats:///b", "", "names no host; write nats://NAME/path")]
    [DataRow("nats://h", "", "names no bucket; write nats://HOST/BUCKET")]
    public void What_Litestream_would_not_read_as_meant_is_an_error(string replica, string key, string problem) =>
        Plans.FromReplica(replica).AssertProblems($"{Key}{key}: {problem}");

    private static void AssertReplica(Planned planned, string type, string settings)
    {
        Assert.AreEqual(type, planned.Replica.Type);
        Assert.IsTrue(
            JsonNode.DeepEquals(JsonNode.Parse(settings), planned.Replica.Settings), JsonSerializer.Serialize(planned.Replica.Settings));
    }
}
