using Datasette.Litestream.Configuration;

namespace Datasette.Litestream.Tests.Configuration;

[TestClass]
public sealed class ReplicaUrlSpecs
{
    [TestMethod]
    [DataRow("s3://bucket/a/b", "s3", "", "bucket", "/a/b", "")]
    [DataRow("S3://Bucket", "s3", "", "Bucket", "", "")]
    [DataRow("sftp://u:p%40@h:22//x/../y", "sftp", "u:p%40", "h:22", "//x/../y", "")]
    [DataRow("sftp://u:p@q@h/x", "sftp", "u:p@q", "h", "/x", "")]
    [DataRow("s3://b/a%2Fb%3F+c?x=1?2", "s3", "", "b", "/a/b?+c", "x=1?2")]
    [DataRow("s3://b?x", "s3", "", "b", "", "x")]
    [DataRow("file:x/y", "file", "", "", "x/y", "")]
    [DataRow("file:///é%C3%A9", "file", "", "", "/éé", "")]
    [DataRow("sftp://[::1]/x", "sftp", "", "[::1]", "/x", "")]
    public void A_URL_is_taken_apart_as_Go_does(string text, string scheme, string user, string host, string path, string query) =>
        Assert.AreEqual(new ReplicaUrl(scheme, user, host, path, query), ReplicaUrl.Parse(text, out _));

    [TestMethod]
    [DataRow("sftp://u:p%40ss@h/x", "p@ss")]
    [DataRow("sftp://u:a:b@h/x", "a:b")]
    [DataRow("sftp://u:@h/x", "")]
    [DataRow("sftp://u@h/x", null)]
    [DataRow("sftp://h/x", null)]
    public void The_password_is_decoded(string text, string? password) =>
        Assert.AreEqual(password, ReplicaUrl.Parse(text, out _)!.Password);

    [TestMethod]
    public void The_query_is_decoded_in_its_order() => CollectionAssert.AreEqual(
        new[] { ("a", "1 2"), ("b", ""), ("c", "x=y&"), ("a", "3") },
        ReplicaUrl.Parse("s3://b/p?a=1+2&&b&c=x=y%26&a=3", out _)!.QueryParts.ToArray());

    [TestMethod]
    [DataRow("file:///a/b", "/a/b")]
    [DataRow("file://localhost/a", "/a")]
    [DataRow("file://a/b", "a/b")]
    [DataRow("file://a%2Fb:1@c/d", "a/b:1@c/d")]
    [DataRow("file:a", "a")]
    public void A_file_URL_is_a_path(string text, string path) => Assert.AreEqual(path, ReplicaUrl.Parse(text, out _)!.FilePath);
}
