using System.Text;
using Datasette.Litestream.Credentials;
using Datasette.Litestream.Errors;

namespace Datasette.Litestream.Tests.Credentials;

[TestClass]
public sealed class IssuedCredentialsSpecs
{
    private static readonly S3Credentials Keys = new("AKIA1", "s3cr3t", "t0ken");
    private static readonly DateTimeOffset Now = new(2026, 5, 1, 12, 0, 0, TimeSpan.Zero);

    [TestMethod]
    [DataRow("""{"access-key-id":"AKIA1","secret-access-key":"s3cr3t","session-token":"t0ken"}""", "t0ken")]
    [DataRow("\uFEFF{\"access-key-id\":\"AKIA1\",\"secret-access-key\":\"s3cr3t\"}\n", null, DisplayName = "with a byte order mark")]
    [DataRow("""{"expires":{"at":[1]},"access-key-id":"AKIA1","secret-access-key":"s3cr3t","session-token":null}""", null)]
    public void The_names_of_the_configuration_are_read_and_other_keys_are_passed_over(string json, string? token) =>
        Assert.AreEqual(new IssuedCredentials(Keys with { SessionToken = token }), Parse(json));

    [TestMethod]
    [DataRow("""{"AccessKeyId":"AKIA1","SecretAccessKey":"s3cr3t"}""", null, false, DisplayName = "without anything else")]
    [DataRow("""{"Version":1,"AccessKeyId":"AKIA1","SecretAccessKey":"s3cr3t"}""", null, false, DisplayName = "aws configure export-credentials, of a user")]
    [DataRow("""
        {"Version": 1, "AccessKeyId": "AKIA1", "SecretAccessKey": "s3cr3t", "SessionToken": "t0ken", "Expiration": "2026-05-01T13:00:00+00:00"}
        """, "t0ken", true, DisplayName = "aws configure export-credentials, of a role")]
    [DataRow("""
        {"UserName": "s3.read-write.b", "AccessKeyId": "AKIA1", "Status": "Active", "SecretAccessKey": "s3cr3t", "CreateDate": "2026-05-01 11:59:00+00:00"}
        """, null, false, DisplayName = "s3-credentials create")]
    [DataRow("""
        {"AccessKeyId": "AKIA1", "SecretAccessKey": "s3cr3t", "SessionToken": "t0ken", "Expiration": "2026-05-01 13:00:00+00:00"}
        """, "t0ken", true, DisplayName = "s3-credentials create --duration")]
    [DataRow("""
        {"Credentials": {"AccessKeyId": "AKIA1", "SecretAccessKey": "s3cr3t", "SessionToken": "t0ken", "Expiration": "2026-05-01T13:00:00Z"},
         "AssumedRoleUser": {"AssumedRoleId": "AROA:x", "Arn": "arn:aws:sts::1:assumed-role/x/x"}}
        """, "t0ken", true, DisplayName = "aws sts assume-role")]
    [DataRow("""
        {"Code": "Success", "LastUpdated": "2026-05-01T07:00:00Z", "Type": "AWS-HMAC", "AccessKeyId": "AKIA1", "SecretAccessKey": "s3cr3t",
         "Token": "t0ken", "Expiration": "2026-05-01T15:00:00.000+02:00"}
        """, "t0ken", true, DisplayName = "instance metadata")]
    [DataRow("""{"AccessKeyId":"AKIA1","SecretAccessKey":"s3cr3t","Expiration":"2026-05-01T13:00:00"}""", null, true, DisplayName = "a time without an offset")]
    [DataRow("""{"Credentials":{"access-key-id":"AKIA1","secret-access-key":"s3cr3t","Expiration":"2026-05-01T13:00:00Z"}}""", null, true, DisplayName = "a mixture")]
    [DataRow("""{"AccessKeyId":"AKIA1","SecretAccessKey":"s3cr3t","SessionToken":null,"Expiration":null,"Credentials":{"AccessKeyId":"x"}}""", null, false, DisplayName = "nulls")]
    public void What_AWS_tools_print_is_read(string json, string? token, bool expires) =>
        Assert.AreEqual(new IssuedCredentials(Keys with { SessionToken = token }, expires ? Now.AddHours(1) : null), Parse(json));

    [TestMethod]
    [DataRow("", "is not JSON (line 1)")]
    [DataRow("{\n\"access-key-id\": \"hush-hush\",\n\"secret", "is not JSON (line 3)")]
    [DataRow("hush-hush", "is not JSON (line 1)")]
    [DataRow("[\"hush-hush\"]", "is not a JSON object")]
    [DataRow("""{"access-key-id":"hush-hush"}""", "has no secret-access-key")]
    [DataRow("""{"secret-access-key":"hush-hush"}""", "has no access-key-id")]
    [DataRow("""{"AccessKeyId":"hush-hush"}""", "has no SecretAccessKey")]
    [DataRow("""{"Credentials":{"SecretAccessKey":"hush-hush"}}""", "has no AccessKeyId")]
    [DataRow("""{"Credentials":"hush-hush"}""", "has no access-key-id")]
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
        StringAssert.Contains(error.Message, "as AWS tools print them");
        Assert.DoesNotContain("hush", error.ToString());
    }

    [TestMethod]
    [DataRow("\"2026-05-01T12:00:00Z\"", "the source has credentials that expired at 2026-05-01 12:00:00Z; have new ones issued.")]
    [DataRow("\"2026-05-01T12:30:00+01:00\"", "the source has credentials that expired at 2026-05-01 11:30:00Z; have new ones issued.")]
    [DataRow("\"soon\"", "the source: Expiration is not a time; expected one such as 2026-05-01T12:00:00Z.")]
    [DataRow("1777636800", "the source: Expiration is not text, or empty; expected {")]
    public void Expired_ones_and_those_that_may_be_are_an_error(string expiration, string message)
    {
        var error = Assert.ThrowsExactly<ReplicationException>(() => Parse($$"""{"AccessKeyId":"hush","SecretAccessKey":"hush","Expiration":{{expiration}}}"""));
        StringAssert.StartsWith(error.Message, message);
        Assert.DoesNotContain("hush", error.ToString());
    }

    [TestMethod]
    public void Bytes_that_are_no_text_are_refused()
    {
        var bytes = Encoding.UTF8.GetBytes("""{"access-key-id":"AKIA1","secret-access-key":"x"}""");
        bytes[^3] = 0xff;
        StringAssert.Contains(Assert.ThrowsExactly<ReplicationException>(() => IssuedCredentials.Parse(bytes, "it", Now)).Message, "secret-access-key is not text");
    }

    [TestMethod]
    public void Its_text_shows_no_secret() => Assert.DoesNotContain(Keys.SecretAccessKey, $"{new IssuedCredentials(Keys)}");

    private static IssuedCredentials Parse(string json) => IssuedCredentials.Parse(Encoding.UTF8.GetBytes(json), "the source", Now);
}
