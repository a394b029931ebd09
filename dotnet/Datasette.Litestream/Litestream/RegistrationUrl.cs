using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Datasette.Litestream.Configuration;

namespace Datasette.Litestream.Litestream;

/// <summary>
/// The URL by which Litestream 0.5 can be told, while it runs, where to replicate a database. It takes a path and a URL, and no other
/// settings. Source: <c>handleRegister</c> in server.go, <c>NewReplicaClientFromURL</c> in s3/replica_client.go, v0.5.17.
/// </summary>
internal static partial class RegistrationUrl
{
    /// <summary>The settings that a URL can have as its query, under the same names.</summary>
    private static readonly string[] QueryKeys = ["endpoint", "region", "force-path-style"];

    /// <summary>The settings that say where, apart from the URL.</summary>
    private static readonly string[] PlaceKeys = ["type", "bucket", "path"];

    /// <summary>The URL for a database; null if a URL does not say all that is configured for it.</summary>
    public static string? Of(DatabasePlan database)
    {
        if (database.Settings.Count > 0 || database.MonitorInterval is not null)
        {
            return null;
        }

        var settings = LitestreamConfiguration.PrimaryOf(database);
        return database.Primary.Type switch
        {
            "file" => settings.All(setting => PlaceKeys.Contains(setting.Key)) && settings["path"]!.GetValue<string>() is var path && Plain().IsMatch(path) ? $"file://{path}" : null,
            "s3" => OfS3(settings),
            _ => null,
        };
    }

    private static string? OfS3(JsonObject settings)
    {
        if (!settings.All(setting => setting.Key == "url" || PlaceKeys.Contains(setting.Key) || QueryKeys.Contains(setting.Key)))
        {
            return null;
        }

        var url = settings["url"]?.GetValue<string>()
            ?? $"s3://{settings["bucket"]!.GetValue<string>()}/{string.Join('/', $"{settings["path"]}".Trim('/').Split('/').Select(Uri.EscapeDataString))}";
        var query = string.Join('&', QueryKeys.Where(settings.ContainsKey).Select(key => $"{key}={Uri.EscapeDataString($"{settings[key]}")}"));
        return query.Length == 0 ? url : $"{url}{(url.Contains('?', StringComparison.Ordinal) ? '&' : '?')}{query}";
    }

    // Litestream escapes the path of such a URL again, and takes that for the name.
    [GeneratedRegex("^/[A-Za-z0-9._~/-]+$")]
    private static partial Regex Plain();
}
