using System.Collections.Immutable;
using Datasette.Litestream.Credentials;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Observation;

namespace Datasette.Litestream.Tests.Observation;

[TestClass]
public sealed class RefusalWatchSpecs
{
    private const string Refusal = "operation error S3: PutObject, https response error StatusCode: 403, RequestID: X, api error InvalidAccessKeyId: no such key";

    [TestMethod]
    [DataRow(Refusal, true)]
    [DataRow("https response error StatusCode: 400, RequestID: X, api error ExpiredToken: The provided token has expired.", true)]
    [DataRow("https response error StatusCode: 403, RequestID: X, api error Forbidden: Forbidden", true, DisplayName = "an answer to HEAD, which has no code")]
    [DataRow("InvalidAccessKeyId: no such key\n\tstatus code: 403, request id: X, host id: ", true, DisplayName = "Litestream 0.3")]
    [DataRow("AccessDenied: Access Denied\n\tstatus code: 403, request id: X, host id: ", true, DisplayName = "Litestream 0.3, another code")]
    [DataRow("https response error StatusCode: 404, RequestID: 4403, api error NoSuchBucket: no such bucket", false)]
    [DataRow("dial tcp 127.0.0.1:403: connect: connection refused", false)]
    [DataRow(null, false)]
    public void A_refusal_is_known_by_its_words(string? error, bool isRefusal) => Assert.AreEqual(isRefusal, RefusedCredentials.AreToldBy(error));

    /// <summary>Whenever the first one was logged, whose words are shown.</summary>
    [TestMethod]
    public void The_time_of_one_that_was_logged_is_the_log_s()
    {
        var statistics = LogStatistics.Empty.With(Logged(Refusal, secondsAgo: 60)).With(Logged(Refusal, secondsAgo: 30));
        Assert.AreEqual(Observations.Now.AddSeconds(-30), Last(Failing(Logged(Refusal, secondsAgo: 60).ToString()), statistics));
    }

    [TestMethod]
    public void The_time_of_one_at_the_start_is_that_of_the_last_try()
    {
        var database = Failing(Refusal);
        var heldOut = new HeldOutDatabase(HeldOutCause.DestinationRefused, Refusal, Observations.Now.AddMinutes(-5), Observations.Now.AddSeconds(-20), Observations.Now.AddSeconds(20));
        Assert.AreEqual(Observations.Now.AddSeconds(-20), Last(database, LogStatistics.Empty, heldOut));
    }

    [TestMethod]
    public void One_that_only_the_control_socket_tells_is_of_now()
    {
        Assert.AreEqual(Observations.Now, Last(Failing(Refusal), LogStatistics.Empty));
        Assert.AreEqual(Observations.Now, Last(Failing(Refusal), LogStatistics.Empty.With(Logged("no space left on device", secondsAgo: 60))));
    }

    [TestMethod]
    public void One_that_is_over_and_another_error_are_none()
    {
        var statistics = LogStatistics.Empty.With(Logged(Refusal, secondsAgo: 60));
        Assert.IsNull(Last(Observations.Database("a"), statistics));
        Assert.IsNull(Last(Failing("no space left on device"), statistics));
    }

    /// <summary>As for a key that may not list or delete.</summary>
    [TestMethod]
    [DataRow(DatabaseState.Failing, StateReason.CompactionFailed, false)]
    [DataRow(DatabaseState.Unverified, StateReason.NotCheckedYet, false)]
    [DataRow(DatabaseState.Behind, StateReason.WaitingTooLong, true)]
    [DataRow(DatabaseState.Failing, StateReason.DestinationRefused, true)]
    public void One_that_does_not_keep_changes_from_the_replica_is_none(object state, object reason, bool counts) => Assert.AreEqual(
        counts ? Observations.Now : (DateTimeOffset?)null,
        Last(Failing(Refusal) with { State = (DatabaseState)state, Reason = (StateReason)reason }, LogStatistics.Empty));

    [TestMethod]
    public void Of_several_databases_the_last_one_counts()
    {
        var (first, second) = (Failing(Refusal), Observations.Database("b", DatabaseState.Failing) with { Error = Refusal });
        var statistics = LogStatistics.Empty.With(Logged(Refusal, secondsAgo: 60));
        Assert.AreEqual(
            Observations.Now, RefusalWatch.LastRefusal(Observed(first, second), ImmutableDictionary<string, HeldOutDatabase>.Empty, statistics));
    }

    private static DatabaseObservation Failing(string error) => Observations.Database("a", DatabaseState.Failing) with { Error = error };

    private static ObservedDatabases Observed(params DatabaseObservation[] databases) => new(Observations.Now, databases);

    private static LogEntry Logged(string error, double secondsAgo) =>
        new(Observations.Now.AddSeconds(-secondsAgo), "ERROR", "monitor error", Path.GetFileName(Failing("").Plan.Path), $"error={error}");

    private static DateTimeOffset? Last(DatabaseObservation database, LogStatistics statistics, HeldOutDatabase? heldOut = null) => RefusalWatch.LastRefusal(
        Observed(database),
        heldOut is null ? ImmutableDictionary<string, HeldOutDatabase>.Empty : ImmutableDictionary<string, HeldOutDatabase>.Empty.Add(database.Plan.Path, heldOut),
        statistics);
}
