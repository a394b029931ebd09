namespace Datasette.Litestream.EndToEnd;

/// <summary>How often the tests that repeat a failure do so: in full with <c>DATASETTE_LITESTREAM_FULL=1</c>, else a tenth.</summary>
internal static class Scale
{
    public static bool IsFull { get; } = Environment.GetEnvironmentVariable("DATASETTE_LITESTREAM_FULL") == "1";

    public static int Of(int full) => IsFull ? full : Math.Max(1, full / 10);
}
