using Datasette.Litestream.Logging;
using Datasette.Litestream.Observation;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Tests.Observation;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Reporting;

/// <summary>What an operator is told of databases, look by look.</summary>
[TestClass]
public sealed class DatabaseEventsSpecs
{
    private readonly TestClock _clock = new();
    private readonly DatabaseEvents _events;

    public DatabaseEventsSpecs()
    {
        _clock.SetUtcNow(Observations.Now);
        _events = new DatabaseEvents(_clock);
    }

    [TestMethod]
    public void The_first_copy_is_no_fault_and_its_end_is_for_information()
    {
        Assert.IsEmpty(Look(Database("parks", DatabaseState.Unknown, StateReason.NoAnswer, since: 14)));
        Assert.IsEmpty(Look(Database("parks", DatabaseState.Starting, StateReason.FirstCopy)));
        Assert.AreEqual((LogLevel.Info, "The database parks is replicated."), Look(Database("parks")).Single());
        Assert.IsEmpty(Look(Database("parks")));
        Assert.HasCount(1, Look(Failing("parks")), "what is only for information does not count");
    }

    [TestMethod]
    public void A_fault_is_told_with_its_cause_and_its_end_with_its_length()
    {
        Look(Database("parks"));
        var (level, sentence) = Look(Failing("parks")).Single();
        Assert.AreEqual(LogLevel.Warning, level);
        Assert.AreEqual(
            $"{Wording.Summarize(Observed(Failing("parks")), _clock.Now)} Litestream says: ERROR AccessDenied.", sentence);
        StringAssert.StartsWith(sentence, "The database parks has been failing since 12:00:00 UTC, because the destination denies access");
        Pass(58);
        Assert.IsEmpty(Look(Failing("parks")));
        Pass(2);
        Assert.IsEmpty(Look(Failing("parks")), "it is still so");
        Assert.AreEqual(
            (LogLevel.Warning, "The database parks is safe again since 2026-05-01 12:01:00 UTC, after 1 min."), Look(Database("parks", since: 0)).Single());
    }

    [TestMethod]
    public void What_was_found_by_looking_is_not_said_by_Litestream()
    {
        var damaged = Database("parks", DatabaseState.Failing, StateReason.BackupDamaged) with { Error = "there is no backup in this folder" };
        StringAssert.EndsWith(Look(damaged).Single().Sentence, " Details: there is no backup in this folder.");
    }

    [TestMethod]
    public void What_changes_within_the_minute_is_told_when_it_is_over_if_it_is_still_so()
    {
        Look(Failing("parks"));
        Pass(20);
        var well = Database("parks", since: 0);
        Assert.IsEmpty(Look(well));
        Pass(39);
        Assert.IsEmpty(Look(well));
        Pass(1);
        Assert.AreEqual("The database parks is safe again since 2026-05-01 12:00:20 UTC, after 20 s.", Look(well).Single().Sentence);

        Assert.IsEmpty(Look(Failing("parks")));
        Assert.IsEmpty(Look(well));
        Pass(60);
        Assert.IsEmpty(Look(well), "it is over");
        StringAssert.EndsWith(Look(Failing("parks")).Single().Sentence, " (2 more changes since the last message.)");
    }

    [TestMethod]
    public void Many_at_once_are_one_sentence()
    {
        var names = Enumerable.Range(0, 1000).Select(i => $"db{i}").ToList();
        Assert.AreEqual(
            (LogLevel.Info, "1,000 of 1,000 databases are replicated: db0, db1, db2 and 997 more."), Look([.. names.Select(name => Database(name))]).Single());
        var (_, sentence) = Look([.. names.Select(Failing)]).Single();
        StringAssert.StartsWith(
            sentence, "1,000 of 1,000 databases have been failing since 12:00:00 UTC, because the destination denies access: db0, db1, db2 and 997 more. ");
        StringAssert.EndsWith(sentence, "Litestream says: ERROR AccessDenied.");
        Pass(60);
        Assert.AreEqual(
            "996 of 1,000 databases are safe again: db4, db5, db6 and 993 more.",
            Look([.. names.Select((name, i) => i < 4 ? Failing(name) : Database(name))]).Single().Sentence);
    }

    [TestMethod]
    public void Few_after_few_are_no_flood_either()
    {
        var names = Enumerable.Range(0, 100).Select(i => $"db{i}").ToList();
        var told = 0;
        for (var look = 0; look < 29; look++)
        {
            told += Look([.. names.Select((name, i) => i <= look * 3 ? Failing(name) : Database(name))]).Count(each => each.Level == LogLevel.Warning);
            Pass(2);
        }

        Assert.AreEqual(10, told);
        Pass(2);
        StringAssert.StartsWith(Look([.. names.Select(Failing)]).Single().Sentence, "100 of 100 databases have been failing since ");
    }

    [TestMethod]
    public void Databases_are_not_told_of_while_Litestream_is_down()
    {
        Look(Failing("parks"), Database("roads"));
        Pass(60);
        Assert.IsEmpty(Look(
            Database("parks", DatabaseState.Stopped, StateReason.LitestreamDown), Database("roads", DatabaseState.Stopped, StateReason.LitestreamDown)));
        Assert.IsEmpty(Look(Failing("parks"), Database("roads")), "all is as it was");
    }

    [TestMethod]
    public void A_state_that_stays_unknown_is_a_fault()
    {
        Assert.IsEmpty(Look(Database("parks", DatabaseState.Unknown, StateReason.NoAnswer, since: 14)));
        StringAssert.StartsWith(Look(Database("parks", DatabaseState.Unknown, StateReason.NoAnswer, since: 15)).Single().Sentence, "Whether the database parks is safe has not been known since ");
    }

    [TestMethod]
    public void Of_Litestream_0_3_no_more_is_said_than_is_known()
    {
        Look(Failing("parks"));
        Pass(60);
        Assert.AreEqual(
            "The database parks has no known fault any more since 2026-05-01 12:01:00 UTC, after 1 min.",
            Look(Database("parks", DatabaseState.Unverified, StateReason.NotKnownToBeBehind, since: 0)).Single().Sentence);
    }

    [TestMethod]
    public void Safe_is_what_is_known_to_be()
    {
        Assert.IsTrue(Wording.IsSafe(Observed(Database("parks"), Database("old", DatabaseState.Unverified, StateReason.NotKnownToBeBehind))));
        Assert.IsFalse(Wording.IsSafe(Observed()));
        foreach (var state in Enum.GetValues<DatabaseState>().Except([DatabaseState.Replicating]))
        {
            Assert.IsFalse(Wording.IsSafe(Observed(Database("parks"), Database("roads", state, StateReason.NotCheckedYet))), $"{state}");
        }
    }

    private DatabaseObservation Failing(string name) => Database(name, DatabaseState.Failing, StateReason.UploadFailed, since: 0) with { Error = "ERROR AccessDenied" };

    private DatabaseObservation Database(
        string name, DatabaseState state = DatabaseState.Replicating, StateReason reason = StateReason.AllReplicated, double since = 60) =>
        Observations.Database(name, state, lag: state == DatabaseState.Replicating ? 0 : 5) with { Reason = reason, Since = _clock.Now.AddSeconds(-since) };

    private ObservedDatabases Observed(params DatabaseObservation[] databases) => new(_clock.Now, databases);

    private List<(LogLevel Level, string Sentence)> Look(params DatabaseObservation[] databases) => [.. _events.Look(Observed(databases))];

    private void Pass(double seconds) => _clock.Advance(TimeSpan.FromSeconds(seconds));
}
