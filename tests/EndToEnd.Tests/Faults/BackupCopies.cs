namespace Datasette.Litestream.EndToEnd.Faults;

/// <summary>
/// What lay at a destination at one moment, kept for a restore of that moment. Used by the observer's task alone.
/// </summary>
internal interface IBackupCopies
{
    /// <summary>Copies what is there now, unless that is what was there last time.</summary>
    /// <returns>A folder to restore from.</returns>
    Task<string> CopyAsync();
}

/// <summary>
/// Copies of a folder by hard links, as of <c>cp -al</c>: Litestream writes its files under another name, renames them, and
/// changes them no more.
/// </summary>
/// <param name="folder">The destination.</param>
/// <param name="copies">Where the copies go; it is created.</param>
internal sealed class FolderCopies(string folder, string copies) : IBackupCopies
{
    private string? _listing;
    private string _last = "";
    private int _count;

    public Task<string> CopyAsync()
    {
        var files = List();
        var listing = string.Join('\n', files.Select(file => $"{file.FullName} {file.Length} {file.LastWriteTimeUtc.Ticks}"));
        if (listing != _listing)
        {
            (_listing, _last) = (listing, Path.Combine(copies, $"{++_count:0000}"));
            Directory.CreateDirectory(_last);
            foreach (var file in files)
            {
                Copy(file, Path.Combine(_last, Path.GetRelativePath(folder, file.FullName)));
            }
        }

        return Task.FromResult(_last);
    }

    private List<FileInfo> List()
    {
        try
        {
            return
            [
                .. new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories)
                    .Where(file => file.Extension != ".tmp")
                    .OrderBy(file => file.FullName, StringComparer.Ordinal),
            ];
        }
        catch (IOException)
        {
            // There is no folder, or something else is in its place, or it is being removed.
            return [];
        }
    }

    private static void Copy(FileInfo file, string copy)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
        try
        {
            // Another file system has no links to this one.
            if (!HardLink.TryCreate(file.FullName, copy))
            {
                file.CopyTo(copy);
            }
        }
        catch (IOException)
        {
            // It was removed in the meantime.
        }
    }
}

/// <summary>Copies of what the S3 server has under a prefix, taken from the server itself.</summary>
/// <param name="server">The server.</param>
/// <param name="prefix">The database's prefix.</param>
/// <param name="copies">Where the copies go; it is created.</param>
internal sealed class S3Copies(S3Server server, string prefix, string copies) : IBackupCopies
{
    public Task<string> CopyAsync() => server.CopyAsync(prefix, copies);
}
