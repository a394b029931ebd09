using Datasette.Litestream.Credentials;

namespace Datasette.Litestream.Tests.Credentials;

[TestClass]
public sealed class ShellWordsSpecs
{
    [TestMethod]
    [DataRow("")]
    [DataRow(" \t\n ")]
    [DataRow("vault kv get", "vault", "kv", "get")]
    [DataRow("  a\t b\nc\r\n", "a", "b", "c")]
    [DataRow("'a b'\"c d\"e", "a bc de")]
    [DataRow("'' \"\"", "", "")]
    [DataRow("'a\\b' '\"'", "a\\b", "\"")]
    [DataRow("\"a\\\"b\\\\c\\$d\\`e\\f'\"", "a\"b\\c$d`e\\f'")]
    [DataRow("a\\ b \\' \\\\ \\x", "a b", "'", "\\", "x")]
    [DataRow("$HOME ; | > * ~ # `x`", "$HOME", ";", "|", ">", "*", "~", "#", "`x`")]
    [DataRow("run \\\n  --flag long\\\nword \"in \\\nquotes\"", "run", "--flag", "longword", "in quotes")]
    [DataRow("héé 😀", "héé", "😀")]
    public void Words_are_split_as_a_shell_does(string line, params string[] words) =>
        CollectionAssert.AreEqual(words, ShellWords.Split(line).ToArray());

    [TestMethod]
    [DataRow("a 'b", "has a ' that is not closed")]
    [DataRow("\"a \\\"", "has a \" that is not closed")]
    [DataRow("'\"", "has a ' that is not closed")]
    [DataRow("a\\", "ends with a backslash")]
    public void What_no_shell_would_take_is_refused(string line, string message) =>
        Assert.AreEqual(message, Assert.ThrowsExactly<FormatException>(() => ShellWords.Split(line)).Message);
}
