using System.Text.Json;
using System.Text.Json.Nodes;
using Datasette.Litestream.Secrets;

namespace Datasette.Litestream.Configuration;

/// <summary>
/// Reads one mapping of the configuration according to its part of the <see cref="SettingsTable"/>, each value once. An invalid
/// value is reported as a problem and read as null, so that all problems are found in one pass. No message shows the value of a
/// secret.
/// </summary>
internal sealed class SettingsReader
{
    private readonly JsonElement _mapping;
    private readonly string _path;
    private readonly SettingsScope _scope;
    private readonly PlanningContext _context;
    private readonly Variables? _variables;
    private readonly Dictionary<string, object?> _values = new(StringComparer.Ordinal);

    /// <param name="value">The mapping; null is read as an empty one, and anything else too, after a problem is reported.</param>
    /// <param name="path">Its key path.</param>
    /// <param name="scope">The allowed keys; every other key is a problem.</param>
    /// <param name="context">Receives problems and secrets.</param>
    /// <param name="variables">The variables to expand in text; null for none.</param>
    public SettingsReader(JsonElement? value, string path, SettingsScope scope, PlanningContext context, Variables? variables = null)
    {
        _path = path;
        _scope = scope;
        _context = context;
        _variables = variables;
        if (value is not { } mapping)
        {
            return;
        }

        if (mapping.ValueKind != JsonValueKind.Object)
        {
            context.Report(path, DescribeMissingSpace(mapping, scope) ?? $"expected a mapping of settings, got {Describe(mapping)}");
            return;
        }

        _mapping = mapping;
        foreach (var property in mapping.EnumerateObject())
        {
            if (!scope.Has(property.Name))
            {
                context.Report($"{path}.{property.Name}", $"unknown key{Suggestion.For(property.Name, scope.Keys)}");
            }
        }

        foreach (var setting in scope.All)
        {
            foreach (var other in setting.OtherNames.Where(other => mapping.TryGetProperty(other, out _) && NameOf(setting.Key) != other))
            {
                context.Report($"{path}.{other}", $"is another name of {NameOf(setting.Key)}, which is given too; keep one of them");
            }
        }
    }

    /// <summary>The path of a key, by the name that it has in the configuration.</summary>
    public string KeyPath(string key) => $"{_path}.{NameOf(key)}";

    /// <summary>The name that a setting has in the configuration: its key, or another name.</summary>
    public string NameOf(string key) => _mapping.ValueKind == JsonValueKind.Object && !_mapping.TryGetProperty(key, out _)
        ? Array.Find(_scope[key].OtherNames, other => _mapping.TryGetProperty(other, out _)) ?? key
        : key;

    /// <summary>Whether the key exists, whatever its value is.</summary>
    public bool Has(string key) => Value(_scope[key]) is not null;

    /// <summary>Text, a secret or a choice.</summary>
    public string? Text(string key) => (string?)Read(_scope[key]);

    public string TextOrDefault(string key) => Text(key) ?? (string)_scope[key].Default!;

    public TimeSpan? Duration(string key) => (TimeSpan?)Read(_scope[key]);

    public TimeSpan DurationOrDefault(string key) => Duration(key) ?? (TimeSpan)_scope[key].Default!;

    /// <summary>A list of text; empty if there is none.</summary>
    public IReadOnlyList<string> Texts(string key) => Read(_scope[key]) is JsonArray texts ? [.. texts.Select(text => text!.GetValue<string>())] : [];

    /// <summary>The reader of a mapping; null if there is none. To be called once.</summary>
    public SettingsReader? Mapping(string key) =>
        Value(_scope[key]) is { } mapping ? new SettingsReader(mapping, KeyPath(key), _scope[key].Members!, _context, _variables) : null;

    /// <summary>Whether a setting is <c>false</c>, whatever its kind is.</summary>
    public bool IsTurnedOff(string key) => Value(_scope[key]) is { ValueKind: JsonValueKind.False };

    public bool FlagOrDefault(string key) => (bool)(Read(_scope[key]) ?? _scope[key].Default!);

    public Uri? SecretUrl(string key) => (Uri?)Read(_scope[key]);

    public MetricsAddress? Address(string key) => (MetricsAddress?)Read(_scope[key]);

