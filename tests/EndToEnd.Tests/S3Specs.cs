using System.Diagnostics;
using System.Text.Json.Nodes;

namespace Datasette.Litestream.EndToEnd;

/// <summary>Replication to an S3 server that checks signatures, with credentials that change and servers that go away.</summary>
[TestClass]
public sealed class S3Specs
{
    [TestMethod]
    public async Task Databases_are_replicated_to_S3_and_restored()
    {
        using var workspace = new Workspace();
        using var s3 = await S3Server.StartAsync();
        var key = await s3.CreateKeyAsync();
        string[] files = [workspace.Create("parks"), workspace.Create("a b+c&d=e$f;g'h é 😀")];
        await using var datasette = await s3.ReplicateAsync(
            workspace,
            files,
            S3Key.Options,
            [.. key.Variables.Select(variable => (variable.Key, variable.Value))]);
        await datasette.InsertAsync("parks", "through Datasette");
        AssertNoSecret(await datasette.Http.GetStringAsync("/-/litestream-status"), key);
        AssertNoSecret((await datasette.StatusAsync()).ToJsonString(), key);
        foreach (var process in new[] { datasette.Id, await workspace.WaitForLitestreamAsync() })
        {
            AssertNoSecret(await File.ReadAllTextAsync($"/proc/{process}/cmdline"), key);
        }

        await datasette.StopAsync();
        AssertNoSecret(datasette.Output, key);
        AssertInNoFile(workspace, key);
        await s3.AssertRestoredAsync(workspace, key, "parks");
        await s3.AssertRestoredAsync(workspace, key, "a b+c&d=e$f;g'h é 😀");
    }

    [TestMethod]
    [DataRow("file")]
    [DataRow("command")]
    public async Task Rotated_credentials_are_taken_up_without_losing_a_row(string source)
    {
        await using var s3 = await S3Replication.StartAsync(source);
        var pauses = new List<TimeSpan>();
        await using (var load = new WriteLoad(s3.Workspace, "parks.db"))
        {
            for (var i = 0; i < (Scale.IsFull ? 100 : 5); i++)
            {
                var before = await s3.Workspace.WaitForLitestreamAsync();
                var key = s3.Key;
                await s3.RotateAsync();
                await s3.Datasette.WaitForStatusAsync(status => !IsRunning(status, before), "Litestream is stopped");
                var stopped = Stopwatch.GetTimestamp();
                await s3.Datasette.WaitForStatusAsync(status => IsRunning(status), "Litestream runs again");
                pauses.Add(Stopwatch.GetElapsedTime(stopped));
                await s3.Server.RevokeAsync(key);
            }
        }

        await s3.Datasette.StopAsync();
        await s3.AssertRestoredAsync();
        Figures.Record($"replication's pause at a rotation by {source}, S3", pauses);
    }

    [TestMethod]
    public async Task A_revoked_key_is_told_on_the_page_and_cured_by_rotation()
    {
        await using var s3 = await S3Replication.StartAsync();
        await s3.Datasette.WaitForDatabaseAsync("replicating");

        await s3.Server.RevokeAsync(s3.Key);
        await s3.Datasette.InsertAsync("parks", "while refused");
        var seen = await s3.Datasette.WaitForDatabaseAsync("failing");
        Figures.Record("from a key's revocation to the page", [seen]);
        var page = await s3.Datasette.Http.GetStringAsync("/-/litestream-status");
        StringAssert.Contains(page, "InvalidAccessKeyId");
        AssertNoSecret(page, s3.Key);

        await s3.RotateAsync();
        await s3.Datasette.WaitForDatabaseAsync("replicating");
        await s3.Datasette.StopAsync();
        await s3.AssertRestoredAsync();
    }

    [TestMethod]
    public async Task A_server_that_is_down_for_20_s_is_waited_for()
    {
        await using var s3 = await S3Replication.StartAsync();
        await s3.Datasette.WaitForDatabaseAsync("replicating");
        await using (var load = new WriteLoad(s3.Workspace, "parks.db"))
        {
            await s3.Server.TakeDownAsync();
            await load.WaitForAsync(WriteLoad.Rate * 20);
            await s3.Server.BringUpAsync();
            await s3.Datasette.WaitForDatabaseAsync("replicating");
        }

        // Whoever cannot see for 20 s that the destination is still its own stops Litestream, which is no failure.
        Assert.AreEqual(0, (int)(await s3.Datasette.StatusAsync())["litestream"]!["failures"]!);
        await s3.Datasette.StopAsync();
        await s3.AssertRestoredAsync();
    }

