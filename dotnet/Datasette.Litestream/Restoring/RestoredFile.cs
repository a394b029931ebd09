namespace Datasette.Litestream.Restoring;

/// <summary>A database that was restored to a file in a <see cref="StagingFolder"/>, with which it is deleted unless it is moved.</summary>
/// <param name="Path">The file, absolute.</param>
/// <param name="Point">Its state.</param>
/// <param name="From">Where it was restored from, for people.</param>
/// <param name="Took">How long it took.</param>
internal sealed record RestoredFile(string Path, RestorePoint Point, string From, TimeSpan Took)
{
    /// <summary>Its size in bytes, as long as it is there.</summary>
    public long Bytes => new FileInfo(Path).Length;
}
