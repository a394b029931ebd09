using Datasette.Litestream.Secrets;

namespace Datasette.Litestream.Tests.Secrets;

[TestClass]
public sealed class SecretCollectionSpecs
{
    private const int KeptLines = 500;

    [TestMethod]
    public void Old_credentials_stay_secret_as_long_as_a_line_that_is_kept_can_have_them()
    {
        var secrets = new SecretCollection(Secrets("configured"), []).Replace(Secrets("first-key"), 10, KeptLines).Replace(Secrets("second-key"), 20, KeptLines);
        Assert.AreEqual("*** *** ***", secrets.Redactor.Redact("configured first-key second-key"));
        var later = secrets.Replace(Secrets("third-key"), 519, KeptLines);
        Assert.AreEqual("*** *** *** ***", later.Redactor.Redact("configured first-key second-key third-key"));
        var muchLater = later.Replace(Secrets("fourth-key"), 520, KeptLines);
        Assert.AreEqual("*** first-key *** *** ***", muchLater.Redactor.Redact("configured first-key second-key third-key fourth-key"));
    }

    /// <summary>Each rotation restarts Litestream, which logs a few lines.</summary>
    [TestMethod]
    public void Ten_thousand_rotations_do_not_add_up()
    {
        var secrets = new SecretCollection(Secrets(), []);
        for (var rotation = 0; rotation < 10_000; rotation++)
        {
            secrets = secrets.Replace(Secrets($"key-of-rotation-{rotation}"), rotation * 5, KeptLines);
        }

        var kept = Enumerable.Range(0, 10_000).Count(rotation => secrets.Redactor.Redact($"key-of-rotation-{rotation}") == Redactor.Mask);
        Assert.AreEqual((KeptLines / 5) + 1, kept);
    }

    [TestMethod]
    public void Access_key_ids_and_known_texts_are_those_of_all_credentials()
    {
        var secrets = new SecretCollection(new SecretValues([], ["AKIACONFIGURED12"]), ["/srv/minioadmin.db"])
            .Replace(new SecretValues(["minioadmin"], ["AKIAFIRST1234567"]), 10, KeptLines);
        Assert.AreEqual(
            "****ED12, ****4567: *** in /srv/minioadmin.db",
            secrets.Redactor.Redact("AKIACONFIGURED12, AKIAFIRST1234567: minioadmin in /srv/minioadmin.db"));
    }

    private static SecretValues Secrets(params string[] secrets) => new(secrets, []);
}
