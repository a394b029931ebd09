namespace Datasette.Litestream.EndToEnd;

/// <summary>Every example in the README of 0.2a0, the plugin that this one stands in for, word for word but for places and keys.</summary>
[TestClass]
public sealed class PreviousReadmeSpecs
{
    private const string OneDatabase = """
        databases:
          my_database:
            plugins:
              datasette-litestream:
                replicas:
                  - url: s3://backup/my_database
        """;

    private const string AllDatabases = """
        plugins:
          datasette-litestream:
            all-replicate:
              - s3://backup/$DB_NAME
        """;

    private const string CredentialsInFile = """
        plugins:
          datasette-litestream:
            all-replicate:
              - s3://backup/$DB_NAME
            credentials-file: FOLDER/credentials.json
            credentials-refresh-interval: 300  # Check every 5 minutes
        """;

    private const string CredentialsOfCommand = """
        plugins:
          datasette-litestream:
            all-replicate:
              - s3://backup/$DB_NAME
            credentials-command: ./fetch_creds.sh --bucket my-bucket
            credentials-refresh-interval: 300  # Check every 5 minutes
        """;

    private const string Intervals = """
        databases:
          my_database:
            plugins:
              datasette-litestream:
                replicas:
                  - s3://backup/my_database
                  - file://$PWD/folder/my_database
                monitor-interval: 1s
                checkpoint-interval: 1m
                min-checkpoint-page-count: 1000
                max-checkpoint-page-count: 10000
        """;

    private const string TwoForAll = """
        plugins:
          datasette-litestream:
            all-replicate:
              - file://$PWD/folder/$DB_NAME
              - s3://backup/$DB_NAME
            metrics-addr: 127.0.0.1:PORT
            access-key-id: {"$env": "YOUR_KEY"}
            secret-access-key: {"$env": "YOUR_SECRET"}
        """;

    private static readonly (string Yaml, string IdVariable, string SecretVariable)[] Examples =
    [
        (OneDatabase, "LITESTREAM_ACCESS_KEY_ID", "LITESTREAM_SECRET_ACCESS_KEY"),
        (AllDatabases, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        (CredentialsInFile, "", ""),
        (CredentialsOfCommand, "", ""),
        (Intervals, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        (TwoForAll, "YOUR_KEY", "YOUR_SECRET"),
    ];

    /// <summary>Each example with the Litestream of the wheel, and in full with the older one as well.</summary>
    public static IEnumerable<object[]> Combinations =>
        from example in Examples
        from litestream in Scale.IsFull ? ["0.5", "0.3"] : new[] { "0.5" }
        select new object[] { litestream, example.Yaml, example.IdVariable, example.SecretVariable };

    [TestMethod]
    [DynamicData(nameof(Combinations))]
    public async Task An_example_replicates_to_each_of_its_places(string litestream, string example, string idVariable, string secretVariable)
    {
        var binary = litestream == "0.5" ? RealParts.Litestream05 : RealParts.Litestream03;
        using var server = await S3Server.StartAsync();
        var key = await server.CreateKeyAsync();
        using var workspace = new Workspace();
        workspace.Create("my_database");
        workspace.Write("credentials.json", key.Json);
        workspace.Write("fetch_creds.sh", $"#!/bin/sh\necho '{key.Json}'\n");
        File.SetUnixFileMode(workspace.Path("fetch_creds.sh"), UnixFileMode.UserRead | UnixFileMode.UserExecute);
        workspace.Write("datasette.yaml", example.Replace("FOLDER", workspace.Folder, StringComparison.Ordinal).Replace("PORT", $"{Ports.FindFree()}", StringComparison.Ordinal));
        var environment = new Dictionary<string, string?>
        {
            ["DATASETTE_LITESTREAM_BINARY"] = binary,
            ["AWS_CA_BUNDLE"] = null,
            ["LITESTREAM_S3_ENDPOINT"] = server.Endpoint,
            ["AWS_REGION"] = "us-east-1",
        };
        if (idVariable.Length > 0)
        {
            (environment[idVariable], environment[secretVariable]) = (key.Id, key.Secret);
        }

        await using (var datasette = await DatasetteProcess.StartAsync(workspace, ["my_database.db", "-c", "datasette.yaml"], environment))
        {
            await datasette.WaitForDatabaseAsync(litestream == "0.5" ? "replicating" : "unverified");
            await datasette.InsertAsync("my_database", "through Datasette");
            await datasette.StopAsync();
        }

        await server.AssertRestoredAsync(workspace, key, "my_database");
        if (example.Contains("folder", StringComparison.Ordinal))
        {
            using var original = workspace.Open("my_database.db");
            DumpComparison.AssertEqual(original.Dump(), await LitestreamProgram.RestoreAsync(RealParts.Litestream05, [$"file://{workspace.Path("folder/my_database")}"]));
        }
    }
}