    /// <summary>The items of a list, for another reader; a single item counts as a list of one.</summary>
    public IReadOnlyList<ListItem> Items(string key)
    {
        if (Value(_scope[key]) is not { } value)
        {
            return [];
        }

        var path = KeyPath(key);
        return value.ValueKind == JsonValueKind.Array ? ListItem.Of(value, path) : [new ListItem(value, path)];
    }

    /// <summary>The settings for Litestream: text, whole numbers, true and false, lists of text, and mappings of those.</summary>
    public JsonObject LitestreamSettings()
    {
        var settings = new JsonObject();
        foreach (var setting in _scope.All)
        {
            if (setting.ReleaseLines != ReleaseLine.None && Read(setting) is { } value)
            {
                settings[setting.Key] = value switch
                {
                    TimeSpan duration => GoDuration.Format(duration),
                    long number => number,
                    bool flag => flag,
                    string text => text,
                    _ => (JsonNode)value,
                };
            }
        }

        return settings;
    }

    /// <summary>Describes a value of the wrong kind, in words.</summary>
    public static string Describe(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String when value.GetString() is { Length: > 0 } text => $"\"{text}\"",
        JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False => value.GetRawText(),
        _ => SecretText.DescribeType(value),
    };

    /// <summary>
    /// What to say of text that stands where a mapping belongs, and begins with a key and a colon: in YAML, <c>path:db</c> is text.
    /// The text is not shown, since its key may be that of a secret. Null for anything else.
    /// </summary>
    public static string? DescribeMissingSpace(JsonElement value, SettingsScope scope) =>
        value.ValueKind == JsonValueKind.String && value.GetString() is { } text && text.IndexOf(':', StringComparison.Ordinal) is > 0 and var colon
            && scope.Has(text[..colon])
            ? $"is text that begins with \"{text[..colon]}:\"; write a space after the colon, so that {text[..colon]} is a setting"
            : null;

    private JsonElement? Value(Setting setting) =>
        _mapping.ValueKind == JsonValueKind.Object && _mapping.TryGetProperty(NameOf(setting.Key), out var value) ? value : null;

    private object? Read(Setting setting) =>
        _values.TryGetValue(setting.Key, out var known) || Value(setting) is not { } value
            ? known
            : _values[setting.Key] = Read(setting, value, KeyPath(setting.Key));

    private object? Read(Setting setting, JsonElement value, string path) => setting.Kind switch
    {
        SettingKind.Text => ReadText(value, path),
        SettingKind.Url => ReadPlainText(value, path) is { } url ? _variables!.ExpandUrl(url, path, _context.Problems) : null,
        SettingKind.Secret => ReadSecret(value, path, SettingsTable.IsAccessKeyId(setting.Key) ? _context.AccessKeyIds : _context.Secrets),
        SettingKind.SecretUrl => ReadSecretUrl(value, path),
        SettingKind.Choice => ReadChoice(value, setting.Choices, path),
        SettingKind.Duration => setting.MayBeOff && IsOff(value) ? Timeout.InfiniteTimeSpan : ReadDuration(value, setting.Shortest, setting.Max, path),
        SettingKind.Count => ReadCount(value, setting.Min, path),
        SettingKind.Flag => ReadFlag(value, path),
        SettingKind.Size => value.ValueKind == JsonValueKind.Number ? ReadCount(value, setting.Min, path) : ReadText(value, path),
        SettingKind.Address => ReadAddress(value, path),
        SettingKind.DurationList => ReadDurationList(value, setting.Members!, path),
        SettingKind.TextList => ReadList(value, isSecret: false, path),
        SettingKind.SecretList => ReadList(value, isSecret: true, path),
        SettingKind.Mapping => new SettingsReader(value, path, setting.Members!, _context, _variables).LitestreamSettings(),
        _ => throw new InvalidOperationException($"{setting.Key} is read item by item"),
    };

    private string? ReadText(JsonElement value, string path) =>
        ReadPlainText(value, path) is not { } text ? null
        : _variables is null ? text
        : _variables.ExpandText(text, path, _context.Problems);

    private string? ReadPlainText(JsonElement value, string path)
    {
        if (value.ValueKind != JsonValueKind.String || value.GetString() is not { Length: > 0 } text)
        {
            return Reject(path, $"expected text, got {Describe(value)}");
        }

        return text.Contains('\0', StringComparison.Ordinal) ? Reject(path, "has a NUL character, which no setting may have") : text;
    }

