namespace Datasette.Litestream.Configuration;

/// <summary>"Did you mean": the known word nearest to what was written.</summary>
internal static class Suggestion
{
    /// <summary>A sentence part such as <c>; did you mean "replicas"?</c>, or nothing where no known word is near.</summary>
    public static string For(string written, IEnumerable<string> known)
    {
        var nearest = known
            .Where(word => Math.Abs(word.Length - written.Length) <= Farthest(word))
            .Select(word => (Word: word, Distance: Distance(written, word, Farthest(word))))
            .Where(candidate => candidate.Distance <= Farthest(candidate.Word))
            .OrderBy(candidate => candidate.Distance)
            .Select(candidate => candidate.Word)
            .FirstOrDefault();
        return nearest is null ? "" : $"; did you mean \"{nearest}\"?";
    }

    // A third of its letters: three letters share one with nearly anything.
    private static int Farthest(string word) => (word.Length + 2) / 3;

    // Levenshtein's, over two rows, as far as it matters: a row never has less than the one before.
    private static int Distance(string left, string right, int farthest)
    {
        var previous = new int[right.Length + 1];
        var current = new int[right.Length + 1];
        for (var j = 0; j < previous.Length; j++)
        {
            previous[j] = j;
        }

        for (var i = 0; i < left.Length; i++)
        {
            var min = current[0] = i + 1;
            for (var j = 0; j < right.Length; j++)
            {
                var isSame = char.ToUpperInvariant(left[i]) == char.ToUpperInvariant(right[j]);
                current[j + 1] = Math.Min(previous[j] + (isSame ? 0 : 1), Math.Min(previous[j + 1], current[j]) + 1);
                min = Math.Min(min, current[j + 1]);
            }

            if (min > farthest)
            {
                return min;
            }

            (previous, current) = (current, previous);
        }

        return previous[^1];
    }
}
