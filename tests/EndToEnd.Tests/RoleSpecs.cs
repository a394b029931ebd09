namespace Datasette.Litestream.EndToEnd;

/// <summary>
/// Credentials of a role, which Litestream and the plugin each get from STS: with a token, as in EKS, or with the keys of another profile.
/// </summary>
[TestClass]
public sealed class RoleSpecs
{
    private const string Role = "arn:aws:iam::123456789012:role/litestream";

    [TestMethod]
    public Task A_token_of_a_pod() => ReplicatesAsync((workspace, _) =>
    {
        workspace.Write("token", "token");
        return new()
        {
            ["AWS_WEB_IDENTITY_TOKEN_FILE"] = workspace.Path("token"),
            ["AWS_ROLE_ARN"] = Role,
        };
    });

    [TestMethod]
    public Task A_profile_with_a_role() => ReplicatesAsync((workspace, key) =>
    {
        workspace.Write("config", $"[profile backup]\nrole_arn = {Role}\nsource_profile = base\n");
        workspace.Write("keys", $"[base]\naws_access_key_id = {key.Id}\naws_secret_access_key = {key.Secret}\n");
        return new()
        {
            ["AWS_CONFIG_FILE"] = workspace.Path("config"),
            ["AWS_SHARED_CREDENTIALS_FILE"] = workspace.Path("keys"),
            ["AWS_PROFILE"] = "backup",
        };
    });

    /// <summary>The plugin writes its file above the destination and a mirror of it, and Litestream all else.</summary>
    private static async Task ReplicatesAsync(Func<Workspace, S3Key, Dictionary<string, string?>> environmentOf)
    {
        using var workspace = new Workspace();
        using var server = await S3Server.StartAsync();
        var key = await server.CreateKeyAsync();
        var environment = environmentOf(workspace, key);
        foreach (var (name, value) in new[] { ("AWS_REGION", "us-east-1"), ("AWS_ENDPOINT_URL_STS", server.Endpoint), ("AWS_CA_BUNDLE", null) })
        {
            environment[name] = value;
        }

        await using (var datasette = await DatasetteProcess.StartAsync(
            workspace,
            [workspace.Create("parks"), .. Settings.Set("all-replicate", $"""["{server.Url("all/$DB_NAME")}", "{server.Url("more/$DB_NAME")}"]""")],
            environment))
        {
            await datasette.WaitForStatusAsync(status => (string?)status["databases"]![0]!["state"] == "replicating", "both destinations are green");
            using var writing = workspace.Open("parks.db");
            writing.Insert("made");
        }

        using var original = workspace.Open("parks.db");
        foreach (var place in new[] { "all/parks", "more/parks" })
        {
            Assert.AreEqual(original.Dump(), await LitestreamProgram.RestoreAsync(RealParts.Litestream, [server.Url(place)], key.Environment));
        }
    }
}
