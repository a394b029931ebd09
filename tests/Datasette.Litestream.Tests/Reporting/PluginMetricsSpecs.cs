using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Credentials;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Observation;
using Datasette.Litestream.Proving;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Tests.Configuration;
using Datasette.Litestream.Tests.Litestream;
using Datasette.Litestream.Tests.Observation;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Reporting;

[TestClass]
public sealed class PluginMetricsSpecs
{
    private const string OddName = "a \"b\" \\ {c}\n, é 😀";

    private static readonly DaemonStatus Daemon = new DaemonStatus(DaemonState.Running)
        .With(new Restart(Observations.Now, RestartReason.Crash, "")).With(new Restart(Observations.Now, RestartReason.FailedStart, "")).With(new Restart(Observations.Now, RestartReason.Crash, ""));

    private static readonly CredentialStatus Credentials = new("the file", Observations.Now, null, null, Unchanged: 5, Changed: 2, Failed: 1);

    private static readonly ObservedDatabases Databases = new(
        Observations.Now,
        [
            Observations.Database("parks", lag: 1.5),
            Observations.Database("odd", DatabaseState.Unverified, lag: null) with
            {
                Plan = Observations.Database("odd").Plan with { Name = OddName },
                Evidence = new Evidence(null, null, null, null, null, null),
                LastSyncAt = null,
            },
        ]);

    [TestMethod]
    public async Task How_everything_stands_is_told()
    {
        var samples = await SamplesAsync();
        foreach (var (sample, value) in new[]
        {
            ("datasette_litestream_up", "1"),
            ("datasette_litestream_daemon_restarts_total{reason=\"crash\"}", "2"),
            ("datasette_litestream_daemon_restarts_total{reason=\"failed start\"}", "1"),
            ("datasette_litestream_daemon_restarts_total{reason=\"unresponsive\"}", "0"),
            ("datasette_litestream_daemon_restarts_total{reason=\"credentials\"}", "0"),
            ("datasette_litestream_credential_refreshes_total{result=\"unchanged\"}", "5"),
            ("datasette_litestream_credential_refreshes_total{result=\"changed\"}", "2"),
            ("datasette_litestream_credential_refreshes_total{result=\"failed\"}", "1"),
            ("datasette_litestream_observed_timestamp_seconds", "1777636800"),
            ("datasette_litestream_database_healthy{database=\"parks\"}", "1"),
            ("datasette_litestream_database_replica_lag_seconds{database=\"parks\"}", "1.5"),
            ("datasette_litestream_database_txid{database=\"parks\"}", "7"),
            ("datasette_litestream_last_sync_timestamp_seconds{database=\"parks\"}", "1777636799"),
            ("datasette_litestream_sync_errors_total{database=\"parks\"}", "2"),
        })
        {
            Assert.AreEqual(value, samples[sample], sample);
        }
    }

    [TestMethod]
    public async Task What_is_unknown_is_left_out_and_any_name_is_a_label()
    {
        var samples = await SamplesAsync();
        CollectionAssert.AreEqual(
            new[] { """datasette_litestream_sync_errors_total{database="a \"b\" \\ {c}\n, é 😀"}""" },
            samples.Keys.Where(key => key.Contains("😀", StringComparison.Ordinal)).ToArray());
    }

    [TestMethod]
    public async Task Each_destination_of_a_database_with_mirrors_has_its_own()
    {
        var plan = Plans.From("""{"all-replicate": ["s3://maps/$DB_NAME", "file:///a/$DB_NAME"]}""").Sound.For(ReleaseLine.V05).Databases.Single();
        var primary = Observations.Database("parks") with { Plan = plan };
        var mirror = new DestinationObservation(
            plan.Mirrors.Single(), IsMirror: true, DatabaseState.Failing, Observations.Now, StateReason.MirrorFailed, "access denied",
            primary.Evidence with { Lag = TimeSpan.FromSeconds(90), ReplicatedTxid = 5 })
        { Bytes = 4096 };
        var text = await PluginMetrics.WriteAsync(null, null, new ObservedDatabases(Observations.Now, [primary.With([mirror])]), Observations.Now);
        foreach (var line in new[]
        {
            """datasette_litestream_database_healthy{database="parks"} 0""",
            """datasette_litestream_replica_healthy{database="parks",replica="s3://maps/parks"} 0""",
            """datasette_litestream_replica_healthy{database="parks",replica="/a/parks"} 1""",
            """datasette_litestream_replica_lag_seconds{database="parks",replica="s3://maps/parks"} 90""",
            """datasette_litestream_replica_lag_seconds{database="parks",replica="/a/parks"} 0""",
            """datasette_litestream_replica_txid{database="parks",replica="s3://maps/parks"} 5""",
            """datasette_litestream_replica_size_bytes{database="parks",replica="s3://maps/parks"} 4096""",
        })
        {
            Assert.Contains($"\n{line}\n", text);
        }

        Assert.DoesNotContain("replica_size_bytes{database=\"parks\",replica=\"/a/parks\"}", text);
        var (isValid, complaints) = await Promtool.CheckAsync(text);
        Assert.IsTrue(isValid, string.Join('\n', complaints));
    }

