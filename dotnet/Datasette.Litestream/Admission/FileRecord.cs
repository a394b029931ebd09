using System.Buffers;
using System.Globalization;
using System.Text.Json;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Processes;

namespace Datasette.Litestream.Admission;

/// <summary>
/// Tells of which file Litestream's state beside a database is: <c>datasette-litestream-file.json</c> in <c>.NAME-litestream</c>, whatever
/// <c>meta-path</c> says. Litestream itself does not know, and goes on with whatever file is there. Not the device, whose number can
/// change when the machine starts. The JSON is read and written by hand, since that happens at every start.
/// </summary>
/// <param name="Inode">The file's number in its file system.</param>
/// <param name="BornAt">When the file was made: numbers are used again. Null where the file system does not know it.</param>
internal sealed record FileRecord(ulong Inode, DateTimeOffset? BornAt)
{
    private const string FileName = "datasette-litestream-file.json";

    /// <summary>The record of a file.</summary>
    public static FileRecord Of(FileStatus file) => new(file.Inode, file.BornAt);

    /// <summary>Reads the record of a database.</summary>
    /// <param name="databasePath">The database's file, absolute.</param>
    /// <returns>Null if there is none, or it cannot be read.</returns>
    public static FileRecord? Read(string databasePath) => AtomicFile.ReadJson(
        PathOf(databasePath),
        json => new FileRecord(
            json.GetProperty("inode").GetUInt64(),
            json.GetProperty("bornAt").GetString() is { } born ? DateTimeOffset.Parse(born, CultureInfo.InvariantCulture) : null));

    /// <summary>Writes the record of a database, unless it is there.</summary>
    /// <param name="databasePath">The database's file, absolute.</param>
    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be written.</exception>
    public void Write(string databasePath)
    {
        if (Read(databasePath) == this)
        {
            return;
        }

        var json = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(json))
        {
            writer.WriteStartObject();
            writer.WriteNumber("inode", Inode);
            writer.WriteString("bornAt", BornAt?.ToString("O", CultureInfo.InvariantCulture));
            writer.WriteEndObject();
        }

        AtomicFile.Write(PathOf(databasePath), json.WrittenSpan.ToArray());
    }

    private static string PathOf(string databasePath) => Path.Combine(LitestreamFolder.Of(databasePath), FileName);
}
