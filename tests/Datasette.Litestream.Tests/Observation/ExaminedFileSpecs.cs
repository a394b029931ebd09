using Datasette.Litestream.Observation;
using Datasette.Litestream.Processes;
using Datasette.Litestream.SqliteFiles;

namespace Datasette.Litestream.Tests.Observation;

/// <summary>What is concluded from the looks at one file, over the runs of Litestream.</summary>
[TestClass]
public sealed class ExaminedFileSpecs
{
    private static readonly DateTimeOffset Start = new(2026, 5, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly DateTimeOffset First = Start, Second = Start.AddMinutes(1);

    private readonly ExaminedFile _file = new();

    [TestMethod]
    public void A_write_without_a_checkpoint_is_found_within_a_run()
    {
        Look(First, modified: 1);
        Look(First, modified: 2);
        Assert.AreEqual("it was written to without a checkpoint", _file.Examination.Problem);
    }

    /// <summary>When Litestream ends and nobody else has the database open, the index of its log is made anew.</summary>
    [TestMethod]
    public void Between_two_runs_it_is_no_sign_where_the_index_was_made_anew()
    {
        Look(First, modified: 1, isMadeAnew: true);
        Look(Second, modified: 2, isMadeAnew: true);
        Assert.IsNull(_file.Examination.Problem);
        Look(Second, modified: 3, isMadeAnew: true);
        Assert.IsNotNull(_file.Examination.Problem);
    }

    [TestMethod]
    public void Between_two_runs_it_is_a_sign_where_the_index_is_the_same()
    {
        Look(First, modified: 1);
        Look(Second, modified: 2);
        Assert.IsNotNull(_file.Examination.Problem);
    }

    [TestMethod]
    public void Where_runs_are_not_compared_each_begins_with_a_look_of_its_own()
    {
        Look(First, modified: 1, comparesRuns: false);
        Assert.IsFalse(_file.BelongsToAnother(First));
        Assert.IsTrue(_file.BelongsToAnother(Second));
        Look(Second, modified: 2, comparesRuns: false);
        Assert.IsNull(_file.Examination.Problem);
        Look(Second, modified: 3, comparesRuns: false);
        Assert.IsNotNull(_file.Examination.Problem);
    }

    /// <summary>The next one is compared with one of the run before.</summary>
    [TestMethod]
    public void A_look_that_fails_after_a_restart_does_not_count()
    {
        Look(First, modified: 1, isMadeAnew: true);
        _file.Begin(default(FileStatus), Second);
        _file.Take(new HeaderLook("/srv/parks.db", null, null, null, "Permission denied"), Start, Second, comparesRuns: true);
        Look(Second, modified: 2, isMadeAnew: true);
        Assert.IsNull(_file.Examination.Problem);
    }

    [TestMethod]
    public void An_older_file_is_found_between_two_runs_too()
    {
        Look(First, modified: 1, counter: 7);
        Look(Second, modified: 2, counter: 3);
        Assert.AreEqual("it is an older one than before", _file.Examination.Problem);
    }

    [TestMethod]
    public void A_look_during_which_Litestream_was_restarted_is_of_neither_run()
    {
        Look(First, modified: 1, isMadeAnew: true);
        _file.Begin(default(FileStatus), First);
        _file.Take(Seen(2, 7, isMadeAnew: true), Start, Second, comparesRuns: true);
        Assert.IsNull(_file.Examination.Problem);
    }

    private void Look(DateTimeOffset run, long modified, uint counter = 7, bool isMadeAnew = false, bool comparesRuns = true)
    {
        _file.Begin(default(FileStatus), run);
        _file.Take(Seen(modified, counter, isMadeAnew), Start, run, comparesRuns);
    }

    private static HeaderLook Seen(long modified, uint counter, bool isMadeAnew) => new(
        "/srv/parks.db",
        new LookedAtFile(1, 8192, modified),
        new DatabaseHeader(4096, IsWal: true, counter, 2, 1),
        isMadeAnew ? new WalIndex(9, 2, "0123456789abcdef", 0, 9, IsCheckpointing: false) : new WalIndex(9, 2, "0123456789abcdef", 3, 4, IsCheckpointing: false),
        null);
}
