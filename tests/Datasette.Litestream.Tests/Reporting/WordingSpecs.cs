using Datasette.Litestream.Credentials;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Observation;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Tests.Observation;

namespace Datasette.Litestream.Tests.Reporting;

[TestClass]
public sealed class WordingSpecs
{
    private static readonly DaemonStatus Running = new(DaemonState.Running);

    [TestMethod]
    public void Nothing_to_replicate_is_said() =>
        Assert.AreEqual("No database is replicated.", $"{Wording.Summarize(null, new ObservedDatabases(Observations.Now, []), Observations.Now)}");

    [TestMethod]
    public void All_that_is_well_is_one_sentence()
    {
        Assert.AreEqual("The database is replicated; everything written is safe.", Summarize(Observations.Database("a")));
        Assert.AreEqual("All 2 databases are replicated; everything written is safe.", Summarize(Observations.Database("a"), Observations.Database("b")));
        Assert.AreEqual(
            "All 2 databases are replicated; what was written since 11:59:59 UTC is not safe yet.", Summarize(Observations.Database("a"), OnTheWay("b")));
    }

    [TestMethod]
    [DataRow(null, ".")]
    [DataRow(5.0, "; they expire at 12:05:00 UTC.")]
    [DataRow(-5.0, ", although they expired at 11:55:00 UTC.")]
    public void Credentials_that_cannot_be_refreshed_are_told_besides(double? minutes, string end)
    {
        var credentials = new CredentialStatus("the file", Observations.Now, null, "no vault")
        {
            FailingSince = Observations.Now.AddMinutes(-2),
            ExpiresAt = minutes is { } known ? Observations.Now.AddMinutes(known) : null,
        };
        var observed = new ObservedDatabases(Observations.Now, [Observations.Database("a")]);
        Assert.AreEqual(
            $"The database is replicated; everything written is safe. The credentials could not be read again since 11:58:00 UTC, and the last good ones stay in use{end}",
            $"{Wording.Summarize(Running, credentials, observed, Observations.Now)}");
        Assert.AreEqual(
            "The database is replicated; everything written is safe.",
            $"{Wording.Summarize(Running, credentials with { Failure = null, FailingSince = null }, observed, Observations.Now)}");
    }

    [TestMethod]
    public void The_age_of_the_last_check_of_the_backup_is_a_part_of_the_promise()
    {
        Assert.AreEqual("The database is replicated; everything written is safe; backup checked 12 min ago.", Summarize(Checked("a", 12)));
        Assert.AreEqual(
            "All 2 databases are replicated; everything written is safe; oldest backup check 12 min ago.", Summarize(Checked("a", 12), Checked("b", 1)));
        Assert.AreEqual("All 2 databases are replicated; everything written is safe.", Summarize(Checked("a", 12), Observations.Database("b")));
    }

    [TestMethod]
    public void What_is_not_checked_is_not_called_safe()
    {
        var database = Observations.Database("a", DatabaseState.Unverified);
        Assert.AreEqual("The database is replicated; everything written is at the replica; the backup of 1 database has not been checked yet.", Summarize(database));
        Assert.AreEqual(
            "All 2 databases are replicated; what was written since 11:59:59 UTC is not safe yet; the backup of 1 database has not been checked yet.",
            Summarize(database, OnTheWay("b")));
    }

    [TestMethod]
    public void Litestream_0_3_makes_no_promise()
    {
        Assert.AreEqual("The database is not known to be behind; Litestream 0.3 does not tell what is at the replica.", Summarize(Litestream03("a")));
        Assert.AreEqual(
            "None of the 2 databases is known to be behind; Litestream 0.3 does not tell what is at the replica.", Summarize(Litestream03("a"), Litestream03("b")));
        Assert.AreEqual("not known to be behind; Litestream 0.3 does not tell what is at the replica", Wording.Describe(Litestream03("a"), Observations.Now));
        Assert.AreEqual(
            "The database a has been failing since 11:59:00 UTC, because a disk is full. What was written since 11:59:00 UTC may not be safe.",
            Summarize(Litestream03("a") with { State = DatabaseState.Failing, Reason = StateReason.ErrorLogged, Error = "no space left on device" }));
    }