    private string? ReadSecret(JsonElement value, string path, HashSet<string> secrets)
    {
        if (SecretText.Of(value) is not { } text)
        {
            return Reject(path, $"expected text, got {SecretText.DescribeType(value)}");
        }

        var secret = Variables.ExpandSecret(text, path, _context.Environment, _context.Problems);
        if (secret is not null)
        {
            secrets.Add(secret);
        }

        return secret;
    }

    private object? ReadSecretUrl(JsonElement value, string path) =>
        ReadSecret(value, path, _context.Secrets) is not { } text ? null
        : Uri.TryCreate(text, UriKind.Absolute, out var url) && url is { Scheme: "http" or "https", Host.Length: > 0 } ? url
        : Reject(path, "expected an address that begins with https:// or http://; what it is now is not shown, since it is a secret");

    private string? ReadChoice(JsonElement value, string[] choices, string path)
    {
        // A word that YAML takes for something else.
        var word = value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetRawText() : ReadPlainText(value, path);
        return word is null || Array.IndexOf(choices, word) >= 0
            ? word
            : Reject(path, $"expected {string.Join(" or ", choices)}, got \"{word}\"{Suggestion.For(word, choices)}");
    }

    // YAML 1.1 takes the word for false.
    private static bool IsOff(JsonElement value) => value.ValueKind == JsonValueKind.False || (value.ValueKind == JsonValueKind.String && value.GetString() == "off");

    private object? ReadDuration(JsonElement value, TimeSpan? shortest, TimeSpan? max, string path)
    {
        var duration = value.ValueKind switch
        {
            JsonValueKind.Number when value.TryGetDecimal(out var seconds) => GoDuration.FromSeconds(seconds),
            JsonValueKind.String => GoDuration.Parse(value.GetString()!),
            _ => null,
        };
        if (duration is null)
        {
            return Reject(path, $"expected a duration above zero such as 10s, 1m30s or a number of seconds, got {Describe(value)}");
        }

        return duration < shortest ? Reject(path, $"expected at least {GoDuration.Format(shortest.Value)}, got {GoDuration.Format(duration.Value)}")
            : duration > max ? Reject(path, $"expected {GoDuration.Format(max.Value)} at most, got {GoDuration.Format(duration.Value)}")
            : duration;
    }

    private object? ReadCount(JsonElement value, long min, string path) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var count) && count >= min
            ? count
            : Reject(path, $"expected a whole number of at least {min}, got {Describe(value)}");

    private object? ReadFlag(JsonElement value, string path) =>
        value.ValueKind is JsonValueKind.True or JsonValueKind.False
            ? value.GetBoolean()
            : Reject(path, $"expected true or false, got {Describe(value)}");

    private object? ReadAddress(JsonElement value, string path) =>
        value.ValueKind == JsonValueKind.String && MetricsAddress.Parse(value.GetString()!) is { } address
            ? address
            : Reject(path, $"expected HOST:PORT such as 127.0.0.1:9090, got {Describe(value)}");

    private object? ReadDurationList(JsonElement value, SettingsScope members, string path)
    {
        if (value.ValueKind != JsonValueKind.Array || value.GetArrayLength() == 0)
        {
            return Reject(path, $"expected a list of durations such as [30s, 5m], got {(value.ValueKind == JsonValueKind.Array ? "an empty one" : Describe(value))}");
        }

        var durations = new JsonArray();
        foreach (var item in ListItem.Of(value, path))
        {
            var duration = item.Value.ValueKind == JsonValueKind.Object
                ? new SettingsReader(item.Value, item.Path, members, _context).Duration(members.All[0].Key)
                : (TimeSpan?)ReadDuration(item.Value, null, null, item.Path);
            if (duration is { } step)
            {
                durations.Add((JsonNode)GoDuration.Format(step));
            }
        }

        return durations;
    }

    private object? ReadList(JsonElement value, bool isSecret, string path)
    {
        if (value.ValueKind != JsonValueKind.Array)
        {
            return Reject(path, $"expected a list of text, got {SecretText.DescribeType(value)}");
        }

        var texts = new JsonArray();
        foreach (var item in ListItem.Of(value, path))
        {
            if ((isSecret ? ReadSecret(item.Value, item.Path, _context.Secrets) : ReadText(item.Value, item.Path)) is { } text)
            {
                texts.Add((JsonNode)text);
            }
        }

        return texts;
    }

    private string? Reject(string path, string message)
    {
        _context.Report(path, message);
        return null;
    }
}
