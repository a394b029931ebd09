namespace Datasette.Litestream.EndToEnd;

/// <summary>Compares dumps of databases, and tells of thousands of rows only those in which they differ.</summary>
internal static class DumpComparison
{
    /// <summary>How many lines of each kind are told.</summary>
    private const int MaxLines = 5;

    private const int MaxLineLength = 200;

    /// <summary>Asserts that a restored database is equal to the original.</summary>
    /// <param name="original">The dump of the original.</param>
    /// <param name="restored">That of the restored one.</param>
    public static void AssertEqual(string original, string restored)
    {
        if (FindDifference(original, restored) is { } difference)
        {
            Assert.Fail($"the restored database is not equal to the original: {difference}");
        }
    }

    /// <summary>Asserts that a line of a dump, or a part of one, is there.</summary>
    public static void AssertContains(string dump, string text) =>
        Assert.IsTrue(dump.Contains(text, StringComparison.Ordinal), $"the database lacks '{text.Trim()}' and ends with {Show([.. dump.Split('\n').TakeLast(MaxLines)])}");

    /// <returns>The first lines in which the dumps differ; null if they are equal.</returns>
    public static string? FindDifference(string original, string restored)
    {
        if (original == restored)
        {
            return null;
        }

        var (first, second) = (original.Split('\n'), restored.Split('\n'));
        var (missing, added) = (Without(first, second), Without(second, first));
        return missing.Count + added.Count == 0
            ? "its rows are in another order"
            : $"it has {second.Length} lines for {first.Length}, lacks {Show(missing)}, and has instead {Show(added)}";
    }

    /// <summary>The lines of the one that the other has less often.</summary>
    private static List<string> Without(string[] lines, string[] others)
    {
        var counts = others.CountBy(line => line).ToDictionary(StringComparer.Ordinal);
        return [.. lines.Where(line => (counts[line] = counts.GetValueOrDefault(line) - 1) < 0)];
    }

    private static string Show(List<string> lines) => lines.Count == 0
        ? "none"
        : $"{lines.Count} ({string.Join(", ", lines.Take(MaxLines).Select(line => $"'{(line.Length > MaxLineLength ? $"{line[..MaxLineLength]}…" : line)}'"))}{(lines.Count > MaxLines ? ", …" : "")})";
}
