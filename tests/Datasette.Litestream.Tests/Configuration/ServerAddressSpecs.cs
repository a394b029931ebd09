using Datasette.Litestream.Configuration;

namespace Datasette.Litestream.Tests.Configuration;

[TestClass]
public sealed class ServerAddressSpecs
{
    [TestMethod]
    [DataRow("http://127.0.0.1:9000", null, "127.0.0.1:9000")]
    [DataRow("https://minio.example.org/", null, "minio.example.org:443")]
    [DataRow("http://minio.example.org", "eu-west-1", "minio.example.org:80")]
    [DataRow("minio:9000", null, "minio:9000")]
    [DataRow("http://[::1]:9000", null, "::1:9000")]
    [DataRow("minio", null, null)]
    [DataRow("http://a b", null, null)]
    [DataRow("\u0D38\uCD12\uD96E\uDC0F\u5C4A\u389F\u080C\u02AF\uC67CD\uD807\uDD32", null, null)]
    [DataRow(null, null, "s3.amazonaws.com:443")]
    [DataRow(null, "eu-west-1", "s3.eu-west-1.amazonaws.com:443")]
    [DataRow(null, "cn-north-1", "s3.cn-north-1.amazonaws.com.cn:443")]
    public void The_server_of_an_S3_destination_is_that_of_its_endpoint_or_region(string? endpoint, string? region, string? server)
    {
        var found = ServerAddress.OfS3(endpoint, region);
        Assert.AreEqual(server, found is null ? null : $"{found.Host}:{found.Port}");
    }

    [TestMethod]
    [DataRow("sftp://backup.example.org", "backup.example.org:22")]
    [DataRow("sftp://backup.example.org:2222", "backup.example.org:2222")]
    public void SFTP_has_a_port_of_its_own(string address, string server)
    {
        var found = ServerAddress.Parse(address)!;
        Assert.AreEqual(server, $"{found.Host}:{found.Port}");
    }
}
