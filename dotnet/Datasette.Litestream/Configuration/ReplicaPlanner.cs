using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Datasette.Litestream.Secrets;

namespace Datasette.Litestream.Configuration;

/// <summary>
/// Creates the <see cref="ReplicaPlan"/>s of one database, each from a URL or a mapping of Litestream's settings.
/// </summary>
internal sealed partial class ReplicaPlanner(
    AttachedDatabase database, string workingDirectory, InheritedSettings inherited, PlanningContext context)
{
    private static readonly string[] PlaceKeys = ["path", "bucket", "host", "webdav-url"];

    private readonly Variables _variables = new(database, workingDirectory, context.Environment);

    /// <summary>The plan for one item of <c>replicas</c> or <c>all-replicate</c>; null after reporting a problem.</summary>
    public ReplicaPlan? Plan(ListItem item)
    {
        var (value, path) = (item.Value, item.Path);
        if (value.ValueKind == JsonValueKind.String)
        {
            if (SettingsReader.DescribeMissingSpace(value, SettingsTable.Replica) is { } missing)
            {
                return Reject(path, missing);
            }

            return FromUrl(value.GetString()!, path, path, []);
        }

        if (value.ValueKind != JsonValueKind.Object)
        {
            return Reject(
                path,
                $"expected a URL such as s3://bucket/path, or a mapping of Litestream's replica settings, got {SettingsReader.Describe(value)}");
        }

        var known = context.Problems.Count;
        var reader = new SettingsReader(value, path, SettingsTable.Replica, context, _variables);
        var settings = reader.LitestreamSettings();
        if (context.Problems.Count > known)
        {
            return null;
        }

        var plan = reader.Text("url") is { } url
            ? FromUrl(url, path, reader.KeyPath("url"), settings, isExpanded: true)
            : FromParts(path, reader.TextOrDefault("type"), settings);
        return plan is null ? null : plan with { SyncInterval = reader.Duration("sync-interval") };
    }

    private ReplicaPlan? FromUrl(string text, string path, string urlPath, JsonObject settings, bool isExpanded = false)
    {
        var expanded = isExpanded ? text : _variables.ExpandUrl(text, urlPath, context.Problems);
        if (expanded is null)
        {
            return null;
        }

        var url = ReplicaUrl.Parse(expanded, out var error);
        if (url is null)
        {
            // The message omits the URL: if it cannot be parsed, its secrets are unknown.
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

        // With nats://HOST alone, the setting names the bucket.
        var isHostAlone = type.Name == "nats" && url.Path.Trim('/').Length == 0;
        foreach (var part in PlaceKeys.Where(part => settings.ContainsKey(part) && !(isHostAlone && part == "bucket")))
        {
            return Reject($"{path}.{part}", "is given beside a url, which names it too; keep one of them");
        }

        if (FindQueryProblem(url, type) is { } queryProblem)
        {
            return Reject(urlPath, queryProblem);
        }

        if (type.Name == "file")
        {
            settings.Remove("url");
            return FromFile(path, urlPath, url.FilePath, settings);
        }

        if (type.Name == "s3" && S3Host.IsServer(url.Host))
        {
            return Reject(
                urlPath,
                $"has {url.Host} where the bucket belongs, and Litestream would look for a bucket of that name; write url: s3://BUCKET/PATH, and endpoint: http://{url.Host} or https://{url.Host} beside it");
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
            url,
            host,
            place,
            type.Name == "abs" ? url.UserInfo.Split(':')[0] : "",
            url.QueryParts.FirstOrDefault(part => part.Key == "endpoint").Value ?? service);
    }

    private ReplicaPlan? FromParts(string path, string name, JsonObject settings)
    {
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
            return Reject($"{path}.path", "does not apply to NATS, where a replica is a whole bucket; remove it, and give each database its own bucket");
        }

        return FromPlace(path, type, settings, url: null, host, place ?? "");
    }

    // The settings override the account and the endpoint of the URL, as in Litestream.
    private ReplicaPlan? FromPlace(
        string path, ReplicaType type, JsonObject settings, ReplicaUrl? url, string host, string place, string urlAccount = "", string? urlEndpoint = null)
    {
        var paths = inherited.AddTo(type, settings, url, Expand);
        if (HasFault(path, type, settings, paths))
        {
            return null;
        }

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
            string.Join('|', type.Name, account, server, host + inside))
        {
            Place = host + inside,
            Server = type.Name switch
            {
                "s3" => ServerAddress.OfS3(endpoint, settings["region"]?.GetValue<string>()),
                "sftp" => ServerAddress.Parse($"sftp://{host}"),
                _ => null,
            },
            Inherited = paths,
        };
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
            if (context.Environment("HOME") is not { Length: > 0 } home)
            {
                return Reject(placePath, "starts with ~, but the environment variable HOME is not set");
            }

            place = home + place[1..];
        }

        var type = ReplicaType.ByName["file"];
        var paths = inherited.AddTo(type, settings, url: null, Expand);
        if (HasFault(path, type, settings, paths))
        {
            return null;
        }

        var absolute = Path.TrimEndingDirectorySeparator(Path.GetFullPath(place, workingDirectory));
        settings["type"] = "file";
        settings["path"] = absolute;
        return new ReplicaPlan(path, "file", settings, absolute, $"file|{absolute}") { Place = absolute, Inherited = paths };
    }

    private string? Expand(string text, string path) => _variables.ExpandText(text, path, context.Problems);

    private bool HasFault(string path, ReplicaType type, JsonObject settings, ImmutableDictionary<string, string> inheritedPaths)
    {
        if ((KeySettings.FindFault(type, settings) ?? Retention.FindFault(settings)) is not { } fault)
        {
            return false;
        }

        context.Report(inheritedPaths.GetValueOrDefault(fault.Key) ?? $"{path}.{fault.Key}", fault.Message);
        return true;
    }

    private void CollectSecrets(ReplicaUrl url)
    {
        if (url.Password is { } password)
        {
            context.Secrets.Add(password);
        }

        foreach (var (key, value) in url.QueryParts)
        {
            if (UrlSecrets.IsSecret(key))
            {
                context.Secrets.Add(value);
            }
        }
    }

    private static string? FindQueryProblem(ReplicaUrl url, ReplicaType type)
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

    // The scheme and the user do not distinguish servers.
    private static string Server(string address) =>
        address[(address.IndexOf("://", StringComparison.Ordinal) is >= 0 and var scheme ? scheme + 3 : 0)..].Split('@')[^1].Trim('/');

    private ReplicaPlan? Reject(string path, string message)
    {
        context.Report(path, message);
        return null;
    }

    [GeneratedRegex(@"^\w+://")]
    private static partial Regex Url();
}