    [TestMethod]
    public void A_first_copy_is_told_with_how_long_it_takes_and_without_a_guess()
    {
        var copying = Observations.Database("b", DatabaseState.Starting, since: 120);
        Assert.AreEqual("1 of 2 databases is being copied for the first time, since 2 min; nothing of it is safe yet: b.", Summarize(Observations.Database("a"), copying));
        Assert.AreEqual(
            "All 2 databases are replicated; everything written is safe.", Summarize(Observations.Database("a"), Observations.Database("b")));
        Assert.AreEqual(
            "2 of 2 databases are being copied for the first time, since 2 min; nothing of them is safe yet: a, b.",
            Summarize(Observations.Database("a", DatabaseState.Starting), copying));
        var evidence = copying.Evidence;
        Assert.AreEqual(
            "being copied for the first time, since 2 min (12.0 MiB so far); nothing of it is safe yet",
            Wording.Describe(copying with { Evidence = evidence with { CopiedBytes = 12 << 20, IsMoving = true } }, Observations.Now));
        Assert.AreEqual("12.0 MiB were copied so far.", Progress(evidence with { CopiedBytes = 12 << 20, IsMoving = true }));
        Assert.AreEqual("Litestream is sending data.", Progress(evidence with { IsMoving = true }));
        Assert.AreEqual("Whether Litestream sends anything is not known.", Progress(evidence));
        Assert.AreEqual("Litestream has sent nothing since 11:58:00 UTC.", Progress(evidence with { MovedAt = Observations.Now.AddMinutes(-2) }));
        Assert.AreEqual(
            "12.0 MiB were copied so far, and nothing more since 11:58:00 UTC.",
            Progress(evidence with { CopiedBytes = 12 << 20, MovedAt = Observations.Now.AddMinutes(-2) }));

        static string Progress(Evidence evidence) => ReasonWording.Progress(evidence, Observations.Now);
    }

    [TestMethod]
    public void What_is_wrong_is_named_with_its_cause_and_what_is_at_risk_since_when()
    {
        Assert.AreEqual(
            "The database a has been failing since 11:59:00 UTC, because Litestream cannot read changes. What was written since 11:58:00 UTC is not safe.",
            Summarize(Failing("a")));
        Assert.AreEqual(
            "1 of 2 databases has been behind since 11:59:00 UTC, because changes wait for longer than usual: b. What was written since 11:59:59 UTC is not safe.",
            Summarize(Observations.Database("a"), Observations.Database("b", DatabaseState.Behind, lag: 120)));
        Assert.AreEqual(
            "4 of 5 databases have been failing or stopped since 11:00:00 UTC: a, b, c and 1 more. What was written since 11:58:00 UTC is not safe.",
            Summarize(
                Failing("a"),
                Observations.Database("b", DatabaseState.Stopped, since: 3600),
                Observations.Database("c", DatabaseState.Stopped),
                Observations.Database("d", DatabaseState.Stopped),
                Observations.Database("e", DatabaseState.Unknown)));
    }

    [TestMethod]
    public void Litestreams_error_tells_the_cause_unless_it_is_a_consequence()
    {
        var refused = Failing("a") with { Reason = StateReason.UploadFailed, Error = "dial tcp 127.0.0.1:9000: connect: connection refused" };
        Assert.Contains(", because the destination refuses connections. ", Summarize(refused));
        Assert.Contains(", because the file was replaced. ", Summarize(refused with { Reason = StateReason.FileReplaced }));
        Assert.Contains(", because Litestream cannot upload changes. ", Summarize(refused with { Error = "nobody has seen this" }));
    }

    [TestMethod]
    [DataRow(StateReason.CompactionFailed, 0.0, true, "everything written is safe")]
    [DataRow(StateReason.UploadFailed, 9.0, true, "what was written since 11:59:59 UTC is not safe")]
    [DataRow(StateReason.UploadFailed, 9.0, false, "nothing of it is safe")]
    [DataRow(StateReason.ErrorLogged, null, false, "what was written since 11:59:00 UTC may not be safe")]
    [DataRow(StateReason.FileReplaced, 0.0, true, "nothing of it is safe")]
    [DataRow(StateReason.NameNotSupported, null, false, "nothing of it is safe")]
    [DataRow(StateReason.BackupDamaged, 0.0, true, "its backup cannot be relied on")]
    [DataRow(StateReason.OtherWriter, 0.0, true, "its backup cannot be relied on")]
    [DataRow(StateReason.ReplicatedAnew, 0.0, true, "what was written since 11:59:59 UTC is not safe")]
    public void What_is_at_risk_depends_on_the_reason(object reason, double? lag, bool isConfirmed, string risk)
    {
        var database = Observations.Database("a", DatabaseState.Failing, lag) with { Reason = (StateReason)reason };
        database = isConfirmed ? database : database with { Evidence = database.Evidence with { ReplicatedUntil = null } };
        Assert.EndsWith($"; {risk}", Wording.Describe(database, Observations.Now));
    }

