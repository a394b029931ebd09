namespace Datasette.Litestream.Configuration;

/// <summary>"Did you mean": the known word nearest to what was written.</summary>
internal static class Suggestion
{
    /// <summary>A sentence part such as <c>; did you mean "replicas"?</c>, or nothing where no known word is near.</summary>
    public static string For(string written, IEnumerable<string> known)
    {
        var nearest = known
            .Select(word => (Word: word, Distance: Distance(written, word)))
            .Where(candidate => candidate.Distance <= Math.Max(2, candidate.Word.Length / 3))
            .OrderBy(candidate => candidate.Distance)
            .Select(candidate => candidate.Word)
            .FirstOrDefault();
        return nearest is null ? "" : $"; did you mean \"{nearest}\"?";
    }

    // Levenshtein's, over two rows.
    private static int Distance(string left, string right)
    {
        var previous = Enumerable.Range(0, right.Length + 1).ToArray();
        for (var i = 0; i < left.Length; i++)
        {
            var current = new int[right.Length + 1];
            current[0] = i + 1;
            for (var j = 0; j < right.Length; j++)
            {
                var substitution = previous[j] + (left[i] == right[j] ? 0 : 1);
                current[j + 1] = Math.Min(substitution, Math.Min(previous[j + 1], current[j]) + 1);
            }

            previous = current;
        }

        return previous[^1];
    }
}
