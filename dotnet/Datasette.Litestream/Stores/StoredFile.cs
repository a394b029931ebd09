namespace Datasette.Litestream.Stores;

/// <summary>One file at a store.</summary>
/// <param name="Name">Its name below the destination, with / between folders.</param>
/// <param name="Size">Its size in bytes.</param>
/// <param name="Version">Changes with the content: at S3 the ETag, in a folder size, time and inode. To be compared only.</param>
internal sealed record StoredFile(string Name, long Size, string Version)
{
    /// <summary>In a listing, its time: in a folder the one that it was written with, at S3 that of its upload.</summary>
    public DateTimeOffset At { get; init; }
}

/// <summary>A small file, whole.</summary>
/// <param name="Content">What is in it.</param>
/// <param name="Version">The <see cref="StoredFile.Version"/> with that content.</param>
internal sealed record StoredContent(ReadOnlyMemory<byte> Content, string Version);
