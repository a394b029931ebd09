namespace Datasette.Litestream.EndToEnd.Faults;

/// <summary>When the faults of a run were made, and what of all that was said can be held against the backups.</summary>
internal sealed class FaultTimes
{
    private readonly List<FaultTime> _all = [];

    /// <summary>Adds a fault.</summary>
    /// <param name="began">Just before it was made.</param>
    /// <param name="ended">Just after that.</param>
    /// <param name="destroysBackup">Whether what was safe is not any more.</param>
    public void Add(DateTimeOffset began, DateTimeOffset ended, bool destroysBackup) => _all.Add(new(began, ended, destroysBackup));

    /// <summary>
    /// Whether a restore can belie what was said: it was said since the first fault, and no fault destroyed the backup after that
    /// was found out and before the backup was copied. A run may have several such faults, such as when the first has hit a file that
    /// nothing needed any more.
    /// </summary>
    /// <param name="claimed">What was said.</param>
    /// <param name="isLookedAt">Whether the plugin sees with every look what lies at the destination; otherwise a promise is as old as its
    /// check.</param>
    public bool CanBeBelied(ClaimedBackup claimed, bool isLookedAt)
    {
        var (answer, claim, copiedAt) = (claimed.Answer, claimed.Claim, claimed.CopiedAt);
        return _all.Exists(fault => answer.AskedAt >= fault.JudgedFrom)
            && (isLookedAt || _all.Exists(fault => claim.CheckedAt > fault.JudgedFrom))
            && _all.TrueForAll(fault => !fault.DestroysBackup
                || copiedAt < fault.Began
                || (claim.SampledAt >= fault.Ended && (isLookedAt || claim.CheckedAt > fault.Ended)));
    }

    private readonly record struct FaultTime(DateTimeOffset Began, DateTimeOffset Ended, bool DestroysBackup)
    {
        /// <summary>While a backup is being destroyed, it can be whole or not.</summary>
        public DateTimeOffset JudgedFrom => DestroysBackup ? Ended : Began;
    }
}
