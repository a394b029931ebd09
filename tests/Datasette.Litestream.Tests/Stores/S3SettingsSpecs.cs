using Datasette.Litestream.Stores;
using Datasette.Litestream.Tests.Configuration;

namespace Datasette.Litestream.Tests.Stores;

/// <summary>The same as <c>NewS3ReplicaClientFromConfig</c> in Litestream's main.go, v0.5.17, makes of each.</summary>
[TestClass]
public sealed class S3SettingsSpecs
{
    [TestMethod]
    [DataRow("s3://maps/parks", "maps|parks||?|host")]
    [DataRow("s3://maps/a/../b//c/?region=eu-west-1", "maps|b/c||eu-west-1|host")]
    [DataRow("s3://maps.s3.eu-west-1.amazonaws.com/parks", "maps|parks||eu-west-1|host")]
    [DataRow("s3://maps.s3.amazonaws.com/parks", "maps|parks||?|host")]
    [DataRow("s3://maps.fra1.digitaloceanspaces.com/parks", "maps|parks|https://fra1.digitaloceanspaces.com|fra1|host")]
    [DataRow("s3://maps.s3.us-west-004.backblazeb2.com/parks", "maps|parks|https://s3.us-west-004.backblazeb2.com|us-west-004|path")]
    [DataRow("s3://maps.s3.filebase.com/parks", "maps|parks|https://s3.filebase.com|us-east-1|path")]
    [DataRow("s3://maps.s3.nl-ams.scw.cloud/parks", "maps|parks|https://s3.nl-ams.scw.cloud|nl-ams|host")]
    [DataRow("s3://maps.minio:9000/parks", "maps|parks|http://minio:9000|us-east-1|path")]
    [DataRow("s3://maps/parks?endpoint=http://minio:9000", "maps|parks|http://minio:9000|us-east-1|path")]
    [DataRow("s3://maps/parks?endpoint=localhost:9000", "maps|parks|http://localhost:9000|us-east-1|path")]
    [DataRow("s3://maps/parks?endpoint=s3.example.com&forcePathStyle=false", "maps|parks|https://s3.example.com|us-east-1|host")]
    [DataRow("s3://maps/parks?endpoint=s3.example.com&forcePathStyle=true&skipVerify=true&signPayload=no&storageClass=COLD", "maps|parks|https://s3.example.com|us-east-1|path|any certificate|unsigned|COLD")]
    [DataRow("s3://arn:aws:s3:eu-west-1:123456789012:accesspoint/maps/parks", "arn:aws:s3:eu-west-1:123456789012:accesspoint/maps|parks||eu-west-1|host")]
    [DataRow("""{"type": "s3", "bucket": "maps", "path": "a/parks"}""", "maps|a/parks||?|host")]
    [DataRow("""{"type": "s3", "bucket": "maps", "path": "parks", "endpoint": "s3.example.com", "region": "x"}""", "maps|parks|https://s3.example.com|x|path")]
    [DataRow("""{"type": "s3", "bucket": "maps", "path": "parks", "endpoint": "http://s3.example.com", "force-path-style": false}""", "maps|parks|http://s3.example.com|us-east-1|host")]
    [DataRow("""{"url": "s3://maps/parks?region=a", "region": "b", "skip-verify": true, "sign-payload": false, "storage-class": "COLD"}""", "maps|parks||b|host|any certificate|unsigned|COLD")]
    public void A_bucket_is_reached_as_Litestream_reaches_it(string replica, string expected)
    {
        var plan = Plans.FromReplica(replica).Replica;
        var settings = S3Settings.Of(plan);
        string?[] parts =
        [
            settings.Bucket, StoreFactory.PathOf(plan), settings.Endpoint ?? "", settings.Region ?? "?", settings.UsesPathStyle ? "path" : "host",
            settings.SkipsVerification ? "any certificate" : null, settings.SignsPayload ? null : "unsigned", settings.StorageClass,
        ];
        Assert.AreEqual(expected, string.Join('|', parts.Where(part => part is not null)));
    }

    [TestMethod]
    public void One_client_serves_all_the_databases_in_a_bucket()
    {
        const string url = "s3://maps/$DB_NAME?endpoint=http://minio:9000";
        Assert.AreEqual(S3Settings.Of(Plans.FromReplica(url).Replica), S3Settings.Of(Plans.FromReplica(url, "trails").Replica));
    }

    [TestMethod]
    public void No_secret_is_shown() => Assert.DoesNotContain(
        "very-secret",
        S3Settings.Of(Plans.FromReplica("""{"url": "s3://maps/parks", "access-key-id": "id", "secret-access-key": "very-secret"}""").Replica).ToString());
}
