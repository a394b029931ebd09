using System.Buffers;
using System.Globalization;
using System.Text.Json;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Processes;

namespace Datasette.Litestream.Restoring;

/// <summary>
/// What a restore in place leaves for the next start of Datasette, which otherwise would find a file that is older than its backup, and
/// hold it back: <c>datasette-litestream-restored.json</c> in <c>.NAME-litestream</c> beside the database, whatever <c>meta-path</c> says.
/// It is there before the file is: only one with that device and inode is the restored one. The JSON is read and written by hand, since
/// it may be read at every start.
/// </summary>
/// <param name="Device">The file system of the restored file.</param>
/// <param name="Inode">Its number there.</param>
/// <param name="RestoredAt">When it was restored.</param>
/// <param name="From">The destination, for people.</param>
/// <param name="Point">The state that was restored; see <see cref="RestorePoint.Name"/>.</param>
/// <param name="Replaced">The file that was there before and is kept, absolute; null if there was none.</param>
internal sealed record RestoreIntent(ulong Device, ulong Inode, DateTimeOffset RestoredAt, string From, string Point, string? Replaced)
{
    private const string FileName = "datasette-litestream-restored.json";

    /// <summary>Where the intent of a database lies.</summary>
    /// <param name="databasePath">The database's file, absolute.</param>
    public static string PathOf(string databasePath) => Path.Combine(LitestreamFolder.Of(databasePath), FileName);

    /// <summary>Whether a file is the one that was restored.</summary>
    public bool IsOf(FileStatus file) => file.Device == Device && file.Inode == Inode;

    /// <summary>Reads an intent.</summary>
    /// <param name="databasePath">The database's file, absolute.</param>
    /// <returns>Null if there is none, or it cannot be read.</returns>
    public static RestoreIntent? Read(string databasePath)
    {
        var path = PathOf(databasePath);
        if (!File.Exists(path))
        {
            return null;
        }

        try
        {
            var json = JsonElement.Parse(File.ReadAllBytes(path));
            return new RestoreIntent(
                json.GetProperty("device").GetUInt64(),
                json.GetProperty("inode").GetUInt64(),
                DateTimeOffset.Parse(json.GetProperty("restoredAt").GetString()!, CultureInfo.InvariantCulture),
                json.GetProperty("from").GetString()!,
                json.GetProperty("point").GetString()!,
                json.GetProperty("replaced").GetString());
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException or JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            return null;
        }
    }

    /// <summary>Writes it, whole or not at all; it is on disk when this returns.</summary>
    /// <param name="databasePath">The database's file, absolute.</param>
    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be written.</exception>
    public void Write(string databasePath)
    {
        var json = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(json))
        {
            writer.WriteStartObject();
            writer.WriteNumber("device", Device);
            writer.WriteNumber("inode", Inode);
            writer.WriteString("restoredAt", RestoredAt.ToUniversalTime());
            writer.WriteString("from", From);
            writer.WriteString("point", Point);
            writer.WriteString("replaced", Replaced);
            writer.WriteEndObject();
        }

        var path = PathOf(databasePath);
        var draft = $"{path}.new";
        using (var file = new FileStream(draft, FileMode.Create, FileAccess.Write, FileShare.None))
        {
            file.Write(json.WrittenSpan);
            file.Flush(flushToDisk: true);
        }

        File.Move(draft, path, overwrite: true);
        LibC.FlushFolder(Path.GetDirectoryName(path)!);
    }

    /// <summary>Deletes the intent of a database, if there is one.</summary>
    /// <param name="databasePath">The database's file, absolute.</param>
    public static void Delete(string databasePath)
    {
        try
        {
            File.Delete(PathOf(databasePath));
        }
        catch (DirectoryNotFoundException)
        {
            // Nothing was ever replicated there.
        }
    }
}
