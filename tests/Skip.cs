namespace Datasette.Litestream;

/// <summary>
/// Ends a test that needs a part which this machine lacks. The test is skipped, or fails with <c>REQUIRE_EVERY_PART=1</c>,
/// which release builds set. Nothing else skips a test.
/// </summary>
internal static class Skip
{
    public const string Switch = "REQUIRE_EVERY_PART";

    /// <summary>The exception to throw.</summary>
    /// <param name="reason">What is missing, and where to get it, in a sentence without its full stop.</param>
    public static Exception Because(string reason) => Because(reason, Environment.GetEnvironmentVariable(Switch) == "1");

    /// <summary>The same, with or without that variable.</summary>
    public static Exception Because(string reason, bool requiresEveryPart) => requiresEveryPart
        ? new AssertFailedException($"{Switch} is set, and {reason}")
        : new AssertInconclusiveException($"skipped: {reason}");

    /// <summary>Whether an exception skips its test.</summary>
    public static bool Is(Exception exception) => exception is AssertInconclusiveException;
}