    [TestMethod]
    public async Task A_failing_refresh_ends_Datasette_after_a_graceful_stop()
    {
        await using var s3 = await S3Replication.StartAsync();
        await s3.Datasette.InsertAsync("parks", "the last row");
        var broken = Stopwatch.GetTimestamp();
        s3.WriteKey("{\"access-key-id\": \"half");
        Assert.AreNotEqual(0, await s3.Datasette.WaitForExitAsync());
        var took = Stopwatch.GetElapsedTime(broken);
        Figures.Record("from a broken credentials file to Datasette's end", [took]);
        StringAssert.Contains(s3.Datasette.Output, "WARNING:  datasette-litestream: credentials-file: ");
        StringAssert.Contains(s3.Datasette.Output, "That was failure 3 in a row. Datasette ends.");
        Assert.IsEmpty(s3.Workspace.Litestreams);
        await s3.AssertRestoredAsync();
    }

    [TestMethod]
    public async Task A_refused_key_is_replaced_at_once_whatever_the_interval()
    {
        await using var s3 = await S3Replication.StartAsync(settings: Settings.Set("credentials-refresh-interval", "3600"));
        await s3.Datasette.WaitForDatabaseAsync("replicating");
        var old = s3.Key;
        await s3.RotateAsync();
        await s3.Server.RevokeAsync(old);
        await s3.Datasette.InsertAsync("parks", "refused at first");
        var refused = Stopwatch.GetTimestamp();
        await s3.Datasette.WaitForStatusAsync(status => (string?)status["credentials"]!["changed_at"] is not null, "the new key is taken up");
        var took = Stopwatch.GetElapsedTime(refused);
        Figures.Record("from a key's refusal to the new key, interval 1 h", [took]);
        Assert.IsLessThan(TimeSpan.FromSeconds(30), took);
        await s3.Datasette.WaitForDatabaseAsync("replicating");
        await s3.Datasette.StopAsync();
        await s3.AssertRestoredAsync();
    }

    [TestMethod]
    public async Task A_key_that_expires_is_replaced_before_whatever_the_interval()
    {
        await using var s3 = await S3Replication.StartAsync(
            key => key.Expiring(TimeSpan.FromSeconds(40)), "command", Settings.Set("credentials-refresh-interval", "3600"));
        Assert.IsNotNull((string?)(await s3.Datasette.StatusAsync())["credentials"]!["expires_at"]);
        await s3.RotateAsync();
        var status = await s3.Datasette.WaitForStatusAsync(status => (string?)status["credentials"]!["changed_at"] is not null, "the new key is taken up");
        Assert.IsNull((string?)status["credentials"]!["expires_at"]);
        Assert.DoesNotContain("datasette-litestream:", s3.Datasette.Output);
        await s3.Datasette.StopAsync();
        await s3.AssertRestoredAsync();
    }

    [TestMethod]
    public async Task A_refresh_that_fails_while_S3_refuses_ends_Datasette_at_once()
    {
        await using var s3 = await S3Replication.StartAsync(settings: Settings.Set("credentials-refresh-interval", "3600"));
        await s3.Datasette.WaitForDatabaseAsync("replicating");
        await s3.Server.RevokeAsync(s3.Key);
        File.Delete(s3.Workspace.Path(S3Replication.KeyFile));
        await s3.Datasette.InsertAsync("parks", "refused");
        Assert.AreNotEqual(0, await s3.Datasette.WaitForExitAsync());
        StringAssert.Contains(s3.Datasette.Output, "S3 refuses the previous credentials too. Datasette ends.");
        Assert.IsEmpty(s3.Workspace.Litestreams);
    }

    [TestMethod]
    public async Task A_failing_refresh_is_lived_with_where_that_is_wanted()
    {
        await using var s3 = await S3Replication.StartAsync(settings: Settings.Set("on-refresh-failure", "keep"));
        var litestream = await s3.Workspace.WaitForLitestreamAsync();
        File.Delete(s3.Workspace.Path(S3Replication.KeyFile));
        await s3.Datasette.WaitForStatusAsync(status => (string?)status["credentials"]!["failure"] is not null, "the refresh failed");
        await s3.Datasette.InsertAsync("parks", "with the last good credentials");
        s3.WriteKey(s3.Key.Json);
        await s3.Datasette.WaitForStatusAsync(status => (string?)status["credentials"]!["failure"] is null, "the refresh works again");
        Assert.AreEqual(litestream, s3.Workspace.Litestreams.Single());
        await s3.Datasette.StopAsync();
        await s3.AssertRestoredAsync();
    }

    private static bool IsRunning(JsonNode status, int? processId = null) =>
        (string?)status["state"] == "running" && (processId is null || (int?)status["litestream"]!["process_id"] == processId);

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
