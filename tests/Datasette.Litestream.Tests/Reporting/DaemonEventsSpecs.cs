using Datasette.Litestream.Daemon;
using Datasette.Litestream.Logging;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Tests.Observation;

namespace Datasette.Litestream.Tests.Reporting;

[TestClass]
public sealed class DaemonEventsSpecs
{
    private static readonly DaemonStatus Running = new(DaemonState.Running, 7, Observations.Now);

    [TestMethod]
    public void A_start_is_for_information_and_a_failure_is_left_to_others()
    {
        var crash = new Restart(Observations.Now.AddSeconds(-3), RestartReason.Crash, "Litestream ended by itself with signal 9.");
        var down = new DaemonStatus(DaemonState.Starting, Failures: 1) { DownSince = Observations.Now.AddSeconds(-3) }.With(crash);
        Assert.IsNull(DaemonEvents.Describe(Running, down));
        Assert.AreEqual((LogLevel.Info, "Litestream runs (process 7)."), DaemonEvents.Describe(down, Running.With(crash)));
    }

    [TestMethod]
    [DataRow(null, LogLevel.Info, "There were new credentials.")]
    [DataRow("Litestream was killed.", LogLevel.Warning, "There were new credentials. Litestream was killed.")]
    public void New_credentials_are_for_the_operator_if_something_went_wrong(string? error, object level, string sentence)
    {
        var restart = new Restart(Observations.Now, RestartReason.Credentials, $"There were new credentials. {error}".TrimEnd(), error is not null);
        Assert.AreEqual(((LogLevel)level, sentence), DaemonEvents.Describe(Running, (Running with { State = DaemonState.Stopping }).With(restart)));
    }

    [TestMethod]
    public void A_database_that_is_held_out_is_told_of_with_the_other_databases()
    {
        var restart = new Restart(Observations.Now, RestartReason.Destination, "Litestream runs without /srv/parks.db.");
        var after = Running.With(restart) with { HeldOut = Running.HeldOut.Add("/srv/parks.db", new HeldOutDatabase(HeldOutCause.DestinationRefused, "refused", Observations.Now, Observations.Now, Observations.Now)) };
        Assert.AreEqual((LogLevel.Info, restart.Message), DaemonEvents.Describe(Running, after));
    }

    [TestMethod]
    public void Nothing_is_said_while_nothing_changes() => Assert.IsNull(DaemonEvents.Describe(Running, Running with { Socket = null }));
}
