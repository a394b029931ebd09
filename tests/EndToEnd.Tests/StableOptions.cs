using System.Text.Json;
using System.Text.Json.Nodes;

namespace Datasette.Litestream.EndToEnd;

/// <summary>
/// Translates Datasette 1.0's options for 0.65, whose metadata (<c>-m</c>) contains what is in the configuration of 1.0
/// (<c>-c</c>, <c>-s</c>). 0.65 has no write API; a writable query of each database replaces it.
/// </summary>
internal static class StableOptions
{
    /// <summary>The query that inserts a row: <c>text</c> into the table <c>rows</c>.</summary>
    public const string InsertQuery = "insert-row";

    private static readonly string[] OfConfiguration = ["plugins", "databases", "permissions"];

    /// <summary>Translates options, and writes the metadata into the workspace.</summary>
    public static async Task<IReadOnlyList<string>> FromAsync(Workspace workspace, IReadOnlyList<string> arguments, string python)
    {
        var metadata = new JsonObject();
        var others = new List<string>();
        for (var i = 0; i < arguments.Count; i++)
        {
            if (arguments[i] is "-c")
            {
                metadata = await ReadAsync(workspace.Path(arguments[++i]), python);
            }
            else if (arguments[i] is "-s" && OfConfiguration.Contains(arguments[i + 1].Split('.')[0]))
            {
                Set(metadata, arguments[i + 1].Split('.'), Value(arguments[i + 2]));
                i += 2;
            }
            else
            {
                others.Add(arguments[i]);
            }
        }

        foreach (var file in others.Where(argument => argument.EndsWith(".db", StringComparison.Ordinal)))
        {
            Set(
                metadata,
                ["databases", Path.GetFileNameWithoutExtension(file), "queries", InsertQuery],
                new JsonObject { ["sql"] = "insert into rows (text) values (:text)", ["write"] = true });
        }

        return [.. others, "-m", workspace.Write($"metadata-{Path.GetRandomFileName()}.json", metadata.ToJsonString())];
    }

    private static async Task<JsonObject> ReadAsync(string file, string python) => JsonNode.Parse(await PluginEnvironment.RunAsync(
        python, "-c", "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))", file))!.AsObject();

    private static void Set(JsonObject into, ReadOnlySpan<string> path, JsonNode? value)
    {
        foreach (var key in path[..^1])
        {
            into = (JsonObject)(into[key] ??= new JsonObject());
        }

        into[path[^1]] = value;
    }

    /// <summary>A value is parsed as JSON, or else used as text.</summary>
    private static JsonNode? Value(string text)
    {
        try
        {
            return JsonNode.Parse(text);
        }
        catch (JsonException)
        {
            return text;
        }
    }
}
