using Datasette.Litestream.Secrets;

namespace Datasette.Litestream.Tests.Secrets;

[TestClass]
public sealed class SecretCollectionSpecs
{
    private const int KeptLines = 500;

    [TestMethod]
    public void Old_credentials_stay_secret_as_long_as_a_line_that_is_kept_can_have_them()
    {
        var secrets = new SecretCollection(["configured"]).Replace(["first-key"], 10, KeptLines).Replace(["second-key"], 20, KeptLines);
        Assert.AreEqual("*** *** ***", secrets.Redactor.Redact("configured first-key second-key"));
        var later = secrets.Replace(["third-key"], 519, KeptLines);
        Assert.AreEqual("*** *** *** ***", later.Redactor.Redact("configured first-key second-key third-key"));
        var muchLater = later.Replace(["fourth-key"], 520, KeptLines);
        Assert.AreEqual("*** first-key *** *** ***", muchLater.Redactor.Redact("configured first-key second-key third-key fourth-key"));
    }

    /// <summary>Each rotation restarts Litestream, which logs a few lines.</summary>
    [TestMethod]
    public void Ten_thousand_rotations_do_not_add_up()
    {
        var secrets = new SecretCollection([]);
        for (var rotation = 0; rotation < 10_000; rotation++)
        {
            secrets = secrets.Replace([$"key-of-rotation-{rotation}"], rotation * 5, KeptLines);
        }

        var kept = Enumerable.Range(0, 10_000).Count(rotation => secrets.Redactor.Redact($"key-of-rotation-{rotation}") == Redactor.Mask);
        Assert.AreEqual((KeptLines / 5) + 1, kept);
    }
}
