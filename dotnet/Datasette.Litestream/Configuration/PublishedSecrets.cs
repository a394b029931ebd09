using System.Text.Json;
using System.Text.RegularExpressions;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Secrets;

namespace Datasette.Litestream.Configuration;

/// <summary>
/// Finds secrets that Datasette itself would publish: literal ones in the settings that it shows. Datasette does not show
/// values from a variable or a file, or values that it masks.
/// </summary>
internal static partial class PublishedSecrets
{
    /// <summary>One problem per secret; no message contains the secret.</summary>
    public static IEnumerable<Problem> Find(PublishedSettings? published)
    {
        if (published is null)
        {
            return [];
        }

        var top = published.Settings is { } settings ? Find(settings, ReplicationPlanner.TopLevelKey, isSecret: false, published.At) : [];
        return top.Concat(published.DatabaseSettings.SelectMany(database =>
            Find(database.Value, ReplicationPlanner.DatabaseKey(database.Key), isSecret: false, published.At)));
    }

    private static IEnumerable<Problem> Find(JsonElement value, string path, bool isSecret, string address) => value.ValueKind switch
    {
        // {"$env": …} and {"$file": …} only refer to a secret.
        JsonValueKind.Object => value.EnumerateObject().Where(property => !property.Name.StartsWith('$'))
            .SelectMany(property => Find(property.Value, $"{path}.{property.Name}", SettingsTable.IsSecret(property.Name), address)),
        JsonValueKind.Array => value.EnumerateArray().SelectMany((item, i) => Find(item, $"{path}[{i}]", isSecret, address)),
        JsonValueKind.String => FindIn(value.GetString()!, path, isSecret, address),
        _ => [],
    };

    private static IEnumerable<Problem> FindIn(string text, string path, bool isSecret, string address)
    {
        if (isSecret && text.Trim() is { Length: > 0 } secret && secret != Redactor.Mask && !Variables.IsVariable(secret))
        {
            yield return new Problem(
                path, $$"""is a secret that Datasette shows at {{address}} to everyone who may open it; write {"$env": "NAME"} or {"$file": "PATH"} in its place""");
        }
        else if (!isSecret && HasPassword(text))
        {
            yield return new Problem(
                path, $"has a password that Datasette shows at {address} to everyone who may open it; write $NAME in its place, where NAME is an environment variable");
        }
    }

    private static bool HasPassword(string text) =>
        UrlPassword().Matches(text).Any(match => Variables.RemoveFrom(match.Groups["password"].Value).Length > 0);

    // As in ReplicaUrl: from the first colon to the last @ before the path.
    [GeneratedRegex(@"[A-Za-z][A-Za-z0-9+.-]*://[^\s/?:]*:(?<password>[^\s/?]*)@")]
    private static partial Regex UrlPassword();
}