    [TestMethod]
    public void What_is_at_risk_is_told_of_several_databases_together()
    {
        var damaged = Failing("a") with { Reason = StateReason.BackupDamaged };
        var replaced = Failing("b") with { Reason = StateReason.FileReplaced };
        Assert.EndsWith(
            ". The backup of 1 of them cannot be relied on and nothing of 1 of them is safe and what was written since 11:58:00 UTC is not safe.",
            Summarize(damaged, replaced, Failing("c")));
    }

    [TestMethod]
    public void What_is_not_known_is_told_with_what_is_waited_for()
    {
        var unknown = Observations.Database("a", DatabaseState.Unknown, lag: 9);
        Assert.AreEqual("Whether the database a is safe has not been known since 11:59:00 UTC, because Litestream does not answer.", Summarize(unknown));
        Assert.AreEqual(
            "Whether 1 of 2 databases is safe has not been known since 11:59:00 UTC, because Litestream does not answer: a.",
            Summarize(unknown, Observations.Database("b")));
        var starting = Observations.Database("a", DatabaseState.Starting) with { Reason = StateReason.Starting };
        Assert.AreEqual("Whether the database a is safe is not known yet, because Litestream was just started.", Summarize(starting));
        Assert.AreEqual("not known yet, because Litestream was just started", Wording.Describe(starting, Observations.Now));
        Assert.Contains("because the destination refuses connections", Wording.Describe(unknown with { Error = "connection refused" }, Observations.Now));
    }

    [TestMethod]
    public void A_time_of_another_day_has_its_date()
    {
        var database = Failing("a") with { Since = Observations.Now.AddDays(-1) };
        Assert.AreEqual(
            "failing since 2026-04-30 12:00:00 UTC, because Litestream cannot read changes; what was written since 11:58:00 UTC is not safe",
            Wording.Describe(database, Observations.Now));
    }

    [TestMethod]
    public void Databases_that_were_not_looked_at_are_not_called_safe()
    {
        var observation = new ObservedDatabases(Observations.Now.AddSeconds(-16), [Observations.Database("a")]);
        const string sentence = "The databases have not been looked at since 11:59:44 UTC, so whether they are safe is not known.";
        Assert.AreEqual(sentence, $"{Wording.Summarize(Running, observation, Observations.Now)}");
        Assert.AreEqual(sentence, $"{Wording.SummarizeDatabase(observation.Databases[0], observation, Observations.Now)}");
        Assert.AreEqual(sentence, $"{Wording.Summarize(Running, observation with { Databases = [] }, Observations.Now)}");
        Assert.IsFalse((observation with { At = Observations.Now.AddSeconds(-15) }).IsOutdated(Observations.Now));
    }

    [TestMethod]
    [DataRow(20, "20 s")]
    [DataRow(-1, "0 s")]
    public void A_Litestream_that_is_down_is_named_with_its_next_start(int seconds, string until)
    {
        var daemon = new DaemonStatus(DaemonState.Waiting, NextStartAt: Observations.Now.AddSeconds(seconds)) { DownSince = Observations.Now.AddMinutes(-2) };
        Assert.AreEqual(
            $"Litestream has been down since 11:58:00 UTC, and nothing is replicated; what was written since 11:59:59 UTC is not safe. It is started again in {until}.",
            $"{Wording.Summarize(daemon, new ObservedDatabases(Observations.Now, [Observations.Database("a", DatabaseState.Stopped, lag: 9)]), Observations.Now)}");
    }

    [TestMethod]
    [DataRow(DaemonState.Starting, "Litestream is starting.")]
    [DataRow(DaemonState.Stopping, "Litestream is stopping.")]
    [DataRow(DaemonState.Stopped, "Litestream is stopped.")]
    public void A_Litestream_on_its_way_is_said(object state, string sentence) => Assert.AreEqual(
        sentence, $"{Wording.Summarize(new DaemonStatus((DaemonState)state), new ObservedDatabases(Observations.Now, [Observations.Database("a")]), Observations.Now)}");

    [TestMethod]
    public void Of_a_Litestream_that_has_no_database_left_the_databases_tell()
    {
        var observed = new ObservedDatabases(
            Observations.Now, [Observations.Database("a", DatabaseState.Failing) with { Reason = StateReason.DestinationRefused }]);
        Assert.AreEqual(
            $"{Wording.Summarize(observed, Observations.Now)}", $"{Wording.Summarize(new DaemonStatus(DaemonState.Idle), observed, Observations.Now)}");
    }