    [TestMethod]
    public async Task Each_destination_has_what_its_drills_have_shown()
    {
        var failure = Observations.Drill(1, DrillOutcome.Failed);
        var observed = new ObservedDatabases(
            Observations.Now,
            [
                Observations.Database("parks").Drilled(Observations.Proven(1)),
                Observations.Database("trees").Drilled(Observations.Proven(24) with { Last = failure, Failure = failure }),
                Observations.Database("roads").Drilled(Observations.Unproven with { Interval = null }),
            ]);
        var text = await PluginMetrics.WriteAsync(null, null, observed, Observations.Now);
        foreach (var line in new[]
        {
            """drill_success_timestamp_seconds{database="parks",replica="s3://maps/parks"} 1777633200""",
            """drill_strong{database="parks",replica="s3://maps/parks"} 1""",
            """drill_failed{database="parks",replica="s3://maps/parks"} 0""",
            """drill_failed{database="trees",replica="s3://maps/trees"} 1""",
            """drill_interval_seconds{database="parks",replica="s3://maps/parks"} 86400""",
            """drill_restore_seconds{database="parks",replica="s3://maps/parks"} 2.5""",
            """drill_check_seconds{database="parks",replica="s3://maps/parks"} 1.5""",
            """drill_bytes{database="parks",replica="s3://maps/parks"} 4194304""",
            """drill_data_age_seconds{database="parks",replica="s3://maps/parks"} 0.5""",
        })
        {
            Assert.Contains($"\ndatasette_litestream_{line}\n", text);
        }

        Assert.DoesNotContain("replica=\"s3://maps/roads\"", text);
        var (isValid, complaints) = await Promtool.CheckAsync(text);
        Assert.IsTrue(isValid, string.Join('\n', complaints));
    }

    [TestMethod]
    public async Task Of_databases_that_were_not_looked_at_for_too_long_nothing_is_known()
    {
        var text = await PluginMetrics.WriteAsync(Daemon, Credentials, Databases, Observations.Now.AddSeconds(16));
        Assert.DoesNotContain("database=", text);
        Assert.Contains("\ndatasette_litestream_observed_timestamp_seconds 1777636800\n", text);
    }

    [TestMethod]
    public async Task Without_a_Litestream_and_credentials_there_is_still_an_answer()
    {
        var text = await PluginMetrics.WriteAsync(null, null, new ObservedDatabases(Observations.Now, []), Observations.Now);
        Assert.Contains("\ndatasette_litestream_up 0\n", text);
        Assert.DoesNotContain("credential_refreshes", text);
    }

    [TestMethod]
    public async Task Prometheus_has_nothing_to_say_against_them()
    {
        var (isValid, complaints) = await Promtool.CheckAsync(await PluginMetrics.WriteAsync(Daemon, Credentials, Databases, Observations.Now));
        Assert.IsEmpty(complaints);
        Assert.IsTrue(isValid);
    }

    [TestMethod]
    public async Task Those_of_Litestream_get_the_name_of_the_database_and_all_together_are_valid()
    {
        var plans = Databases.Databases.Select(database => database.Plan with { Path = $"/data/{database.Plan.Name}.db" }).ToImmutableArray();
        var merged = await MergedAsync(plans, string.Join('\n', plans.Select(plan => $$"""litestream_db_size{db="{{Exposition.Escape(plan.Path)}}"} 4096""")));
        var sizes = Exposition.Parse(merged).Where(sample => sample.Name == "litestream_db_size").ToList();
        CollectionAssert.AreEqual(new[] { "parks", OddName, null }, sizes.Select(sample => sample.Labels.GetValueOrDefault("database")).ToArray());
        CollectionAssert.AreEqual(
            new[] { plans[0].Path, plans[1].Path, "/not/ours.db" }, sizes.Select(sample => sample.Labels["db"]).ToArray());
        Assert.DoesNotContain("go_goroutines", merged);
        Assert.Contains("litestream_replica_operation_total{operation=\"PUT\",replica_type=\"file\"} 5", merged);

        var (isValid, complaints) = await Promtool.CheckAsync(await PluginMetrics.WriteAsync(Daemon, Credentials, Databases, Observations.Now) + merged);
        Assert.IsTrue(isValid, string.Join('\n', complaints));
        Assert.IsEmpty(complaints.Where(complaint => !complaint.StartsWith("litestream_", StringComparison.Ordinal)));
    }

    [TestMethod]
    public async Task A_Litestream_that_does_not_answer_adds_nothing()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var address = listener.LocalEndpoint;
        listener.Stop();
        using var reporter = new MetricsReporter(new Uri($"http://{address}/metrics"), () => [], TimeProvider.System);
        Assert.AreEqual("", await reporter.WriteAsync().InTimeAsync());
    }

    private static async Task<string> MergedAsync(ImmutableArray<DatabasePlan> plans, string sizes)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var reporter = new MetricsReporter(new Uri($"http://{listener.LocalEndpoint}/metrics"), () => plans, TimeProvider.System);
        var answering = listener.AnswerAsync($$"""
            # HELP go_goroutines Number of goroutines that currently exist.
            # TYPE go_goroutines gauge
            go_goroutines 12
            # HELP litestream_db_size The current size of the real DB
            # TYPE litestream_db_size gauge
            {{sizes}}
            litestream_db_size{db="/not/ours.db"} 1
            # HELP litestream_replica_operation_total The number of replica operations performed
            # TYPE litestream_replica_operation_total counter
            litestream_replica_operation_total{operation="PUT",replica_type="file"} 5

            """);
        var merged = await reporter.WriteAsync().InTimeAsync();
        await answering.InTimeAsync();
        return merged;
    }

    /// <summary>The values as written, by the text before them.</summary>
    private static async Task<Dictionary<string, string>> SamplesAsync() =>
        (await PluginMetrics.WriteAsync(Daemon, Credentials, Databases, Observations.Now)).Split('\n')
            .Where(line => line.Length > 0 && !line.StartsWith('#'))
            .ToDictionary(line => line[..line.LastIndexOf(' ')], line => line[(line.LastIndexOf(' ') + 1)..]);
}
