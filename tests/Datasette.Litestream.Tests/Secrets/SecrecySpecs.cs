using Datasette.Litestream.Tests.Configuration;

namespace Datasette.Litestream.Tests.Secrets;

[TestClass]
public sealed class SecrecySpecs
{
    [TestMethod]
    [DataRow("sftp://ranger:hunter2-fake@h/100%")]
    [DataRow("sftp://ranger:hunter2-fake/x@h/p")]
    [DataRow("sftp://ranger:hunter2-fake@h/p#q")]
    [DataRow("sftp://ranger:hunter2-fake@h/p?q")]
    [DataRow("sftp://ranger:fake$hunter2@h/p")]
    [DataRow("""{"url": "sftp://ranger:$hunter2@h/p"}""")]
    [DataRow("smtp://ranger:hunter2-fake@h/p")]
    [DataRow("sftp://ranger:hunter2-fake@/p")]
    [DataRow("s3://b/p?access-key=hunter2-fake")]
    [DataRow("abs://a@b/p?sig=hunter2-fake")]
    [DataRow("""{"url": "sftp://ranger:hunter2-fake@h/p", "type": "hunter2-fake"}""")]
    [DataRow("""{"url": "sftp://ranger:hunter2-fake@h/100%"}""")]
    [DataRow("""{"type": "s3", "secret-access-key": "hunter2-fake", "bucket": ["hunter2-fake"]}""")]
    [DataRow("""{"type": "s3", "secret-access-key": "hunter2-fake", "region": {"hunter2": 1}}""")]
    [DataRow("""{"type": "s3", "secret-access-key": ["hunter2-fake"]}""")]
    [DataRow("""{"type": "sftp", "password": "$hunter2"}""")]
    [DataRow("""{"path": "/x", "age": {"identities": "hunter2-fake"}}""")]
    [DataRow("""{"path": "/x", "age": {"identities": [{"x": "hunter2-fake"}]}}""")]
    public void No_problem_tells_a_secret(string replica)
    {
        var planned = Plans.FromReplica(replica);

        Assert.IsNotEmpty(planned.Problems);
        Assert.DoesNotContain("hunter2", string.Join('\n', planned.Problems));
    }

    [TestMethod]
    [DataRow("sftp://ranger:hunter2%2Dfake@h/p", "hunter2-fake")]
    [DataRow("""{"url": "sftp://ranger:$SECRET@h/p"}""", "fake-secret-from-the-environment")]
    [DataRow("""{"type": "abs", "bucket": "b", "account-key": "hunter2-fake", "sas-token": "$SECRET"}""", "hunter2-fake, fake-secret-from-the-environment")]
    [DataRow("""{"type": "webdav", "webdav-url": "http://h", "webdav-password": " hunter2-fake\n"}""", "hunter2-fake")]
    [DataRow("""{"path": "/x", "age": {"recipients": ["age1x"], "identities": ["hunter2-fake"]}}""", "hunter2-fake")]
    public void The_plan_knows_every_secret(string replica, string secrets) =>
        Assert.AreEqual(secrets, string.Join(", ", Plans.FromReplica(replica).Sound.Secrets));
}