    [TestMethod]
    [DataRow(DatabaseState.Replicating, "replicated; everything written is safe")]
    [DataRow(DatabaseState.Unverified, "replicated; everything written is at the replica; the backup of 1 database has not been checked yet")]
    [DataRow(DatabaseState.Starting, "being copied for the first time, since 1 min; nothing of it is safe yet")]
    [DataRow(DatabaseState.Stopped, "stopped since 11:59:00 UTC, because Litestream has stopped replicating; everything written is safe")]
    [DataRow(DatabaseState.Unknown, "not known since 11:59:00 UTC, because Litestream does not answer")]
    public void One_database_is_told_in_a_line_and_its_own_page_starts_with_the_same(object state, string line)
    {
        var database = Observations.Database("a", (DatabaseState)state);
        Assert.AreEqual(line, Wording.Describe(database, Observations.Now));
        Assert.AreEqual(
            $"{char.ToUpperInvariant(line[0])}{line[1..]}.",
            $"{Wording.SummarizeDatabase(database, new ObservedDatabases(Observations.Now, [database]), Observations.Now)}");
    }

    [TestMethod]
    [DataRow(null, "–")]
    [DataRow(0.0, "0 s")]
    [DataRow(0.04, "0 s")]
    [DataRow(0.8, "0.8 s")]
    [DataRow(9.94, "9.9 s")]
    [DataRow(9.96, "9 s")]
    [DataRow(59.9, "59 s")]
    [DataRow(60.0, "1 min")]
    [DataRow(3599.0, "59 min")]
    [DataRow(5400.0, "1 h 30 min")]
    [DataRow(183_600.0, "2 d 3 h")]
    public void A_duration_has_its_unit(double? seconds, string text) => Assert.AreEqual(text, Wording.Duration(seconds));

    [TestMethod]
    [DataRow(null, "–")]
    [DataRow(0.0, "0 B")]
    [DataRow(1023.0, "1023 B")]
    [DataRow(1024.0, "1.0 KiB")]
    [DataRow(1_572_864.0, "1.5 MiB")]
    [DataRow(1e18, "909494.7 TiB")]
    public void A_size_has_its_unit(double? bytes, string text) => Assert.AreEqual(text, Wording.Size(bytes));

    [TestMethod]
    [DataRow(null, "–")]
    [DataRow(0.0, "0")]
    [DataRow(1_234_567.0, "1,234,567")]
    public void A_count_has_its_thousands_apart(double? number, string text) => Assert.AreEqual(text, Wording.Count(number));

    [TestMethod]
    [DataRow(1.9, "just now", "just now")]
    [DataRow(-1.9, "just now", "just now")]
    [DataRow(2.0, "2 s ago", "for 2 s")]
    [DataRow(-2.0, "in 2 s", "in 2 s")]
    [DataRow(59.9, "59 s ago", "for 59 s")]
    [DataRow(7200.0, "2 h 0 min ago", "for 2 h 0 min")]
    public void A_moment_is_told_from_now(double seconds, string ago, string lasting)
    {
        var moment = Observations.Now.AddSeconds(-seconds);
        Assert.AreEqual((ago, lasting), (Wording.Ago(moment, Observations.Now), Wording.For(moment, Observations.Now)));
    }

    [TestMethod]
    public void A_moment_that_is_not_known_is_a_dash() => Assert.AreEqual("–", Wording.Ago(null, Observations.Now));

    [TestMethod]
    public void Every_moment_is_told_in_UTC()
    {
        var local = Observations.Now.ToOffset(TimeSpan.FromHours(14));
        Assert.AreEqual("2026-05-01 12:00:00 UTC", Wording.Exact(local));
        Assert.AreEqual("2026-05-01 12:00:00 WARN slow", Wording.Line(new LogReport(local, "WARN", "slow", "")));
        Assert.AreEqual("2026-05-01 12:00:00 UTC: crash", Wording.Line(new RestartReport(local, "crash", "")));
        Assert.Contains("since 2026-05-01 12:00:00 UTC.", Wording.ConnectionLost(local));
        Assert.StartsWith("The database a has been failing since 12:00:00 UTC,", Summarize(Observations.Database("a", DatabaseState.Failing) with { Since = local }));
        Assert.StartsWith("failing since 12:00:00 UTC,", Wording.Describe(Observations.Database("a", DatabaseState.Failing) with { Since = local }, local));
    }

