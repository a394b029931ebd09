using System.Collections.Concurrent;
using System.Net;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using CliWrap;
using CliWrap.Buffered;

namespace Datasette.Litestream.EndToEnd;

/// <summary>Installed with pip beside an existing Datasette and other plugins, the plugin does not change these.</summary>
[TestClass]
public sealed partial class NeighbourSpecs
{
    private const string Newest = "1.0a41";

    private static readonly ConcurrentDictionary<string, Task<string>> Environments = new();
    private static readonly Lazy<string> Folder = new(MakeFolder);

    [TestMethod]
    [DataRow("0.65.5")]
    [DataRow(Newest)]
    public async Task Pip_leaves_the_Datasette_that_is_there(string version)
    {
        var python = await PythonAsync($"datasette=={version}");
        Assert.AreEqual(version, await VersionOfDatasetteAsync(python));
        using var workspace = new Workspace();
        await using var datasette = await StartAsync(workspace, python);
        await AssertOursWorksAsync(datasette);
    }

    [TestMethod]
    public async Task Pip_takes_a_stable_Datasette_where_there_is_none() =>
        Assert.MatchesRegex(@"^\d+(\.\d+)+$", await VersionOfDatasetteAsync(await PythonAsync()));

    [TestMethod]
    [DataRow("0.65.5")]
    [DataRow(Newest)]
    public async Task Datasette_auth_passwords_lets_in_who_has_a_password_and_this_plugin_whom_it_names(string version)
    {
        const string password = "correct horse";
        var python = version == Newest ? await AllPluginsAsync() : await PythonAsync($"datasette=={version}", "datasette-auth-passwords==1.1.1");
        var hash = await Cli.Wrap(python).WithArguments(["-m", "datasette", "hash-password", "--no-confirm"])
            .WithStandardInputPipe(PipeSource.FromString(password)).ExecuteBufferedAsync();
        using var workspace = new Workspace();
        workspace.Write("hash", hash.StandardOutput.Trim());
        await using var datasette = await StartAsync(
            workspace,
            python,
            "-s", "plugins.datasette-auth-passwords.alice_password_hash", """{"$file": "hash"}""",
            "-s", "permissions.litestream-view-status.id", """["alice", "root"]""");

        using var browser = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false }) { BaseAddress = datasette.Http.BaseAddress };
        Assert.AreEqual(HttpStatusCode.Forbidden, (await browser.GetAsync("/-/litestream-status")).StatusCode);
        Assert.AreEqual(HttpStatusCode.OK, (await LogInAsync("wrong")).StatusCode);
        Assert.AreEqual(HttpStatusCode.Forbidden, (await browser.GetAsync("/-/litestream-status")).StatusCode);
        Assert.AreEqual(HttpStatusCode.Found, (await LogInAsync(password)).StatusCode);
        Assert.AreEqual("alice", (string?)JsonNode.Parse(await browser.GetStringAsync("/-/actor.json"))!["actor"]!["id"]);
        StringAssert.Contains(await browser.GetStringAsync("/-/litestream-status"), workspace.Backup("parks"));
        await AssertOursWorksAsync(datasette);

        async Task<HttpResponseMessage> LogInAsync(string password)
        {
            var token = TokenOfForm().Match(await browser.GetStringAsync("/-/login")).Groups[1].Value;
            using var form = new FormUrlEncodedContent([new("username", "alice"), new("password", password), new("csrftoken", token)]);
            return await browser.PostAsync("/-/login", form);
        }
    }

    [TestMethod]
    public async Task Datasette_auth_tokens_keeps_its_tokens_in_a_replicated_database()
    {
        using var workspace = new Workspace();
        await using var datasette = await StartAsync(
            workspace,
            await AllPluginsAsync(),
            "-s", "plugins.datasette-auth-tokens.manage_tokens", "true",
            "-s", "plugins.datasette-auth-tokens.manage_tokens_database", "parks");

        using var form = new FormUrlEncodedContent([new("description", "for a test")]);
        using var made = await datasette.Http.PostAsync("/-/api/tokens/create", form);
        var token = ManagedToken().Match(await made.Content.ReadAsStringAsync()).Value;
        Assert.AreNotEqual("", token);
        using var bot = new HttpClient { BaseAddress = datasette.Http.BaseAddress };
        bot.DefaultRequestHeaders.Authorization = new("Bearer", token);
        Assert.AreEqual("root", (string?)JsonNode.Parse(await bot.GetStringAsync("/-/actor.json"))!["actor"]!["id"]);
        await AssertOursWorksAsync(datasette);
        using var database = workspace.Open("parks.db");
        DumpComparison.AssertContains(database.Dump(), "for a test");
    }

    [TestMethod]
    public async Task Datasette_upload_dbs_takes_a_database_which_is_replicated()
    {
        using var elsewhere = new Workspace();
        using var file = new ByteArrayContent(await File.ReadAllBytesAsync(elsewhere.Path(elsewhere.Create("trees"))));
        using var workspace = new Workspace();
        await using var datasette = await StartAsync(
            workspace, await AllPluginsAsync(), "-s", "plugins.datasette-upload-dbs.directory", "uploads");

        using var form = new MultipartFormDataContent { { file, "db", "trees.db" }, { new StringContent("1"), "xhr" } };
        using var taken = await datasette.Http.PostAsync("/-/upload-dbs", form);
        Assert.AreEqual(HttpStatusCode.OK, taken.StatusCode, await taken.Content.ReadAsStringAsync());
        StringAssert.Contains(await datasette.Http.GetStringAsync("/trees/rows.json?_shape=array"), "row 0 of trees");
        await datasette.WaitForStatusAsync(
            status => status["databases"]!.AsArray().Any(database => (string?)database!["name"] == "trees" && (string?)database["state"] == "replicating"), "trees is replicated");
        await datasette.InsertAsync("trees", "into what was uploaded");
        await AssertOursWorksAsync(datasette);
        await workspace.AssertRestoredAsync("trees", "uploads/trees.db");
    }

    [TestMethod]
    public async Task Datasette_write_writes()
    {
        using var workspace = new Workspace();
        await using var datasette = await StartAsync(workspace, await AllPluginsAsync());

        using var form = new FormUrlEncodedContent([new("sql", "insert into rows (text) values (:text)"), new("qp_text", "written")]);
        using var written = await datasette.Http.PostAsync("/parks/-/write", form);
        StringAssert.Contains(await datasette.Http.GetStringAsync("/parks/rows.json?_shape=array&text=written"), "written");
        await AssertOursWorksAsync(datasette);
    }

    /// <summary>All four, also together.</summary>
    private static Task<string> AllPluginsAsync() => PythonAsync(
        $"datasette=={Newest}",
        "datasette-auth-passwords==1.1.1",
        "datasette-auth-tokens==0.4a13",
        "datasette-upload-dbs==0.5a0",
        "datasette-write==0.5a0");

    /// <summary>An environment in which pip has installed some packages and then the wheel, each with its dependencies.</summary>
    /// <returns>Its Python.</returns>
    public static Task<string> PythonAsync(params string[] packages) =>
        Environments.GetOrAdd(string.Join(' ', packages), _ => MakeAsync(packages));

    private static async Task<string> MakeAsync(string[] packages)
    {
        var wheel = await PluginEnvironment.WheelAsync();
        var folder = Path.Combine(Folder.Value, Path.GetRandomFileName());
        await PluginEnvironment.RunAsync(RealParts.Builder, "-m", "venv", "--without-pip", folder);
        var python = Path.Combine(folder, "bin/python");
        if (packages.Length > 0)
        {
            await InstallAsync(python, packages);
        }

        await InstallAsync(python, wheel);
        return python;
    }

    /// <summary>Installs with pip, with the user's own settings; skips the test if a package is not available.</summary>
    private static async Task InstallAsync(string python, params string[] packages)
    {
        try
        {
            await PluginEnvironment.RunAsync(
                RealParts.Builder,
                ["-m", "pip", "--python", python, "--disable-pip-version-check", "install", "--retries", "1", "--timeout", "15", .. packages]);
        }
        catch (InvalidOperationException ex) when (NotToBeHad().Match(ex.Message) is { Success: true } missing)
        {
            throw Skip.Because($"pip does not give {missing.Groups[1].Value}");
        }
    }

    private static Task<DatasetteProcess> StartAsync(Workspace workspace, string python, params string[] options)
    {
        _ = RealParts.Litestream;
        return DatasetteProcess.StartAsync(workspace, [workspace.Create("parks"), .. Settings.ReplicateAll(), .. options], python: python);
    }

    private static async Task AssertOursWorksAsync(DatasetteProcess datasette)
    {
        await datasette.WaitForDatabaseAsync("replicating");
        StringAssert.Contains(await datasette.Http.GetStringAsync("/-/litestream-status"), datasette.Workspace.Backup("parks"));
        await datasette.AssertReplicatesAsync("parks");
        Assert.IsEmpty(datasette.Workspace.Litestreams);
    }

    private static async Task<string> VersionOfDatasetteAsync(string python) =>
        (await PluginEnvironment.RunAsync(python, "-c", "from importlib.metadata import version; print(version('datasette'))")).Trim();

    private static string MakeFolder()
    {
        var folder = Directory.CreateTempSubdirectory("datasette-litestream-neighbours-").FullName;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(folder, recursive: true);
        return folder;
    }

    [GeneratedRegex("""name="csrftoken" value="([^"]*)""")]
    private static partial Regex TokenOfForm();

    [GeneratedRegex(@"dsatok_[\w.-]+")]
    private static partial Regex ManagedToken();

    [GeneratedRegex(@"No matching distribution found for (\S+)")]
    private static partial Regex NotToBeHad();
}
