namespace Datasette.Litestream.Restoring;

/// <summary>How far a restore is.</summary>
/// <param name="Written">How much of the database is written, in bytes.</param>
/// <param name="Total">How much it will be; null where that is not known.</param>
/// <param name="Elapsed">Since it began.</param>
internal readonly record struct RestoreProgress(long Written, long? Total, TimeSpan Elapsed)
{
    /// <summary>How long it will take from now on, if it goes on as it did; null where that is not known.</summary>
    public TimeSpan? Left => Total is { } total && Written > 0 && total > Written ? Elapsed * ((double)(total - Written) / Written) : null;
}
