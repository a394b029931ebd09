using System.Text.Json;
using System.Text.Json.Nodes;

namespace Datasette.Litestream.Configuration;

/// <summary>Makes the <see cref="ReplicaPlan"/>s of one database, each from a URL or a mapping of Litestream's settings.</summary>
internal sealed class ReplicaPlanner(
    AttachedDatabase database,
    string workingDirectory,
    Func<string, string?> environment,
    ICollection<string> secrets,
    ICollection<Problem> problems)
{
    private static readonly string[] SecretWords = ["secret", "password", "token", "sig", "key"];

    private readonly Variables _variables = new(database, workingDirectory, environment);

    /// <summary>The plan for one item of <c>replicas</c> or <c>all-replicate</c>; null after telling a problem.</summary>
    public ReplicaPlan? Plan(JsonElement item, string path)
    {
        if (item.ValueKind == JsonValueKind.String)
        {
            return FromUrl(item.GetString()!, path, path, []);
        }

        if (item.ValueKind != JsonValueKind.Object)
        {
            problems.Add(new Problem(
                path,
                $"expected a URL such as s3://bucket/path, or a mapping of Litestream's replica settings, got {SettingsReader.Describe(item)}"));
            return null;
        }

        var known = problems.Count;
        var reader = new SettingsReader(item, path, [.. ReplicaSetting.ByKey.Keys], problems);
        var settings = new JsonObject();
        foreach (var setting in ReplicaSetting.ByKey.Values)
        {
            if (reader.Value(setting.Key) is { } value && Read(setting, value, reader.KeyPath(setting.Key)) is { } node)
            {
                settings[setting.Key] = node;
            }
        }

        if (problems.Count > known)
        {
            return null;
        }

        return settings["url"]?.GetValue<string>() is { } url
            ? FromUrl(url, path, reader.KeyPath("url"), settings, isExpanded: true)
            : FromParts(path, settings);
    }

    private JsonNode? Read(ReplicaSetting setting, JsonElement value, string path) => setting.Kind switch
    {
        SettingKind.Duration => SettingsReader.ReadDuration(value, path, problems) is { } duration ? GoDuration.Format(duration) : null,
        SettingKind.Count => SettingsReader.ReadCount(value, 0, path, problems),
        SettingKind.Flag => SettingsReader.ReadFlag(value, path, problems),
        SettingKind.Size when value.ValueKind == JsonValueKind.Number => SettingsReader.ReadCount(value, 1, path, problems),
        SettingKind.Secret => ReadSecret(value, path),
        SettingKind.TextList => ReadTexts(value, path, isSecret: false),
        SettingKind.Age => ReadAge(value, path),
        _ => ReadText(setting.Key, value, path),
    };

    private string? ReadText(string key, JsonElement value, string path)
    {
        if (SettingsReader.ReadText(value, path, problems) is not { } text)
        {
            return null;
        }

        return key == "url" ? _variables.ExpandUrl(text, path, problems) : _variables.ExpandText(text, path, problems);
    }

    private string? ReadSecret(JsonElement value, string path)
    {
        var secret = SecretText.Read(value, path, environment, problems);
        if (secret is not null)
        {
            secrets.Add(secret);
        }

        return secret;
    }

    private JsonArray? ReadTexts(JsonElement value, string path, bool isSecret)
    {
        if (value.ValueKind != JsonValueKind.Array)
        {
            problems.Add(new Problem(path, $"expected a list of text, got {SettingsReader.DescribeType(value)}"));
            return null;
        }

        var texts = new JsonArray();
        foreach (var (item, i) in value.EnumerateArray().Select((item, i) => (item, i)))
        {
            var itemPath = $"{path}[{i}]";
            var text = isSecret ? ReadSecret(item, itemPath) : ReadText("", item, itemPath);
            if (text is not null)
            {
                texts.Add((JsonNode)text);
            }
        }

        return texts;
    }

    private JsonObject ReadAge(JsonElement value, string path)
    {
        string[] keys = ["identities", "recipients"];
        var reader = new SettingsReader(value, path, keys, problems);
        var age = new JsonObject();
        foreach (var key in keys)
        {
            if (reader.Value(key) is { } list && ReadTexts(list, reader.KeyPath(key), isSecret: key == "identities") is { } texts)
            {
                age[key] = texts;
            }
        }

        return age;
    }

    private ReplicaPlan? FromUrl(string text, string path, string urlPath, JsonObject settings, bool isExpanded = false)
    {
        var expanded = isExpanded ? text : _variables.ExpandUrl(text, urlPath, problems);
        if (expanded is null)
        {
            return null;
        }

        var url = ReplicaUrl.Parse(expanded, out var fault);
        if (url is null)
        {
            return Reject(urlPath, $"\"{text}\" {fault}");
        }

        CollectSecrets(url);
        if (!ReplicaType.ByScheme.TryGetValue(url.Scheme, out var type))
        {
            return Reject(
                urlPath,
                $"Litestream has no replica type \"{url.Scheme}\"{Suggestion.For(url.Scheme, ReplicaType.ByScheme.Keys)}");
        }

        if (settings["type"]?.GetValue<string>() is { } named && named != type.Name)
        {
            return Reject($"{path}.type", $"is \"{named}\", but the URL's scheme says \"{type.Name}\"; keep the url and leave out the type");
        }

        foreach (var part in new[] { "path", "bucket" })
        {
            if (settings.ContainsKey(part))
            {
                return Reject($"{path}.{part}", "is given beside a url, which names it too; keep one of them");
            }
        }

        if (type.Name == "file")
        {
            if (url.Query.Length > 0)
            {
                return Reject(urlPath, "has a ?, and a file URL has no query; write %3F for a question mark");
            }

            settings.Remove("url");
            return FromFile(path, urlPath, url.FilePath, settings);
        }

        if (url.Host.Length == 0)
        {
            return Reject(urlPath, $"names no {(type.NeedsBucket ? "bucket" : "host")}; write {url.Scheme}://NAME/path");
        }

        settings["url"] = expanded;
        var endpoint = settings["endpoint"]?.GetValue<string>()
            ?? url.QueryParts.FirstOrDefault(part => part.Key == "endpoint").Value;
        var account = settings["account-name"]?.GetValue<string>() ?? (type.Name == "abs" ? url.UserInfo.Split(':')[0] : "");
        return new ReplicaPlan(
            path,
            type.Name,
            settings,
            $"{url.Scheme}://{url.Host}/{url.Path.TrimStart('/')}{(endpoint is null ? "" : $" at {endpoint}")}",
            Identity(type.Name, url.Host, endpoint, account, url.Path));
    }

    private ReplicaPlan? FromParts(string path, JsonObject settings)
    {
        var name = settings["type"]?.GetValue<string>() ?? "file";
        if (!ReplicaType.ByName.TryGetValue(name, out var type))
        {
            return Reject(
                $"{path}.type", $"Litestream has no replica type \"{name}\"{Suggestion.For(name, ReplicaType.ByName.Keys)}");
        }

        var place = settings["path"]?.GetValue<string>();
        if (type.Name == "file")
        {
            return place is null
                ? Reject(path, "names no destination; add url, or type and path")
                : FromFile(path, $"{path}.path", place, settings);
        }

        var host = settings[type.NeedsBucket ? "bucket" : "host"]?.GetValue<string>() ?? settings["webdav-url"]?.GetValue<string>();
        if (host is null)
        {
            return Reject(path, $"names no destination; add {(type.NeedsBucket ? "bucket" : "host")}, or a url");
        }

        var endpoint = settings["endpoint"]?.GetValue<string>();
        return new ReplicaPlan(
            path,
            type.Name,
            settings,
            $"{type.Schemes[0]}://{host}/{place?.TrimStart('/')}{(endpoint is null ? "" : $" at {endpoint}")}",
            Identity(type.Name, host, endpoint, settings["account-name"]?.GetValue<string>() ?? "", place ?? ""));
    }

    private ReplicaPlan? FromFile(string path, string placePath, string place, JsonObject settings)
    {
        if (place.Contains('\0', StringComparison.Ordinal))
        {
            return Reject(placePath, "has a NUL character, which no path may have");
        }

        if (place.Length == 0)
        {
            return Reject(placePath, "names no path; write file:///absolute/path or file://$PWD/path");
        }

        if (place == "~" || place.StartsWith("~/", StringComparison.Ordinal))
        {
            if (environment("HOME") is not { Length: > 0 } home)
            {
                return Reject(placePath, "starts with ~, but the environment variable HOME is not set");
            }

            place = home + place[1..];
        }

        var absolute = Path.TrimEndingDirectorySeparator(Path.GetFullPath(place, workingDirectory));
        settings["type"] = "file";
        settings["path"] = absolute;
        return new ReplicaPlan(path, "file", settings, absolute, $"file|{absolute}");
    }

    private void CollectSecrets(ReplicaUrl url)
    {
        if (url.Password is { } password)
        {
            secrets.Add(password);
        }

        foreach (var (key, value) in url.QueryParts)
        {
            if (SecretWords.Any(word => key.Contains(word, StringComparison.OrdinalIgnoreCase)))
            {
                secrets.Add(value);
            }
        }
    }

    private static string Identity(string type, string host, string? endpoint, string account, string path)
    {
        var server = endpoint is null ? "" : endpoint[(endpoint.IndexOf("://", StringComparison.Ordinal) + 1)..].Trim('/');
        return string.Join('|', type, account, host, server, Path.GetFullPath('/' + path.Replace('\0', ' ')).TrimEnd('/'));
    }

    private ReplicaPlan? Reject(string path, string message)
    {
        problems.Add(new Problem(path, message));
        return null;
    }
}
