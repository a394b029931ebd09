using System.Buffers;
using System.Globalization;
using System.Text.Json;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Processes;

namespace Datasette.Litestream.Restoring;

/// <summary>
/// What says that the file of a database is meant, although it is not the one that was replicated: a restore leaves it, and so does who
/// accepts a file that is held back. It is <c>datasette-litestream-meant.json</c> in <c>.NAME-litestream</c> beside the database, whatever
/// <c>meta-path</c> says. Only a file with that device and inode is meant, so it is there before the file is. The JSON is read and written
/// by hand, since it may be read at every start.
/// </summary>
/// <param name="Device">The file system of the file.</param>
/// <param name="Inode">Its number there.</param>
/// <param name="At">When that was said.</param>
/// <param name="How">How it came to be meant, for people: a clause such as <c>restored from file:///backup</c>.</param>
/// <param name="IsRestored">Whether everything that was in it then is in the backup.</param>
internal sealed record MeantFile(ulong Device, ulong Inode, DateTimeOffset At, string How, bool IsRestored)
{
    private const string FileName = "datasette-litestream-meant.json";

    /// <summary>Where it lies for a database.</summary>
    /// <param name="databasePath">The database's file, absolute.</param>
    public static string PathOf(string databasePath) => Path.Combine(LitestreamFolder.Of(databasePath), FileName);

    /// <summary>That a file was accepted as it is.</summary>
    /// <param name="file">The file.</param>
    /// <param name="at">When.</param>
    /// <param name="actor">Who did it, or with what.</param>
    public static MeantFile Accepted(FileStatus file, DateTimeOffset at, string actor) => new(file.Device, file.Inode, at, $"accepted by {actor}", IsRestored: false);

    /// <summary>That a file was restored.</summary>
    /// <param name="file">The file that is there, or about to be.</param>
    /// <param name="at">When.</param>
    /// <param name="restored">What was restored.</param>
    /// <param name="kept">Where the file is kept that was there before, absolute; null if there was none.</param>
    public static MeantFile Restored(FileStatus file, DateTimeOffset at, RestoredFile restored, string? kept)
    {
        ArgumentNullException.ThrowIfNull(restored);
        var point = restored.Point.Name.Length == 0 ? "" : $", {restored.Point.Name}";
        return new MeantFile(file.Device, file.Inode, at, $"restored from {restored.From}{point}{(kept is null ? "" : $"; what was there before is {kept}")}", IsRestored: true);
    }

    /// <summary>Whether a file is the one that is meant.</summary>
    public bool IsOf(FileStatus file) => file.Device == Device && file.Inode == Inode;

    /// <summary>Reads it.</summary>
    /// <param name="databasePath">The database's file, absolute.</param>
    /// <returns>Null if there is none, or it cannot be read.</returns>
    public static MeantFile? Read(string databasePath) => AtomicFile.ReadJson(
        PathOf(databasePath),
        json => new MeantFile(
            json.GetProperty("device").GetUInt64(),
            json.GetProperty("inode").GetUInt64(),
            DateTimeOffset.Parse(json.GetProperty("at").GetString()!, CultureInfo.InvariantCulture),
            json.GetProperty("how").GetString()!,
            json.GetProperty("isRestored").GetBoolean()));

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
            writer.WriteString("at", At.ToUniversalTime());
            writer.WriteString("how", How);
            writer.WriteBoolean("isRestored", IsRestored);
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

    /// <summary>Deletes it, if there is one.</summary>
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
