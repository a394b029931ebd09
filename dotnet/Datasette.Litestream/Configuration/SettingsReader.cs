using System.Text.Json;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Secrets;

namespace Datasette.Litestream.Configuration;

/// <summary>
/// Reads one mapping of the configuration key by key. Whatever is wrong becomes a <see cref="Problem"/>, and the value
/// reads as null, so that all problems are found in one pass. No message shows the value of a secret.
/// </summary>
internal sealed class SettingsReader
{
    private readonly JsonElement _mapping;
    private readonly ICollection<Problem> _problems;

    /// <param name="value">The mapping; anything else is a problem, and reads as an empty one.</param>
    /// <param name="path">Its key path.</param>
    /// <param name="knownKeys">Every other key is a problem.</param>
    /// <param name="problems">Where problems go.</param>
    public SettingsReader(
        JsonElement value, string path, IReadOnlyCollection<string> knownKeys, ICollection<Problem> problems)
    {
        _mapping = value;
        _problems = problems;
        Path = path;
        if (value.ValueKind != JsonValueKind.Object)
        {
            problems.Add(new Problem(path, $"expected a mapping of settings, got {Describe(value)}"));
            return;
        }

        foreach (var name in value.EnumerateObject().Select(property => property.Name).Where(name => !knownKeys.Contains(name)))
        {
            problems.Add(new Problem($"{path}.{name}", $"unknown key{Suggestion.For(name, knownKeys)}"));
        }
    }

    public string Path { get; }

    public string KeyPath(string key) => $"{Path}.{key}";

    /// <summary>The value as it is; null where the key is not there.</summary>
    public JsonElement? Value(string key) =>
        _mapping.ValueKind == JsonValueKind.Object && _mapping.TryGetProperty(key, out var value) ? value : null;

    public string? Text(string key) => Read(key, value => ReadText(value, KeyPath(key), _problems));

    public TimeSpan? Duration(string key) => Read(key, value => ReadDuration(value, KeyPath(key), _problems));

    /// <summary>A duration that the plugin itself waits, which no timer does for longer than seven weeks.</summary>
    public TimeSpan? Wait(string key)
    {
        var longest = TimeSpan.FromDays(30);
        var duration = Duration(key);
        if (duration is null || duration <= longest)
        {
            return duration;
        }

        _problems.Add(new Problem(KeyPath(key), $"expected {GoDuration.Format(longest)} at the most, got {GoDuration.Format(duration.Value)}"));
        return null;
    }

    /// <param name="key">The key.</param>
    /// <param name="min">The smallest number that makes sense.</param>
    public long? Count(string key, long min) => Read(key, value => ReadCount(value, min, KeyPath(key), _problems));

    public bool? Flag(string key) => Value(key) is { } value ? ReadFlag(value, KeyPath(key), _problems) : null;

    /// <summary>One of a few words.</summary>
    public string? Choice(string key, params string[] choices)
    {
        var word = Text(key);
        if (word is null || choices.Contains(word))
        {
            return word;
        }

        _problems.Add(new Problem(KeyPath(key), $"expected {string.Join(" or ", choices)}, got \"{word}\"{Suggestion.For(word, choices)}"));
        return null;
    }

    /// <summary>The items of a list; one item alone is a list of one.</summary>
    public IReadOnlyList<(JsonElement Item, string Path)> List(string key) => Value(key) switch
    {
        null => [],
        { ValueKind: JsonValueKind.Array } list => [.. list.EnumerateArray().Select((item, i) => (item, $"{KeyPath(key)}[{i}]"))],
        { } single => [(single, KeyPath(key))],
    };

    public static string? ReadText(JsonElement value, string path, ICollection<Problem> problems)
    {
        if (value.ValueKind == JsonValueKind.String && value.GetString() is { Length: > 0 } text)
        {
            if (!text.Contains('\0', StringComparison.Ordinal))
            {
                return text;
            }

            problems.Add(new Problem(path, "has a NUL character, which no setting may have"));
            return null;
        }

        problems.Add(new Problem(path, $"expected text, got {Describe(value)}"));
        return null;
    }

    public static TimeSpan? ReadDuration(JsonElement value, string path, ICollection<Problem> problems)
    {
        var duration = value.ValueKind switch
        {
            JsonValueKind.Number when value.TryGetDecimal(out var seconds) => GoDuration.FromSeconds(seconds),
            JsonValueKind.String => GoDuration.Parse(value.GetString()!),
            _ => null,
        };
        if (duration is null)
        {
            problems.Add(new Problem(
                path, $"expected a duration above zero such as 10s, 1m30s or a number of seconds, got {Describe(value)}"));
        }

        return duration;
    }

    public static long? ReadCount(JsonElement value, long min, string path, ICollection<Problem> problems)
    {
        if (value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var count) && count >= min)
        {
            return count;
        }

        problems.Add(new Problem(path, $"expected a whole number of at least {min}, got {Describe(value)}"));
        return null;
    }

    public static bool? ReadFlag(JsonElement value, string path, ICollection<Problem> problems)
    {
        if (value.ValueKind is JsonValueKind.True or JsonValueKind.False)
        {
            return value.GetBoolean();
        }

        problems.Add(new Problem(path, $"expected true or false, got {Describe(value)}"));
        return null;
    }

    /// <summary>Reads a secret, which may come from a variable; no message shows it.</summary>
    public static string? ReadSecret(JsonElement value, string path, Func<string, string?> environment, ICollection<Problem> problems)
    {
        if (SecretText.Of(value) is { } text)
        {
            return Variables.ExpandSecret(text, path, environment, problems);
        }

        problems.Add(new Problem(path, $"expected text, got {SecretText.DescribeType(value)}"));
        return null;
    }

    /// <summary>What came instead, in words.</summary>
    public static string Describe(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String when value.GetString() is { Length: > 0 } text => $"\"{text}\"",
        JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False => value.GetRawText(),
        _ => SecretText.DescribeType(value),
    };

    private T? Read<T>(string key, Func<JsonElement, T?> read) => Value(key) is { } value ? read(value) : default;
}
