using System.Net;
using System.Text.Json;
using Datasette.Litestream.Observation;

namespace Datasette.Litestream.Manual;

/// <summary>What somebody asks for.</summary>
/// <param name="Action">What is to be done.</param>
/// <param name="Database">Datasette's name of the database; null if none is named.</param>
/// <param name="Replica">The destination to replicate it to, as the configuration would have it; null if none is named.</param>
/// <param name="Actor">The id of Datasette's actor, in one line.</param>
internal sealed record ManualRequest(ManualAction Action, string? Database, JsonElement? Replica, string Actor)
{
    private const int MaxActorLength = 100;

    private static readonly string[] Keys = ["database", "replica"];

    /// <summary>Reads the request of a form or of a program.</summary>
    /// <param name="action">A <see cref="ManualAction"/> in lower case.</param>
    /// <param name="contentType">The media type of the body: JSON, or else a form's.</param>
    /// <param name="body">The body; empty if nothing is named.</param>
    /// <param name="actor">The id of Datasette's actor; empty if it has none.</param>
    /// <param name="problem">What is wrong with it, in a sentence; null if nothing is.</param>
    public static ManualRequest? Parse(string action, string contentType, string body, string actor, out string? problem)
    {
        var fields = contentType.StartsWith("application/json", StringComparison.OrdinalIgnoreCase) ? ReadJson(body, out problem) : ReadForm(body, out problem);
        if (fields is null)
        {
            return null;
        }

        var request = new ManualRequest(Enum.Parse<ManualAction>(action, ignoreCase: true), null, null, InOneLine(actor));
        if (fields.TryGetValue("database", out var database))
        {
            if (database.ValueKind != JsonValueKind.String)
            {
                problem = "database must be the name of a database, as text.";
                return null;
            }

            request = request with { Database = database.GetString() };
        }

        if (request.Database is null != (request.Action == ManualAction.Restart))
        {
            problem = request.Database is null
                ? $"No database is named. Send {{\"database\": \"NAME\"}} to /-/litestream/{action}."
                : "A restart is one of Litestream, and so of all databases; leave database out.";
            return null;
        }

        if (fields.TryGetValue("replica", out var replica))
        {
            if (request.Action != ManualAction.Register)
            {
                problem = $"replica belongs to register; /-/litestream/{action} has no use for it.";
                return null;
            }

            request = request with { Replica = replica };
        }

        return request;
    }

    private static Dictionary<string, JsonElement>? ReadJson(string body, out string? problem)
    {
        problem = null;
        try
        {
            if (string.IsNullOrWhiteSpace(body))
            {
                return [];
            }

            var parsed = JsonElement.Parse(body);
            if (parsed.ValueKind != JsonValueKind.Object)
            {
                problem = "The body must be a JSON object, such as {\"database\": \"NAME\"}.";
                return null;
            }

            var fields = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
            foreach (var property in parsed.EnumerateObject())
            {
                if (!Keys.Contains(property.Name) || !fields.TryAdd(property.Name, property.Value))
                {
                    problem = $"The body may have {string.Join(" and ", Keys)}, each once, and has \"{property.Name}\".";
                    return null;
                }
            }

            return fields;
        }
        catch (JsonException)
        {
            problem = "The body is no JSON, although its content-type says so.";
            return null;
        }
    }

    /// <summary>Of a form, other fields are Datasette's: its token against forged requests.</summary>
    private static Dictionary<string, JsonElement> ReadForm(string body, out string? problem)
    {
        problem = null;
        var fields = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        foreach (var pair in body.Split('&'))
        {
            var parts = pair.Split('=', 2);
            var name = WebUtility.UrlDecode(parts[0]);
            if (Keys.Contains(name) && parts.Length > 1 && WebUtility.UrlDecode(parts[1]) is { Length: > 0 } value)
            {
                fields.TryAdd(name, JsonElement.Parse($"\"{JsonEncodedText.Encode(value)}\""));
            }
        }

        return fields;
    }

    /// <summary>The id of an actor as it is shown and logged.</summary>
    /// <param name="actor">The id; empty if it has none.</param>
    public static string InOneLine(string actor)
    {
        var plain = string.Concat(actor.Where(character => !char.IsControl(character)).Take(MaxActorLength)).Trim();
        return plain.Length > 0 ? plain : "somebody without an id";
    }
}
