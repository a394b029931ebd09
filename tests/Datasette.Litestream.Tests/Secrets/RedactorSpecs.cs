using System.Text.Json;
using Datasette.Litestream.Secrets;

namespace Datasette.Litestream.Tests.Secrets;

[TestClass]
public sealed class RedactorSpecs
{
    [TestMethod]
    [DataRow("fake/secret+1", "key fake/secret+1.", "key ***.")]
    [DataRow("fake/secret+1", "?key=fake%2Fsecret%2B1&x", "?key=***&x")]
    [DataRow("fake/secret+1", "?key=fake%2fsecret%2b1&x", "?key=***&x")]
    [DataRow("fake%2Fsecret", "key fake/secret", "key ***")]
    [DataRow("fake-secret", "FAKE-SECRET fake-secret", "*** ***")]
    [DataRow("fake\"sec\\ret", "{\"key\":\"fake\\\"sec\\\\ret\"}", "{\"key\":\"***\"}")]
    [DataRow("fakeé\nsecret", "{\"key\":\"fakeé\\nsecret\"}", "{\"key\":\"***\"}")]
    [DataRow("fake", "a fake", "a ***")]
    [DataRow("abc", "abc", "abc")]
    [DataRow("", "abc", "abc")]
    public void A_secret_is_taken_out_in_whatever_form(string secret, string text, string redacted) =>
        Assert.AreEqual(redacted, new Redactor([secret]).Redact(text));

    [TestMethod]
    public void A_secret_is_taken_out_as_dotnet_escapes_it()
    {
        var json = JsonSerializer.Serialize("fake\"sec<ret>é'+");

        Assert.AreEqual($"\"{Redactor.Mask}\"", new Redactor(["fake\"sec<ret>é'+"]).Redact(json));
    }

    [TestMethod]
    public void A_secret_that_contains_another_goes_as_a_whole() =>
        Assert.AreEqual("*** ***", new Redactor(["fake-secret", "fake-secret-and-more"]).Redact("fake-secret-and-more fake-secret"));

    [TestMethod]
    [DataRow("dial sftp://ranger:fake@h/p failed", "dial sftp://ranger:***@h/p failed")]
    [DataRow("sftp://ranger:fa@ke@h/p", "sftp://ranger:***@h/p")]
    [DataRow("sftp://:fake@h", "sftp://:***@h")]
    [DataRow("\"sftp://ranger:fake@h\"", "\"sftp://ranger:***@h\"")]
    [DataRow("sftp://ranger:fake@h, nats+tls://x:y@z", "sftp://ranger:***@h, nats+tls://x:***@z")]
    [DataRow("sftp://ranger@h:22/p", "sftp://ranger@h:22/p")]
    [DataRow("http://h:80/a@b", "http://h:80/a@b")]
    [DataRow("http://h:80 and a@b", "http://h:80 and a@b")]
    public void The_password_of_any_URL_is_taken_out(string text, string redacted) =>
        Assert.AreEqual(redacted, new Redactor([]).Redact(text));
}
