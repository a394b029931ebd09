namespace Datasette.Litestream.Proving;

/// <summary>What a drill that is under way does.</summary>
internal enum DrillPhase
{
    /// <summary>It waits for a moment in which nobody writes, and copies the live database as it is then.</summary>
    Copying,

    /// <summary>It waits until what was copied is at the destination.</summary>
    Waiting,

    /// <summary>Litestream restores it.</summary>
    Restoring,

    /// <summary>The restored file is checked and compared.</summary>
    Comparing,

    /// <summary>The drill failed, and it is found out what still can be restored.</summary>
    Searching,
}

/// <summary>How far a drill is.</summary>
/// <param name="Phase">What it does.</param>
/// <param name="RestoredBytes">How much is restored by now; null in other phases.</param>
internal readonly record struct DrillProgress(DrillPhase Phase, long? RestoredBytes = null);
