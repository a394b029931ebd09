namespace Datasette.Litestream.EndToEnd;

/// <summary>
/// The number of repetitions of a failure: the full number with <c>DATASETTE_LITESTREAM_FULL=1</c>, otherwise a tenth.
/// </summary>
internal static class Scale
{
    public static bool IsFull { get; } = Environment.GetEnvironmentVariable("DATASETTE_LITESTREAM_FULL") == "1";

    public static int Of(int full) => IsFull ? full : Math.Max(1, full / 10);
}
