using System.Text.Json;

namespace Datasette.Litestream.Commands;

/// <summary>The arguments of a command, as the command line has them.</summary>
/// <param name="Json">All of them.</param>
internal sealed record CommandArguments(JsonElement Json)
{
    /// <summary>Names of databases, and files, in their order.</summary>
    public IReadOnlyList<string> Words { get; } = Texts(Json, "words");

    /// <summary>What follows <c>--</c>.</summary>
    public IReadOnlyList<string> Rest { get; } = Texts(Json, "rest");

    /// <summary>Where the file of a database that is named alone is, absolute.</summary>
    public string Folder => Json.GetProperty("folder").GetString()!;

    /// <summary>The file descriptor for what was asked for.</summary>
    public int Output => Json.GetProperty("output").GetInt32();

    /// <summary>The file descriptor for everything else.</summary>
    public int Error => Json.GetProperty("error").GetInt32();

    /// <summary>Whether what was asked for is wanted as JSON.</summary>
    public bool IsJson => Is("json");

    /// <summary>Reads the JSON.</summary>
    public static CommandArguments Parse(string json) => new(JsonElement.Parse(json));

    /// <summary>An option with a text; null if it is not there.</summary>
    public string? Text(string name) => Json.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    /// <summary>An option with a number; null if it is not there.</summary>
    public int? Number(string name) => Json.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetInt32() : null;

    /// <summary>Whether an option without a value is there.</summary>
    public bool Is(string name) => Json.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.True;

    private static IReadOnlyList<string> Texts(JsonElement json, string name) =>
        json.TryGetProperty(name, out var list) ? [.. list.EnumerateArray().Select(word => word.GetString()!)] : [];
}
