using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Secrets;

namespace Datasette.Litestream.Configuration;

/// <summary>Makes the <see cref="ReplicaPlan"/>s of one database, each from a URL or a mapping of Litestream's settings.</summary>
internal sealed partial class ReplicaPlanner(
    AttachedDatabase database,
    string workingDirectory,
    Func<string, string?> environment,
    ICollection<string> secrets,
    ICollection<Problem> problems)
{
    private static readonly string[] PlaceKeys = ["path", "bucket", "host", "webdav-url"];

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
        var secret = SettingsReader.ReadSecret(value, path, environment, problems);
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
            problems.Add(new Problem(path, $"expected a list of text, got {SecretText.DescribeType(value)}"));
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

        var url = ReplicaUrl.Parse(expanded, out var error);
        if (url is null)
        {
            // Without the URL itself: the secrets of what cannot be read are not known.
            return Reject(urlPath, error);
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

        // nats://HOST alone leaves the bucket to the setting.
        var isHostAlone = type.Name == "nats" && url.Path.Trim('/').Length == 0;
        foreach (var part in PlaceKeys.Where(part => settings.ContainsKey(part) && !(isHostAlone && part == "bucket")))
        {
            return Reject($"{path}.{part}", "is given beside a url, which names it too; keep one of them");
        }

        if (FindQueryFault(url, type) is { } queryFault)
        {
            return Reject(urlPath, queryFault);
        }

        if (type.Name == "file")
        {
            settings.Remove("url");
            return FromFile(path, urlPath, url.FilePath, settings);
        }

        if (url.Host.Length == 0)
        {
            return Reject(urlPath, $"names no {(type.PlaceKey == "bucket" && type.Name != "nats" ? "bucket" : "host")}; write {url.Scheme}://NAME/path");
        }

        var place = isHostAlone ? settings["bucket"]?.GetValue<string>() : url.Path;
        if (place is null)
        {
            return Reject(urlPath, "names no bucket; write nats://HOST/BUCKET");
        }

        settings["url"] = expanded;
        var (host, service) = type.Name == "s3" ? S3Host.Parse(url.Host) : (url.Host, null);
        return FromPlace(
            path,
            type,
            settings,
            host,
            place,
            type.Name == "abs" ? url.UserInfo.Split(':')[0] : "",
            url.QueryParts.FirstOrDefault(part => part.Key == "endpoint").Value ?? service);
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
        if (place is not null && Url().IsMatch(place))
        {
            return Reject($"{path}.path", "is a URL; give it as url");
        }

        if (type.Name == "file")
        {
            return place is null
                ? Reject(path, "names no destination; add url, or type and path")
                : FromFile(path, $"{path}.path", place, settings);
        }

        if (settings[type.PlaceKey]?.GetValue<string>() is not { } host)
        {
            return Reject(path, $"names no destination; add {type.PlaceKey}, or a url");
        }

        if (type.Name == "nats" && place is not null)
        {
            return Reject($"{path}.path", "is nothing to NATS, where a replica is a whole bucket; take it out, and give each database its own bucket");
        }

        return FromPlace(path, type, settings, host, place ?? "");
    }

    // The account and the endpoint of the URL give way to those of the settings, as they do in Litestream.
    private static ReplicaPlan FromPlace(
        string path, ReplicaType type, JsonObject settings, string host, string place, string urlAccount = "", string? urlEndpoint = null)
    {
        var account = settings["account-name"]?.GetValue<string>() ?? urlAccount;
        var endpoint = settings["endpoint"]?.GetValue<string>() ?? urlEndpoint;
        host = Server(host);
        if (type.Name == "sftp" && host.EndsWith(":22", StringComparison.Ordinal))
        {
            host = host[..^3];
        }

        var server = endpoint is null ? "" : Server(endpoint);
        var inside = Path.GetFullPath('/' + place.Replace('\0', ' ')).TrimEnd('/');
        return new ReplicaPlan(
            path,
            type.Name,
            settings,
            $"{type.Schemes[0]}://{host}/{place.TrimStart('/')}{(server.Length == 0 ? "" : $" at {server}")}",
            string.Join('|', type.Name, account, server, host + inside));
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

    private static string? FindQueryFault(ReplicaUrl url, ReplicaType type)
    {
        if (url.Query.Length == 0)
        {
            return null;
        }

        if (type.Name != "s3")
        {
            return $"has a ?, and a URL of type {type.Name} has no query; write %3F for a question mark, and settings as keys beside url";
        }

        var unknown = url.QueryParts.Select(part => part.Key).FirstOrDefault(key => !ReplicaType.S3QueryKeys.Contains(key));
        return unknown is null
            ? null
            : $"has \"{unknown}\" in its query, which Litestream would ignore{Suggestion.For(unknown, ReplicaType.S3QueryKeys)}";
    }

    // How it is reached, and as whom, makes no other server of it.
    private static string Server(string address) =>
        address[(address.IndexOf("://", StringComparison.Ordinal) is >= 0 and var scheme ? scheme + 3 : 0)..].Split('@')[^1].Trim('/');

    private ReplicaPlan? Reject(string path, string message)
    {
        problems.Add(new Problem(path, message));
        return null;
    }

    [GeneratedRegex(@"^\w+://")]
    private static partial Regex Url();
}
