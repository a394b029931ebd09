using System.Globalization;
using System.IO.Enumeration;
using System.Runtime.CompilerServices;
using Datasette.Litestream.Locking;
using Datasette.Litestream.Processes;

namespace Datasette.Litestream.Stores;

/// <summary>
/// A folder on this machine. The file system may be another machine's that has stopped answering, which no call can be called back
/// from: each call has a thread of its own meanwhile, and whoever waits for it can stop waiting.
/// </summary>
/// <param name="root">The folder, absolute; it is made when the first file is written.</param>
/// <param name="rights">Who may use what is written.</param>
/// <param name="time">The clock.</param>
internal sealed partial class FolderStore(string root, FileRights rights, TimeProvider time) : IStore
{
    /// <summary>A file that is still being written ends in this, with Litestream's own client too, and is no LTX file to either.</summary>
    private const string Temporary = ".tmp";

    /// <summary>A file that is locked while another is written on a condition.</summary>
    private const string Lock = ".lock";

    private const int CopyBytes = 128 << 10;

    private static readonly TimeSpan ReadTimeout = TimeSpan.FromSeconds(15);

    private static readonly EnumerationOptions Everything = new() { AttributesToSkip = FileAttributes.None, IgnoreInaccessible = false };

    /// <inheritdoc/>
    public LtxLayout Layout => LtxLayout.Folder;

    /// <inheritdoc/>
    public async IAsyncEnumerable<StoredFile> ListAsync(string folder, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var folders = new Stack<string>([folder]);
        while (folders.TryPop(out var next))
        {
            foreach (var entry in await RunAsync(() => List(next), cancellationToken).ConfigureAwait(false))
            {
                if (entry.File is { } file)
                {
                    yield return file;
                }
                else
                {
                    folders.Push(entry.Name);
                }
            }
        }
    }

    /// <inheritdoc/>
    public Task<Stream> OpenAsync(string name, long from, CancellationToken cancellationToken) => RunAsync<Stream>(
        () =>
        {
            var file = Open(PathOf(name));
            file.Position = from >= 0 ? from : Math.Max(0, file.Length + from);
            return new ContentStream(file, FolderFault.Explain, ReadTimeout, time) { Size = Math.Max(0, file.Length - file.Position) };
        },
        cancellationToken);

    /// <inheritdoc/>
    public Task<StoredFile> WriteAsync(string name, Stream content, DateTimeOffset time, CancellationToken cancellationToken) => RunAsync(
        async () =>
        {
            var path = PathOf(name);
            return Describe(name, await ReplaceAsync(path, content, time, cancellationToken).ConfigureAwait(false));
        },
        cancellationToken);

    /// <inheritdoc/>
    public Task<StoredFile?> WriteIfAsync(string name, ReadOnlyMemory<byte> content, string? version, CancellationToken cancellationToken) => RunAsync(
        async () =>
        {
            var path = PathOf(name);
            CreateFolder(Path.GetDirectoryName(path)!);
            using var held = FileLock.TryTake(path + Lock);
            if (held is null || VersionAt(path) != version)
            {
                return null;
            }

            FileRights.Give(path + Lock, rights.FileOwner);
            using var bytes = new MemoryStream(content.ToArray(), writable: false);
            return Describe(name, await ReplaceAsync(path, bytes, time: null, cancellationToken).ConfigureAwait(false));
        },
        cancellationToken);

    /// <inheritdoc/>
    public Task<StoredContent?> ReadAsync(string name, CancellationToken cancellationToken) => RunAsync(
        () =>
        {
            var path = PathOf(name);
            while (VersionAt(path) is { } version)
            {
                try
                {
                    using var file = Open(path);
                    using var content = new MemoryStream();
                    file.CopyTo(content);

                    // It may have been replaced between the two.
                    if (VersionAt(path) == version)
                    {
                        return new StoredContent(content.ToArray(), version);
                    }
                }
                catch (FileNotFoundException)
                {
                    // Deleted between the two.
                }
            }

            return null;
        },
        cancellationToken);

    /// <inheritdoc/>
    public Task DeleteAsync(IReadOnlyCollection<string> names, CancellationToken cancellationToken) => RunAsync(
        () =>
        {
            foreach (var path in names.Select(PathOf))
            {
                try
                {
                    File.Delete(path);
                }
                catch (DirectoryNotFoundException)
                {
                    // Then the file is not there either.
                }
            }

            return true;
        },
        cancellationToken);

