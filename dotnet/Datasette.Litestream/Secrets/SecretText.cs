using System.Text.Json;

namespace Datasette.Litestream.Secrets;

/// <summary>A setting whose value is a secret: no message ever shows it.</summary>
internal static class SecretText
{
    /// <summary>The secret; null if the value is not text, or is empty.</summary>
    public static string? Of(JsonElement value) =>
        // {"$file": …} includes the file's last line break.
        value.ValueKind == JsonValueKind.String && value.GetString()!.Trim() is { Length: > 0 } text ? text : null;

    /// <summary>Describes the type of a value without showing the value.</summary>
    public static string DescribeType(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "a mapping",
        JsonValueKind.Array => "a list",
        JsonValueKind.Null => "nothing (a variable named by $env that is not set reads as nothing)",
        JsonValueKind.String => value.GetString() is { Length: 0 } ? "empty text" : "text",
        JsonValueKind.Number => "a number",
        _ => "true or false",
    };
}