    [TestMethod]
    public void Reasons_are_words() =>
        CollectionAssert.AreEqual(
            new[] { "crash", "unresponsive", "failed start", "credentials", "destination", "renewal", "writer", "manual", "databases" }, Enum.GetValues<RestartReason>().Select(Wording.Name).ToArray());

    [TestMethod]
    public void Every_reason_has_a_word_and_a_sentence_of_its_own()
    {
        var reasons = Enum.GetValues<StateReason>();
        var evidence = Observations.Database("a").Evidence;
        Assert.AreEqual("all_replicated", Wording.Name(StateReason.AllReplicated));
        Assert.HasCount(reasons.Length, reasons.Select(reason => Explain(reason, evidence)).Distinct());
        Assert.HasCount(reasons.Length, reasons.Select(ReasonWording.Clause).Distinct());
        foreach (var sentence in reasons.Select(reason => $"{Explain(reason, evidence)} {ReasonWording.Remedy(reason)}".TrimEnd()))
        {
            StringAssert.Matches(sentence, new(@"^[A-Z].*\.$"));
        }

        StringAssert.Contains(Explain(StateReason.OnTheWay, evidence), "after 11:59:59 UTC");
        StringAssert.Contains(Explain(StateReason.OnTheWay, evidence with { ReplicatedUntil = null }), "after the start");
        Assert.AreEqual(
            "Litestream does not report the state of the database. It has been busy with it since 11:58:00 UTC.",
            Explain(
                StateReason.NoAnswer,
                evidence with { Activity = new SyncActivity("/srv/a.db", true, "sync", "starting", Observations.Now.AddMinutes(-2), null) }));

        static string Explain(StateReason reason, Evidence evidence) => ReasonWording.Explain(reason, evidence, Observations.Now);
    }

    [TestMethod]
    public void A_restart_and_a_line_of_the_log_are_a_line_each()
    {
        Assert.AreEqual("2026-05-01 12:00:00 UTC: crash – signal 9", Wording.Line(new RestartReport(Observations.Now, "crash", "signal 9")));
        Assert.AreEqual("2026-05-01 12:00:00 UTC: credentials", Wording.Line(new RestartReport(Observations.Now, "credentials", "")));
        Assert.AreEqual("2026-05-01 12:00:00 WARN slow db=a", Wording.Line(new LogReport(Observations.Now, "WARN", "slow", "db=a")));
        Assert.AreEqual("2026-05-01 12:00:00 INFO ready", Wording.Line(new LogReport(Observations.Now, "INFO", "ready", "")));
    }

    [TestMethod]
    public void Who_took_over_is_named()
    {
        var lost = Failing("a") with { Reason = StateReason.TakenOver, Error = "host b (process 7) took over" };
        Assert.AreEqual(
            "The database a has been failing since 11:59:00 UTC, because host b (process 7) took over. What was written since 11:58:00 UTC is not safe.",
            Summarize(lost));
        var denied = Failing("a") with { Reason = StateReason.WriterUnknown, Error = "AccessDenied: no" };
        StringAssert.Contains(Summarize(denied), "because the destination denies access.");
        StringAssert.EndsWith(Wording.Remedy(denied.Reason, denied.Error), "there. A key at S3 needs s3:GetObject and s3:PutObject for this file. For one that may only touch the destinations themselves, set writer-file: inside; writer-file: false does without the file.");
    }

    private static string Summarize(params DatabaseObservation[] databases) =>
        Wording.Summarize(Running, new ObservedDatabases(Observations.Now, databases), Observations.Now).ToString();

    private static DatabaseObservation OnTheWay(string name) => Observations.Database(name, lag: 1) with { Reason = StateReason.OnTheWay };

    private static DatabaseObservation Failing(string name)
    {
        var database = Observations.Database(name, DatabaseState.Failing, lag: 120);
        return database with { Evidence = database.Evidence with { ReplicatedUntil = Observations.Now.AddMinutes(-2) } };
    }

    private static DatabaseObservation Checked(string name, int minutes)
    {
        var database = Observations.Database(name);
        return database with { Evidence = database.Evidence with { CheckedAt = Observations.Now.AddMinutes(-minutes) } };
    }

    private static DatabaseObservation Litestream03(string name)
    {
        var database = Observations.Database(name, DatabaseState.Unverified, lag: null);
        return database with { Reason = StateReason.NotKnownToBeBehind, LastSyncAt = null, Evidence = database.Evidence with { ReplicatedUntil = null } };
    }
}
