using System.Text.Json.Nodes;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Secrets;

namespace Datasette.Litestream.Reporting;

/// <summary>The POSIX shell command that restores a database from a replica.</summary>
internal static class RestoreCommand
{
    /// <summary>The settings that matter only to who writes a replica.</summary>
    private static readonly string[] WritersKeys = [.. Retention.Keys, "retention-check-interval"];

    /// <summary>The command, without secrets: Litestream finds credentials in its environment.</summary>
    public static string For(DatabasePlan database, ReplicaPlan replica, ReleaseLine releaseLine)
    {
        var restore = $"litestream restore -o {Quote($"{Path.GetFileNameWithoutExtension(database.Path)}-restored.db")}";
        if (UrlOf(replica) is { } url)
        {
            return $"{restore} {Quote(UrlSecrets.Mask(url))}";
        }

        var settings = new JsonObject();
        foreach (var (key, value) in replica.Settings.Where(setting => !WritersKeys.Contains(setting.Key) && !SettingsTable.Replica[setting.Key].HoldsSecret))
        {
            settings[key] = value?.DeepClone();
        }

        SecretMask.Apply(settings, (_, _) => null);
        var (name, replicas) = releaseLine == ReleaseLine.V03 ? ("replicas", (JsonNode)new JsonArray(settings)) : ("replica", settings);
        var document = new JsonObject { ["dbs"] = new JsonArray(new JsonObject { ["path"] = database.Path, [name] = replicas }) };
        return $"printf %s {Quote(Yaml.Write(document))} | {restore} -no-expand-env -config /dev/stdin {Quote(database.Path)}";
    }

    /// <summary>The replica's URL if it describes the replica completely; null if a configuration is needed.</summary>
    private static string? UrlOf(ReplicaPlan replica)
    {
        var settings = replica.Settings;
        if (replica.Type == "file")
        {
            // Litestream escapes the path of a file URL, and then looks for a folder of that name.
            var path = settings["path"]!.GetValue<string>();
            return path.All(IsPlain) ? $"file://{path}" : null;
        }

        return settings["url"]?.GetValue<string>() is { } url && settings.All(setting => setting.Key is "url" or "type" or "name" || WritersKeys.Contains(setting.Key)) ? url : null;
    }

    private static bool IsPlain(char character) => char.IsAsciiLetterOrDigit(character) || character is '/' or '.' or '_' or '-';

    /// <summary>A word as a POSIX shell reads it.</summary>
    public static string Quote(string word) =>
        word.All(character => IsPlain(character) || character is ':') ? word : $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}
