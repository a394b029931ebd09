using System.Runtime.CompilerServices;
using Datasette.Litestream.Configuration;

namespace Datasette.Litestream.Reporting;

/// <summary>A part of a sentence, which a page may show as more than a text.</summary>
/// <param name="Text">The text.</param>
/// <param name="Database">The database whose name it is; null if it is none.</param>
/// <param name="At">The time that it tells; null if it tells none.</param>
internal sealed record SentencePart(string Text, string? Database = null, DateTimeOffset? At = null);

/// <summary>
/// A sentence that remembers which of its words are names of databases and which are times, so that a page can link the names.
/// It is written as an interpolated string: <c>Sentence sentence = $"{database.Plan} is behind";</c>.
/// </summary>
[InterpolatedStringHandler]
internal sealed class Sentence
{
    private readonly List<SentencePart> _parts = [];

    public Sentence()
    {
    }

    /// <summary>The constructor that the compiler calls for an interpolated string.</summary>
    /// <param name="literalLength">The number of characters between the holes.</param>
    /// <param name="formattedCount">The number of holes.</param>
    public Sentence(int literalLength, int formattedCount) => _parts.EnsureCapacity(formattedCount + Math.Min(literalLength, formattedCount + 1));

    public IReadOnlyList<SentencePart> Parts => _parts;

    /// <summary>A sentence where the compiler would take an interpolated string for a text.</summary>
    public static Sentence Of(Sentence sentence) => sentence;

    /// <summary>A copy that starts with a capital letter.</summary>
    public Sentence Capitalized()
    {
        var copy = new Sentence();
        copy.AppendFormatted(this);
        if (copy._parts is [{ Text: [var first, ..] text } part, ..])
        {
            copy._parts[0] = part with { Text = char.ToUpperInvariant(first) + text[1..] };
        }

        return copy;
    }

    /// <summary>Sentences with something between each two.</summary>
    public static Sentence Join(string separator, IEnumerable<Sentence> sentences)
    {
        var joined = new Sentence();
        foreach (var sentence in sentences)
        {
            joined.AppendLiteral(joined._parts.Count > 0 ? separator : "");
            joined.AppendFormatted(sentence);
        }

        return joined;
    }

    public void AppendLiteral(string text)
    {
        // Adjacent texts are one part.
        if (_parts is [.., { Database: null, At: null } last])
        {
            _parts[^1] = last with { Text = last.Text + text };
        }
        else if (text.Length > 0)
        {
            _parts.Add(new SentencePart(text));
        }
    }

    public void AppendFormatted(string text) => AppendLiteral(text);

    public void AppendFormatted(int number) => AppendLiteral(Wording.Count(number));

    /// <summary>A database by its name.</summary>
    public void AppendFormatted(DatabasePlan database) => _parts.Add(new SentencePart(database.Name, Database: database.Name));

    public void AppendFormatted(SentencePart part) => _parts.Add(part);

    public void AppendFormatted(Sentence sentence)
    {
        foreach (var part in sentence._parts)
        {
            if (part is { Database: null, At: null })
            {
                AppendLiteral(part.Text);
            }
            else
            {
                _parts.Add(part);
            }
        }
    }

    /// <summary>The sentence as a text.</summary>
    public override string ToString() => string.Concat(_parts.Select(part => part.Text));
}
