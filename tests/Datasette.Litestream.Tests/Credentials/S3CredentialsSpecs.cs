using Datasette.Litestream.Credentials;

namespace Datasette.Litestream.Tests.Credentials;

[TestClass]
public sealed class S3CredentialsSpecs
{
    private static readonly S3Credentials Keys = new("AKIA1", "s3cr3t", "t0ken");

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
}
