using System.Globalization;
using System.Text.Json.Nodes;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Secrets;

namespace Datasette.Litestream.Reporting;

/// <summary>The POSIX shell commands that restore a database from a replica.</summary>
internal static class RestoreCommand
{
    /// <summary>The settings that matter only to who writes a replica.</summary>
    private static readonly string[] WritersKeys = [.. Retention.Keys, "retention-check-interval"];

    /// <summary>The options of <c>datasette serve</c> by which the plugin is configured.</summary>
    private static readonly string[] ConfiguringOptions = ["-c", "--config", "-m", "--metadata", "--plugins-dir"], SettingOptions = ["-s", "--setting"];

    /// <summary>
    /// The plugin's own command, with the configuration that Datasette was started with, in Datasette's working directory. Of single
    /// settings it has those of this plugin, which are no secrets, since Datasette shows them; but none of another database, or of
    /// Datasette's internal one, of which not everybody may know who sees this one.
    /// </summary>
    /// <param name="database">The database.</param>
    /// <param name="replica">The destination.</param>
    /// <param name="workingDirectory">Datasette's working directory, absolute.</param>
    /// <param name="startOptions">See <see cref="DatasetteConfiguration.StartOptions"/>.</param>
    /// <param name="at">The time to restore, in whole seconds; null for the newest state.</param>
    public static string ForDatasette(DatabasePlan database, ReplicaPlan replica, string workingDirectory, IEnumerable<string[]> startOptions, DateTimeOffset? at = null)
    {
        var file = Path.GetRelativePath(workingDirectory, database.ServedPath);
        var options = startOptions.Where(option => option.Length == 1 || ConfiguringOptions.Contains(option[0])
            || (option[0] == "--internal" && database.IsInternal)
            || (SettingOptions.Contains(option[0]) && Concerns(option[1], database)));
        string[] words =
        [
            "datasette", "litestream", "restore", database.IsInternal || file == $"{database.Name}.db" ? database.Name : $"{database.Name}={file}",
            .. options.SelectMany(option => option),
            .. replica == database.Primary ? Array.Empty<string>() : ["--from", (database.Replicas.IndexOf(replica) + 1).ToString(CultureInfo.InvariantCulture)],
            .. at is { } time ? ["--at", Written(time)] : Array.Empty<string>(),
        ];
        return string.Join(' ', words.Select(Quote));
    }

    private static bool Concerns(string setting, DatabasePlan database)
    {
        const string own = $"plugins.{ReplicationPlanner.Plugin}.";
        return setting.StartsWith($"databases.{database.Name}.{own}", StringComparison.Ordinal)
            || (setting.StartsWith(own, StringComparison.Ordinal) && (database.IsInternal || !setting.StartsWith($"{own}internal", StringComparison.Ordinal)));
    }

    /// <summary>What Litestream's own command needs in its environment for a destination, in a sentence; null if nothing.</summary>
    public static string? Needs(ReplicaPlan replica) => replica.Type switch
    {
        "s3" => "It needs the keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and for temporary ones AWS_SESSION_TOKEN.",
        "abs" => "It needs the key in LITESTREAM_AZURE_ACCOUNT_KEY.",
        "gs" or "gcs" => "It needs the path of the service account's file in GOOGLE_APPLICATION_CREDENTIALS.",
        "oss" => "It needs the keys in OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET.",
        _ => null,
    };

    /// <summary>Litestream's own command, without secrets: it finds credentials in its environment.</summary>
    /// <param name="database">The database.</param>
    /// <param name="replica">The destination.</param>
    /// <param name="releaseLine">The release line that is to read it.</param>
    /// <param name="program">Litestream.</param>
    /// <param name="at">As for <see cref="ForDatasette"/>.</param>
    public static string For(DatabasePlan database, ReplicaPlan replica, ReleaseLine releaseLine, string program = "litestream", DateTimeOffset? at = null)
    {
        var restore = $"{Quote(program)} restore -o {Quote(FileNameOf(database.Name, "-restored"))}{(at is { } time ? $" -timestamp {Written(time)}" : "")}";
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

    /// <summary>What a restored file is called: after its database, whose name may have a slash.</summary>
    /// <param name="database">The database's name.</param>
    /// <param name="suffix">What tells it from the database's own file.</param>
    public static string FileNameOf(string database, string suffix = "") => $"{database.Replace('/', '_')}{suffix}.db";

    /// <summary>A time as both commands read it, and the address of a page.</summary>
    public static string Written(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    /// <summary>A word as a POSIX shell reads it.</summary>
    public static string Quote(string word) =>
        word.All(character => IsPlain(character) || character is ':' or '=') ? word : $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}