    /// <inheritdoc/>
    public Task MoveAsideAsync(string suffix, CancellationToken cancellationToken) => RunAsync(
        () =>
        {
            if (Directory.Exists(root))
            {
                Directory.Move(root, root + suffix);
                LibC.FlushFolder(Path.GetDirectoryName(root)!);
            }

            return true;
        },
        cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<string>> FindAsideAsync(string mark, CancellationToken cancellationToken) => RunAsync<IReadOnlyList<string>>(
        () =>
        {
            var name = Path.GetFileName(root);
            try
            {
                return
                [
                    .. new DirectoryInfo(Path.GetDirectoryName(root)!).EnumerateDirectories("*", Everything)
                        .Where(folder => folder.Name.StartsWith(name + mark, StringComparison.Ordinal))
                        .Select(folder => folder.Name[name.Length..]),
                ];
            }
            catch (DirectoryNotFoundException)
            {
                return [];
            }
        },
        cancellationToken);

    /// <inheritdoc/>
    public Task DeleteAsideAsync(string suffix, CancellationToken cancellationToken) => RunAsync(
        () =>
        {
            try
            {
                Directory.Delete(root + suffix, recursive: true);
            }
            catch (DirectoryNotFoundException)
            {
                // Another one has deleted it.
            }

            return true;
        },
        cancellationToken);

    /// <inheritdoc/>
    public void Dispose()
    {
        // Nothing stays open.
    }

    private List<(string Name, StoredFile? File)> List(string folder)
    {
        var found = new List<(string Name, StoredFile? File)>();
        try
        {
            var entries = new FileSystemEnumerable<(string Name, bool IsFolder)>(
                PathOf(folder),
                static (ref entry) => (entry.FileName.ToString(), entry.IsDirectory),
                Everything)
            {
                // A link to a folder may lead back here.
                ShouldIncludePredicate = static (ref entry) =>
                    entry.IsDirectory ? !entry.Attributes.HasFlag(FileAttributes.ReparsePoint) : !entry.FileName.EndsWith(Temporary, StringComparison.Ordinal),
            };
            foreach (var (entry, isFolder) in entries)
            {
                var name = folder.Length == 0 ? entry : $"{folder}/{entry}";
                if (isFolder)
                {
                    found.Add((name, null));
                }
                else if (FileStatus.Look(PathOf(name)).Status is { } status)
                {
                    found.Add((name, Describe(name, status)));
                }
            }
        }
        catch (DirectoryNotFoundException)
        {
            // There is none yet, or it was deleted meanwhile.
        }

        return found;
    }

    /// <summary>Writes a file beside its place, and moves it there when it is on disk.</summary>
    private async Task<FileStatus> ReplaceAsync(string path, Stream content, DateTimeOffset? time, CancellationToken cancellationToken)
    {
        CreateFolder(Path.GetDirectoryName(path)!);
        var temporary = path + Temporary;
        var options = new FileStreamOptions
        {
            Mode = FileMode.Create,
            Access = FileAccess.Write,
            Share = FileShare.None,
            BufferSize = 0,
            UnixCreateMode = rights.File,
        };

        // While it is open, no other process of .NET can open it, not even to read.
        var file = new FileStream(temporary, options);
        try
        {
            await using (file.ConfigureAwait(false))
            {
                await CopyAsync(content, file, cancellationToken).ConfigureAwait(false);
                FileRights.Give(temporary, rights.FileOwner);
                if (time is { } at)
                {
                    File.SetLastWriteTimeUtc(file.SafeFileHandle, at.UtcDateTime);
                }

                file.Flush(flushToDisk: true);
            }

            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }

        LibC.FlushFolder(Path.GetDirectoryName(path)!);
        return FileStatus.Look(path).Status ?? throw new FileNotFoundException();
    }

    private static async Task CopyAsync(Stream content, FileStream file, CancellationToken cancellationToken)
    {
        var buffer = new byte[CopyBytes];
        while (await ReadSourceAsync(content, buffer, cancellationToken).ConfigureAwait(false) is > 0 and var count)
        {
            await file.WriteAsync(buffer.AsMemory(0, count), cancellationToken).ConfigureAwait(false);
        }
    }

    private static async Task<int> ReadSourceAsync(Stream content, byte[] buffer, CancellationToken cancellationToken)
    {
        try
        {
            return await content.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception ex) when (ex is not OperationCanceledException)
        {
            throw new StoreException(ex.Message, StoreFault.Source, ex);
        }
    }

    private void CreateFolder(string folder)
    {
        if (!Directory.Exists(folder))
        {
            CreateFolder(Path.GetDirectoryName(folder)!);
            Directory.CreateDirectory(folder, rights.Folder);
            FileRights.Give(folder, rights.FolderOwner);
        }
    }

    private static FileStream Open(string path) => new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);

    private string PathOf(string name) => name.Length == 0 ? root : Path.Combine(root, name);

    private static StoredFile Describe(string name, FileStatus status) => new(name, status.Size, VersionOf(status)) { At = status.ModifiedAt };

    private static string? VersionAt(string path) => FileStatus.Look(path) switch
    {
        { Error: { } error } => throw new IOException(FolderFault.Lower(error)),
        { Status: { } status } => VersionOf(status),
        _ => null,
    };

    private static string VersionOf(FileStatus status) =>
        string.Create(CultureInfo.InvariantCulture, $"{status.Size:x}-{status.ModifiedAt.UtcTicks:x}-{status.Inode:x}");

    private static Task<T> RunAsync<T>(Func<T> work, CancellationToken cancellationToken) => RunAsync(() => Task.FromResult(work()), cancellationToken);

    private static async Task<T> RunAsync<T>(Func<Task<T>> work, CancellationToken cancellationToken)
    {
        try
        {
            return await Task.Run(work, cancellationToken).WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception ex) when (FolderFault.Explain(ex) is { } fault)
        {
            throw fault;
        }
    }
}
