using System.Text.Json.Nodes;

namespace Datasette.Litestream.EndToEnd;

/// <summary>What <c>datasette litestream verify</c> says of the backups that <see cref="BareLitestream"/> makes.</summary>
internal static class Verification
{
    /// <summary>Holds a drill of each.</summary>
    /// <param name="workspace">Where the databases are.</param>
    /// <param name="litestream">The binary that restores.</param>
    /// <param name="names">The databases.</param>
    /// <returns>The exit status, and what is told of each database, by its name.</returns>
    public static async Task<(int ExitCode, IReadOnlyDictionary<string, JsonNode> Drills)> OfAsync(Workspace workspace, string litestream, IEnumerable<string> names)
    {
        Directory.CreateDirectory(workspace.Path("tmp"));
        var command = await PluginCommand.RunAsync(
            workspace,
            new Dictionary<string, string?> { ["DATASETTE_LITESTREAM_BINARY"] = litestream, ["TMPDIR"] = workspace.Path("tmp") },
            ["verify", "--json", .. names.Select(name => $"{name}.db"), .. Settings.ReplicateAll()]);
        Assert.IsNotEmpty(command.Output, command.Errors);
        return (command.ExitCode, command.Json.AsArray().ToDictionary(drill => (string)drill!["name"]!, drill => drill!));
    }

    /// <summary>Makes the databases look as if nobody had written to them for a while, which a drill without a Litestream to ask waits for.</summary>
    public static void Settle(Workspace workspace, IEnumerable<string> names)
    {
        foreach (var file in names.SelectMany(name => new[] { workspace.Path($"{name}.db"), workspace.Path($"{name}.db-wal") }).Where(File.Exists))
        {
            File.SetLastWriteTimeUtc(file, DateTime.UtcNow.AddMinutes(-1));
        }
    }

    /// <summary>Asserts how the drills of some databases have ended.</summary>
    public static void AssertOutcomes(string expected, IEnumerable<string> names, IReadOnlyDictionary<string, JsonNode> drills)
    {
        var others = names.Where(name => (string?)drills[name]["outcome"] != expected).Select(name => drills[name].ToJsonString()).ToList();
        Assert.IsEmpty(others, $"not {expected}: {string.Join('\n', others)}");
    }
}
