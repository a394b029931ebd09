namespace Datasette.Litestream.Restoring;

/// <summary>A database that was restored to a temporary file, which is deleted unless it is taken.</summary>
/// <param name="path">The file, in a folder of its own.</param>
/// <param name="point">Its state.</param>
/// <param name="from">Where it was restored from, for people.</param>
/// <param name="took">How long it took.</param>
internal sealed class RestoredFile(string path, RestorePoint point, string from, TimeSpan took)
{
    /// <summary>The file, absolute.</summary>
    public string Path => path;

    /// <summary>Its state.</summary>
    public RestorePoint Point => point;

    /// <summary>Where it was restored from, for people.</summary>
    public string From => from;

    /// <summary>How long it took.</summary>
    public TimeSpan Took => took;

    /// <summary>Its size in bytes.</summary>
    public long Bytes => new FileInfo(path).Length;
}
