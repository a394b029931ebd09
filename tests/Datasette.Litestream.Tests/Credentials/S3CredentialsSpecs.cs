using System.Text;
using Datasette.Litestream.Credentials;
using Datasette.Litestream.Errors;

namespace Datasette.Litestream.Tests.Credentials;

[TestClass]
public sealed class S3CredentialsSpecs
{
    private static readonly S3Credentials Keys = new("AKIA1", "s3cr3t", "t0ken");

    [TestMethod]
    [DataRow("""{"access-key-id":"AKIA1","secret-access-key":"s3cr3t","session-token":"t0ken"}""", "t0ken")]
    [DataRow("\uFEFF{\"access-key-id\":\"AKIA1\",\"secret-access-key\":\"s3cr3t\"}\n", null, DisplayName = "with a byte order mark")]
    [DataRow("""{"expires":{"at":[1]},"access-key-id":"AKIA1","secret-access-key":"s3cr3t","session-token":null}""", null)]
    public void JSON_is_read_and_other_keys_are_passed_over(string json, string? token) =>
        Assert.AreEqual(Keys with { SessionToken = token }, Parse(json));

    [TestMethod]
    [DataRow("", "is not JSON (line 1)")]
    [DataRow("{\n\"access-key-id\": \"hush-hush\",\n\"secret", "is not JSON (line 3)")]
    [DataRow("hush-hush", "is not JSON (line 1)")]
    [DataRow("[\"hush-hush\"]", "is not a JSON object")]
    [DataRow("""{"access-key-id":"hush-hush"}""", "has no secret-access-key")]
    [DataRow("""{"secret-access-key":"hush-hush"}""", "has no access-key-id")]
    [DataRow("""{"access-key-id":"hush-hush","secret-access-key":""}""", "secret-access-key is not text, or empty")]
    [DataRow("""{"access-key-id":1234567,"secret-access-key":"hush-hush"}""", "access-key-id is not text, or empty")]
    [DataRow("""{"access-key-id":"hush-hush","secret-access-key":"a\u0000b"}""", "secret-access-key is not text, or empty")]
    [DataRow("""{"access-key-id":"hush-hush","secret-access-key":"\ud800"}""", "secret-access-key is not text, or empty")]
    public void Anything_else_is_told_without_its_values(string json, string message)
    {
        var error = Assert.ThrowsExactly<ReplicationException>(() => Parse(json));
        StringAssert.StartsWith(error.Message, "the source");
        StringAssert.Contains(error.Message, message);
        StringAssert.Contains(error.Message, "expected {\"access-key-id\"");
        Assert.DoesNotContain("hush", error.ToString());
    }

    [TestMethod]
    public void Bytes_that_are_no_text_are_refused()
    {
        var bytes = Encoding.UTF8.GetBytes("""{"access-key-id":"AKIA1","secret-access-key":"x"}""");
        bytes[^3] = 0xff;
        StringAssert.Contains(Assert.ThrowsExactly<ReplicationException>(() => S3Credentials.Parse(bytes, "it")).Message, "secret-access-key is not text");
    }

    [TestMethod]
    public void Inherited_credentials_do_not_reach_Litestream_and_the_rest_does()
    {
        var inherited = new Dictionary<string, string>
        {
            ["AWS_ACCESS_KEY_ID"] = "inherited",
            ["AWS_SECRET_ACCESS_KEY"] = "inherited",
            ["AWS_SESSION_TOKEN"] = "inherited",
            ["AWS_PROFILE"] = "inherited",
            ["LITESTREAM_ACCESS_KEY_ID"] = "inherited",
            ["LITESTREAM_SECRET_ACCESS_KEY"] = "inherited",
            ["AWS_REGION"] = "eu-west-1",
            ["PATH"] = "/bin",
        };
        CollectionAssert.AreEquivalent(
            new Dictionary<string, string>
            {
                ["AWS_ACCESS_KEY_ID"] = "AKIA1",
                ["AWS_SECRET_ACCESS_KEY"] = "s3cr3t",
                ["AWS_SESSION_TOKEN"] = "t0ken",
                ["AWS_REGION"] = "eu-west-1",
                ["PATH"] = "/bin",
            },
            Keys.ApplyTo(inherited));
        Assert.IsFalse((Keys with { SessionToken = null }).ApplyTo(inherited).ContainsKey("AWS_SESSION_TOKEN"), "a token that is gone");
        Assert.AreEqual("inherited", inherited["AWS_PROFILE"], "what was given is left as it was");
    }

    [TestMethod]
    public void Its_text_shows_nothing()
    {
        Assert.AreEqual("S3Credentials", $"{Keys}");
        CollectionAssert.AreEqual(new[] { "s3cr3t", "t0ken" }, Keys.Secrets.ToArray());
    }

    private static S3Credentials Parse(string json) => S3Credentials.Parse(Encoding.UTF8.GetBytes(json), "the source");
}
