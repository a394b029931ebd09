namespace Datasette.Litestream.EndToEnd;

/// <summary><c>datasette litestream doctor</c> on set-ups that are broken on purpose: each is found, and its cure named.</summary>
[TestClass]
public sealed class DoctorSpecs
{
    [TestMethod]
    public async Task What_works_is_found_to_work()
    {
        _ = RealParts.Litestream05;
        using var workspace = await RestoreSpecs.ReplicatedAsync();
        var output = (await PluginCommand.RunAsync(workspace, ["doctor", "parks.db", .. Settings.ReplicateAll()])).Succeeded().Output;
        Assert.DoesNotContain("FAIL", output);
        Assert.Contains("was listed, written, read and deleted from", output);
        Assert.IsEmpty(Directory.GetFileSystemEntries(workspace.Backup("parks"), "*doctor*", SearchOption.AllDirectories));
    }

    [TestMethod]
    public Task A_Litestream_that_is_not_there() =>
        AssertFoundAsync("there is no file /none", "correct the path", new() { ["DATASETTE_LITESTREAM_BINARY"] = "/none" }, _ => Settings.ReplicateAll());

    [TestMethod]
    public Task A_program_that_is_no_Litestream() =>
        AssertFoundAsync("is not Litestream", "Install one", new() { ["DATASETTE_LITESTREAM_BINARY"] = "/bin/echo" }, _ => Settings.ReplicateAll());

    [TestMethod]
    public Task A_misspelt_setting() =>
        AssertFoundAsync("retentoin", "retention", [], _ => [.. Settings.ReplicateAll(), .. Settings.Set("retentoin", "1h")]);

    [TestMethod]
    public Task A_variable_that_is_not_set() =>
        AssertFoundAsync("NOT_SET_BY_ANYBODY", "FAIL", [], _ => Settings.Set("all-replicate", "file://$NOT_SET_BY_ANYBODY/$DB_NAME"));

    [TestMethod]
    public Task A_destination_that_is_no_folder() =>
        AssertFoundAsync("cannot be written to", "choose another folder", [], workspace => Settings.Set("all-replicate", $"file://{workspace.Path(workspace.Write("file", ""))}/x"));

    [TestMethod]
    public Task A_server_that_does_not_answer() => AssertFoundAsync(
        "connection refused",
        "Start its server",
        new() { ["AWS_ACCESS_KEY_ID"] = "fake", ["AWS_SECRET_ACCESS_KEY"] = "fake-secret" },
        _ => Settings.Set("all-replicate", "s3://maps/$DB_NAME?endpoint=http://127.0.0.1:9&region=us-east-1&forcePathStyle=true"));

    [TestMethod]
    public async Task A_bucket_that_is_not_there_and_a_key_that_is_refused()
    {
        using var server = await S3Server.StartAsync();
        var key = await server.CreateKeyAsync();
        await AssertFoundAsync("The bucket does not exist", "Create it", key.Variables, _ => [.. S3Key.Options, .. Settings.Set("all-replicate", server.Url("x").Replace($"s3://{S3Server.Bucket}/", "s3://none/", StringComparison.Ordinal))]);
        await server.RevokeAsync(key);
        await AssertFoundAsync("does not know the access key", "Correct access-key-id", key.Variables, _ => [.. S3Key.Options, .. Settings.Set("all-replicate", server.Url("$DB_NAME"))]);
    }

    [TestMethod]
    public Task A_file_of_credentials_that_is_not_there() => AssertFoundAsync(
        "keys.json", "Have the source give valid ones", [], _ => [.. Settings.Set("all-replicate", "s3://maps/$DB_NAME"), .. Settings.Set("credentials-file", "keys.json"), .. Settings.Set("credentials-refresh-interval", "60")]);

    [TestMethod]
    public Task Credentials_that_have_expired() => AssertFoundAsync(
        "expired",
        "have new ones issued",
        [],
        workspace =>
        {
            workspace.Write("keys.json", """{"AccessKeyId": "fake", "SecretAccessKey": "fake-secret", "Expiration": "2020-01-01T00:00:00Z"}""");
            return [.. Settings.Set("all-replicate", "s3://maps/$DB_NAME"), .. Settings.Set("credentials-file", "keys.json"), .. Settings.Set("credentials-refresh-interval", "60")];
        });

    [TestMethod]
    public Task A_file_that_is_no_database() => AssertFoundAsync(
        "is no SQLite database",
        "restore this one",
        [],
        workspace =>
        {
            workspace.Write("parks.db", new string('x', 5000));
            return Settings.ReplicateAll();
        });

    [TestMethod]
    public Task A_name_that_Litestream_cannot_open() => AssertFoundAsync("#", "FAIL", [], _ => Settings.ReplicateAll(), "a#b");

    [TestMethod]
    public async Task Another_Litestream_that_has_the_database_open()
    {
        using var workspace = await RestoreSpecs.ReplicatedAsync();
        using var other = System.Diagnostics.Process.Start(
            new System.Diagnostics.ProcessStartInfo(RealParts.Litestream05, ["replicate", workspace.Path("parks.db"), $"file://{workspace.Path("other")}"])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
        try
        {
            await Wait.UntilAsync(() => Directory.Exists(workspace.Path("other/ltx")), "it replicates");
            (await PluginCommand.RunAsync(workspace, ["doctor", "parks.db", .. Settings.ReplicateAll()])).Failed($"kill {other.Id}");
        }
        finally
        {
            other.Kill();
            await other.WaitForExitAsync();
        }
    }

    private static async Task AssertFoundAsync(
        string fault, string cure, Dictionary<string, string?> environment, Func<Workspace, string[]> options, string name = "parks")
    {
        _ = RealParts.Litestream05;
        using var workspace = new Workspace();
        var file = workspace.Create(name);
        var found = (await PluginCommand.RunAsync(workspace, environment, ["doctor", file, .. options(workspace)])).Failed(fault);
        Assert.Contains(cure, found.Output);
        Assert.Contains("FAIL", found.Output);
    }
}
