namespace Datasette.Litestream.Configuration;

/// <summary>Creates a "did you mean" suggestion: the known word nearest to what was written.</summary>
internal static class Suggestion
{
    /// <summary>A part of a sentence such as <c>; did you mean "replicas"?</c>; empty if no known word is near.</summary>
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

    // The maximum distance is a third of the word's length, since a short word shares a letter with nearly any other.
    private static int Farthest(string word) => (word.Length + 2) / 3;

    // The Levenshtein distance, with two rows. It stops early if it gets too large: the minimum of a row never decreases.
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
