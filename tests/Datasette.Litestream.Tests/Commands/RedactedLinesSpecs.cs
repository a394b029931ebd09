using System.Text;
using Datasette.Litestream.Commands;
using Datasette.Litestream.Secrets;

namespace Datasette.Litestream.Tests.Commands;

[TestClass]
public sealed class RedactedLinesSpecs
{
    [TestMethod]
    public void A_secret_that_two_pieces_share_is_taken_out()
    {
        var lines = new List<string>();
        var (output, redactor) = (new RedactedLines(lines.Add), new Redactor(["fake-secret"]));
        foreach (var piece in new[] { "é one fake-", "secret two\nthr", "ee", "" })
        {
            output.Add(Encoding.UTF8.GetBytes(piece), redactor);
        }

        CollectionAssert.AreEqual(new[] { "é one *** two", "three" }, lines);
    }

    [TestMethod]
    public void A_character_that_two_pieces_share_is_whole()
    {
        var (lines, bytes) = (new List<string>(), Encoding.UTF8.GetBytes("é\n"));
        var (output, redactor) = (new RedactedLines(lines.Add), new Redactor([]));
        output.Add(bytes.AsMemory(0, 1), redactor);
        output.Add(bytes.AsMemory(1), redactor);
        CollectionAssert.AreEqual(new[] { "é" }, lines);
    }
}
