using System.Text.Json;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Errors;

namespace Datasette.Litestream.Secrets;

/// <summary>Reads a setting whose value is a secret: no message ever shows it.</summary>
internal static class SecretText
{
    /// <summary>The secret; null after telling a problem.</summary>
    public static string? Read(JsonElement value, string path, Func<string, string?> environment, ICollection<Problem> problems)
    {
        if (value.ValueKind == JsonValueKind.String && value.GetString()!.Trim() is { Length: > 0 } text)
        {
            // {"$file": …} hands over the file's last line break too.
            return Variables.ExpandSecret(text, path, environment, problems);
        }

        problems.Add(new Problem(path, $"expected text, got {SettingsReader.DescribeType(value)}"));
        return null;
    }
}
