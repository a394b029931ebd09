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
    [DataRow("fake se/cret+", "/bucket/fake%20se%2Fcret+/x", "/bucket/***/x")]
    [DataRow("fake se/cret", "?x=fake+se%2Fcret", "?x=***")]
    [DataRow("BEGIN KEY\nfake-line-1\nfake-line-2\nEND KEY", "cannot read fake-line-1", "cannot read ***")]
    public void A_secret_is_taken_out_as_Go_writes_it_and_line_by_line(string secret, string text, string redacted) =>
        Assert.AreEqual(redacted, new Redactor([secret]).Redact(text));

    [TestMethod]
    public void Secrets_that_overlap_leave_no_part_of_either() =>
        Assert.AreEqual("a *** b", new Redactor(["fake-one-two", "two-three"]).Redact("a fake-one-two-three b"));

    [TestMethod]
    [DataRow("open /srv/minioadmin.db: denied", "open /srv/minioadmin.db: denied")]
    [DataRow("db=minioadmin.db", "db=minioadmin.db")]
    [DataRow("/srv/.minioadmin.db-litestream/ltx", "/srv/.minioadmin.db-litestream/ltx")]
    [DataRow("the key minioadmin is wrong", "the key *** is wrong")]
    [DataRow("minioadmin.dbx and xminioadmin.db", "***.dbx and x***.db")]
    [DataRow("minioadmin:minioadmin.db", "***:minioadmin.db")]
    [DataRow("MINIOADMIN.DB", "***.DB")]
    [DataRow("minioadmin/minioadmin", "***/***")]
    public void A_common_word_stays_in_a_known_text_alone(string text, string redacted) =>
        Assert.AreEqual(redacted, new Redactor(["minioadmin"], known: ["/srv/minioadmin.db", "minioadmin.db", "minioadmin"]).Redact(text));

    /// <summary>A secret that begins in a known text is none of its words.</summary>
    [TestMethod]
    public void A_secret_that_a_known_text_does_not_cover_is_taken_out() =>
        Assert.AreEqual("minioadmin.*** /srv/***", new Redactor(["db-key", "hunter2/x"], known: ["minioadmin.db", "/srv/hunter2"]).Redact("minioadmin.db-key /srv/hunter2/x"));

    [TestMethod]
    [DataRow("AKIAIOSFODNN7EXAMPLE", "****MPLE")]
    [DataRow("hushhush", "****hush")]
    [DataRow("mykeyid", "****")]
    [DataRow("minioadmin", "***")]
    public void An_access_key_id_is_shown_as_AWS_shows_it(string id, string shown)
    {
        var redactor = new Redactor(["minioadmin", "wJalrXUtnFEMI"], accessKeyIds: [id]);
        Assert.AreEqual(shown, redactor.ShowAccessKeyId(id));
        Assert.AreEqual($"the key {shown} with ***", redactor.Redact($"the key {id} with wJalrXUtnFEMI"));
    }

    /// <summary>The last characters of the id would be the first ones of the secret.</summary>
    [TestMethod]
    public void An_access_key_id_within_a_secret_is_not_shown() =>
        Assert.AreEqual("***", new Redactor(["AKIAIOSFODNN7EXAMPLE/and-more"], accessKeyIds: ["AKIAIOSFODNN7EXAMPLE"]).Redact("AKIAIOSFODNN7EXAMPLE/and-more"));

    [TestMethod]
    [DataRow("ends with wJalrXUtn", true, "ends with ***")]
    [DataRow("ends with wJalrXUtn", false, "ends with wJalrXUtn")]
    [DataRow("ends with wJa", true, "ends with wJa")]
    public void The_beginning_of_a_secret_is_taken_out_of_the_end_of_a_text_that_was_cut(string text, bool isCut, string redacted) =>
        Assert.AreEqual(redacted, new Redactor(["wJalrXUtnFEMI"]).Redact(text, isCut));

    [TestMethod]
    [DataRow("GET https://h/x?sig=fake&y=1 failed", "GET https://h/x?sig=***&y=1 failed")]
    [DataRow("https://h/x?a=1&X-Amz-Signature=fake", "https://h/x?a=1&X-Amz-Signature=***")]
    [DataRow("what? key=1", "what? key=1")]
    public void A_secret_in_the_query_of_any_URL_is_taken_out(string text, string redacted) =>
        Assert.AreEqual(redacted, new Redactor([]).Redact(text));

    [TestMethod]
    [DataRow("sftp://ranger:fa\"k e@h/p", "sftp://ranger:***@h/p")]
    [DataRow("sftp://ranger:fake@h", "sftp://ranger:***@h")]
    [DataRow("sftp://ranger@h/a:b@c", "sftp://ranger@h/a:b@c")]
    [DataRow("s3://b/minioadmin?region=x&access-key=fake", "s3://b/minioadmin?region=x&access-key=***")]
    [DataRow("/srv/a:b@c", "/srv/a:b@c")]
    [DataRow("file://", "file://")]
    public void The_secrets_of_one_URL_are_masked_by_their_places(string url, string masked) => Assert.AreEqual(masked, UrlSecrets.Mask(url));

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
