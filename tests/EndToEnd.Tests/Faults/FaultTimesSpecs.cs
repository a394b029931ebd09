namespace Datasette.Litestream.EndToEnd.Faults;

[TestClass]
public sealed class FaultTimesSpecs
{
    /// <summary>As when Litestream merged the first damaged file in that moment, and another one was damaged 3 s later.</summary>
    [TestMethod]
    public void What_was_found_out_between_two_faults_is_not_held_against_a_later_backup()
    {
        var faults = Destroyed(10, 13);
        Assert.IsFalse(faults.CanBeBelied(Said(13.3, sampled: 12), isLookedAt: true), "it was true when it was found out");
        Assert.IsTrue(faults.CanBeBelied(Said(12.3, sampled: 12), isLookedAt: true), "the backup was copied before the second fault");
        Assert.IsFalse(faults.CanBeBelied(Said(12.9, sampled: 12), isLookedAt: true), "the backup was copied during the second fault");
        Assert.IsTrue(faults.CanBeBelied(Said(14.3, sampled: 14), isLookedAt: true), "it was found out after both");
    }

    [TestMethod]
    public void What_was_found_out_before_the_backup_was_destroyed_is_fine()
    {
        var faults = Destroyed(10);
        Assert.IsFalse(faults.CanBeBelied(Said(9, sampled: 8), isLookedAt: true), "nothing was broken yet");
        Assert.IsFalse(faults.CanBeBelied(Said(10.3, sampled: 9), isLookedAt: true));
        Assert.IsFalse(faults.CanBeBelied(Said(10.3, sampled: 10), isLookedAt: true), "the fault was not over");
        Assert.IsTrue(faults.CanBeBelied(Said(10.3, sampled: 10.2), isLookedAt: true));
    }

    [TestMethod]
    public void What_was_safe_before_another_fault_stays_safe()
    {
        var faults = new FaultTimes();
        faults.Add(At(10), At(11), destroysBackup: false);
        Assert.IsFalse(faults.CanBeBelied(Said(9, sampled: 8), isLookedAt: true));
        Assert.IsTrue(faults.CanBeBelied(Said(10.3, sampled: 9), isLookedAt: true));
    }

    [TestMethod]
    public void A_promise_is_as_old_as_its_check_where_nothing_is_looked_at()
    {
        var faults = Destroyed(10, 13);
        Assert.IsFalse(faults.CanBeBelied(Said(14, sampled: 14), isLookedAt: false), "no check is told");
        Assert.IsFalse(faults.CanBeBelied(Said(14, sampled: 14, isChecked: 12), isLookedAt: false), "it was checked between the faults");
        Assert.IsTrue(faults.CanBeBelied(Said(12.3, sampled: 12, isChecked: 11), isLookedAt: false), "the backup was copied before the second fault");
        Assert.IsTrue(faults.CanBeBelied(Said(14, sampled: 14, isChecked: 13.5), isLookedAt: false));
    }

    /// <summary>Faults that destroy the backup, each within 0.1 s.</summary>
    private static FaultTimes Destroyed(params double[] seconds)
    {
        var faults = new FaultTimes();
        foreach (var second in seconds)
        {
            faults.Add(At(second), At(second + 0.1), destroysBackup: true);
        }

        return faults;
    }

    /// <summary>What was said in a second, with a copy of the backup 0.2 s later.</summary>
    private static ClaimedBackup Said(double second, double sampled, double? isChecked = null)
    {
        var claim = new Claim("parks", At(0), At(sampled), isChecked is { } known ? At(known) : null);
        return new(new(AnswerSource.Json, At(second), At(second), "", [claim], []), claim, "", At(second + 0.2));
    }

    private static DateTimeOffset At(double second) => DateTimeOffset.UnixEpoch.AddSeconds(second);
}
