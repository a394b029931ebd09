using System.Text.Json;
using Datasette.Litestream.Configuration;

namespace Datasette.Litestream;

/// <summary>The request of <see cref="Bridge.Start"/>.</summary>
internal sealed record StartRequest(DatasetteConfiguration Configuration, HostEnvironment Host)
{
    /// <summary>
    /// Reads a request. It does so by hand: to initialize a serializer for a single call would delay Datasette's start by more
    /// than all the planning.
    /// </summary>
    /// <exception cref="JsonException">The Python part and the assembly have different versions.</exception>
    public static StartRequest Parse(string json, TimeProvider? time = null)
    {
        var request = JsonElement.Parse(json);
        return new StartRequest(
            new DatasetteConfiguration(
                request.GetProperty("workingDirectory").GetString()!,
                Settings(request),
                DatabaseSettings(request),
                ParseDatabases(request.GetProperty("databases")))
            {
                StartOptions = request.TryGetProperty("startOptions", out var options) && options.ValueKind == JsonValueKind.Array
                    ? [.. options.EnumerateArray().Select(option => option.EnumerateArray().Select(word => word.GetString()!).ToArray())]
                    : null,
                Published = request.TryGetProperty("published", out var published) && published.ValueKind != JsonValueKind.Null
                    ? new PublishedSettings(published.GetProperty("at").GetString()!, Settings(published), DatabaseSettings(published))
                    : null,
            },
            new HostEnvironment(
                request.GetProperty("environment").EnumerateObject().ToDictionary(variable => variable.Name, variable => variable.Value.GetString()!, StringComparer.Ordinal),
                request.GetProperty("bundledBinary").GetString(),
                request.TryGetProperty("sqliteProgram", out var program) && program.ValueKind == JsonValueKind.Array
                    ? [.. program.EnumerateArray().Select(word => word.GetString()!)]
                    : [],
                time ?? TimeProvider.System));
    }

    /// <summary>Reads the databases that Datasette serves, and its internal one, which has no name there.</summary>
    public static IReadOnlyList<AttachedDatabase> ParseDatabases(JsonElement databases) =>
    [
        .. databases.EnumerateArray().Select(database => new AttachedDatabase(
            database.GetProperty("name").GetString() ?? DatabasePlan.InternalName,
            database.GetProperty("path").GetString(),
            database.GetProperty("isMutable").GetBoolean())
        {
            ServedPath = database.GetProperty("servedPath").GetString(),
            IsInternal = database.GetProperty("name").ValueKind == JsonValueKind.Null,
        }),
    ];

    private static JsonElement? Settings(JsonElement mapping) =>
        mapping.GetProperty("settings") is { ValueKind: not JsonValueKind.Null } settings ? settings : null;

    private static Dictionary<string, JsonElement> DatabaseSettings(JsonElement mapping) =>
        mapping.GetProperty("databaseSettings").EnumerateObject().ToDictionary(database => database.Name, database => database.Value, StringComparer.Ordinal);
}
