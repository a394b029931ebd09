using Datasette.Litestream.Stores;

namespace Datasette.Litestream.Mirrors;

/// <summary>What a listing says of one LTX file, besides its name. A backup has thousands of them, so it is small.</summary>
/// <param name="Size">Its size in bytes.</param>
/// <param name="Version">Another number means another content; only with the same size, an equal one means the same.</param>
/// <param name="Since">When this process first knew of it, in UTC.</param>
/// <param name="At">When it was made, in UTC; of one that was listed at S3, when it was uploaded.</param>
internal readonly record struct LtxFile(long Size, int Version, DateTime Since, DateTime At)
{
    /// <summary>What a store says of the file.</summary>
    public static LtxFile Of(StoredFile file, DateTimeOffset madeAt, DateTimeOffset now) =>
        new(file.Size, file.Version.GetHashCode(StringComparison.Ordinal), now.UtcDateTime, madeAt.UtcDateTime);
}
