using System.Text.Json;

namespace Datasette.Litestream.Secrets;

/// <summary>A setting whose value is a secret: no message ever shows it.</summary>
internal static class SecretText
{
    /// <summary>The secret; null where the value is no text, or empty.</summary>
    public static string? Of(JsonElement value) =>
        // {"$file": …} hands over the file's last line break too.
        value.ValueKind == JsonValueKind.String && value.GetString()!.Trim() is { Length: > 0 } text ? text : null;

    /// <summary>What a value is, without the value.</summary>
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
