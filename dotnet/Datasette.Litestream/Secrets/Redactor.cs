using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Datasette.Litestream.Secrets;

/// <summary>
/// Removes secrets from the words of others before they are shown: Litestream's, those of another program, of the system, of an
/// exception. It knows every secret value in use, in its plain, percent-encoded and JSON-escaped forms, and also masks the
/// secrets in every URL. What the plugin itself says is made of names and paths that are no secrets, and is not redacted: a secret
/// can be a common word.
/// </summary>
internal sealed class Redactor
{
    /// <summary>The replacement for a secret.</summary>
    public const string Mask = "***";

    /// <summary>Shorter values are not treated as secrets, since masking them would make any text unreadable.</summary>
    public const int MinSecretLength = 4;

    /// <summary>The shortest beginning of a secret that is masked at the end of a text that was cut.</summary>
    private const int MinCutLength = 4;

    /// <summary>How many characters of an access key id are shown, and how many must stay hidden.</summary>
    private const int ShownLength = 4;

    /// <summary>What an access key id is shown with, as by AWS's own tools.</summary>
    private const string IdMask = "****";

    private readonly HashSet<string> _secrets;
    private readonly Form[] _forms;
    private readonly string[] _known;

    /// <param name="secrets">The values that are never shown.</param>
    /// <param name="accessKeyIds">The values of which the last characters are shown.</param>
    /// <param name="known">Texts that the pages show anyway, such as paths: a secret within one of them is a common word there. A
    /// text that is a secret itself does not count.</param>
    public Redactor(IEnumerable<string> secrets, IEnumerable<string>? accessKeyIds = null, IEnumerable<string>? known = null)
    {
        _secrets = secrets.ToHashSet(StringComparer.OrdinalIgnoreCase);
        _forms = [.. _secrets.SelectMany(secret => FormsOf(secret, Mask))
            .Concat((accessKeyIds ?? []).SelectMany(id => FormsOf(id, ShowAccessKeyId(id))))
            .DistinctBy(form => form.Text, StringComparer.OrdinalIgnoreCase)];

        // With secrets as they should be, none is left.
        _known = [.. (known ?? []).Distinct(StringComparer.Ordinal)
            .Where(text => Array.Exists(_forms, form => text.Length > form.Text.Length && text.Contains(form.Text, StringComparison.OrdinalIgnoreCase)))];
    }

    /// <summary>What is shown of an access key id: its last characters, unless it is short or a secret as well.</summary>
    public string ShowAccessKeyId(string id) =>
        _secrets.Contains(id) ? Mask : id.Length < 2 * ShownLength ? IdMask : IdMask + id[^ShownLength..];

    /// <summary>Replaces each secret in a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="isCut">Whether the text was cut, so that it may end in the midst of a secret.</param>
    [return: NotNullIfNotNull(nameof(text))]
    public string? Redact(string? text, bool isCut = false)
    {
        if (text is null)
        {
            return null;
        }

        var hits = new List<Hit>();
        foreach (var form in _forms)
        {
            for (var at = IndexOf(text, form, 0); at >= 0; at = IndexOf(text, form, at + 1))
            {
                var hit = new Hit(at, at + form.Text.Length, form.Shown);
                if (!IsWithinKnown(text, hit))
                {
                    hits.Add(hit);
                }
            }

            if (isCut && CutLength(text, form.Text) is > 0 and var length)
            {
                hits.Add(new Hit(text.Length - length, text.Length, Mask));
            }
        }

        return UrlSecrets.MaskAll(hits.Count == 0 ? text : Replace(text, hits));
    }

    /// <summary>A secret as it may be written: plain, in a URL, in JSON. Of one of several lines, a log shows one at a time.</summary>
    private static IEnumerable<Form> FormsOf(string secret, string shown) =>
        from part in secret.Split('\n', StringSplitOptions.TrimEntries).Append(secret)
        where part.Length >= MinSecretLength
        let escaped = Uri.EscapeDataString(part)
        from text in new[]
        {
            part,
            escaped,
            Uri.UnescapeDataString(part),

            // Go escapes fewer characters in a path, and a space differently in a query.
            escaped.Replace("%2B", "+", StringComparison.Ordinal).Replace("%3D", "=", StringComparison.Ordinal)
                .Replace("%24", "$", StringComparison.Ordinal).Replace("%26", "&", StringComparison.Ordinal)
                .Replace("%3A", ":", StringComparison.Ordinal).Replace("%40", "@", StringComparison.Ordinal),
            escaped.Replace("%20", "+", StringComparison.Ordinal),
            JsonEncodedText.Encode(part).Value,

            // Go writes the JSON of Litestream's log, and escapes only what it must.
            JsonEncodedText.Encode(part, JavaScriptEncoder.UnsafeRelaxedJsonEscaping).Value,
        }.Distinct(StringComparer.Ordinal)
        where text.Length >= MinSecretLength
        select new Form(text, shown);

    private static int IndexOf(string text, Form form, int start) =>
        start > text.Length ? -1 : text.IndexOf(form.Text, start, StringComparison.OrdinalIgnoreCase);

    /// <summary>How much of the beginning of a secret a text ends with.</summary>
    private static int CutLength(string text, string form)
    {
        for (var length = Math.Min(form.Length - 1, text.Length); length >= MinCutLength; length--)
        {
            if (text.AsSpan(text.Length - length).Equals(form.AsSpan(0, length), StringComparison.OrdinalIgnoreCase))
            {
                return length;
            }
        }

        return 0;
    }

    /// <summary>Whether what was found is a part of a known text that stands there by itself.</summary>
    private bool IsWithinKnown(string text, Hit hit)
    {
        foreach (var known in _known)
        {
            for (var at = Math.Max(0, hit.End - known.Length); at <= hit.Start && known.Length > hit.End - hit.Start; at++)
            {
                var end = at + known.Length;
                if (string.CompareOrdinal(text, at, known, 0, known.Length) == 0
                    && (at == 0 || !char.IsLetterOrDigit(text[at - 1])) && (end == text.Length || !char.IsLetterOrDigit(text[end])))
                {
                    return true;
                }
            }
        }

        return false;
    }

    /// <summary>Replaces what was found. Secrets that overlap go as one, since what is left of either would be a part of it.</summary>
    private static string Replace(string text, List<Hit> hits)
    {
        hits.Sort((one, other) => one.Start != other.Start ? one.Start.CompareTo(other.Start) : other.End.CompareTo(one.End));
        var replaced = new StringBuilder();
        var end = 0;
        for (var i = 0; i < hits.Count;)
        {
            var all = hits[i];
            for (i++; i < hits.Count && hits[i].Start < all.End; i++)
            {
                all = new Hit(all.Start, Math.Max(all.End, hits[i].End), hits[i] == all ? all.Shown : Mask);
            }

            replaced.Append(text, end, all.Start - end).Append(all.Shown);
            end = all.End;
        }

        return replaced.Append(text, end, text.Length - end).ToString();
    }

    /// <param name="Text">A secret in one of its forms.</param>
    /// <param name="Shown">What is shown in its place.</param>
    private readonly record struct Form(string Text, string Shown);

    /// <param name="Start">Where a secret begins.</param>
    /// <param name="End">Where it ends.</param>
    /// <param name="Shown">What is shown in its place.</param>
    private readonly record struct Hit(int Start, int End, string Shown);
}
