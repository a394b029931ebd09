using System.Buffers;
using System.Text.Json;
using Datasette.Litestream.Processes;

namespace Datasette.Litestream.Locking;

/// <summary>
/// The current or last holder of a database's lock, for messages and for the clean-up at the next start. The JSON is read and
/// written by hand: it is written at every start, and a serializer would need more time just to initialize.
/// </summary>
/// <param name="Holder">The Datasette process.</param>
/// <param name="Litestream">The Litestream that it started; null if that ended immediately.</param>
/// <param name="SocketFolder">The folder of that Litestream's control socket.</param>
internal sealed record LockRecord(ProcessIdentity Holder, ProcessIdentity? Litestream, string SocketFolder)
{
    /// <summary>
    /// The folder in which the holder leaves its reports for those that stand by: Litestream's beside one of its databases. Empty if
    /// it leaves none.
    /// </summary>
    public string ReportFolder { get; init; } = "";

    /// <summary>The inode of <see cref="ReportFolder"/>, so that a copy of a database's folder is told from the folder.</summary>
    public ulong ReportFolderInode { get; init; }

    /// <summary>What the holder is called at its destinations.</summary>
    public Guid Writer { get; init; }

    /// <summary>
    /// Finds <see cref="ReportFolder"/>, which may be mounted elsewhere here; null if this is not the machine of the holder, or the
    /// record was copied.
    /// </summary>
    /// <param name="recordPath">Where this record was read.</param>
    public string? FindReportFolder(string recordPath)
    {
        var name = Path.GetFileName(ReportFolder);
        var parent = Path.GetDirectoryName(Path.GetDirectoryName(recordPath))!;
        return Holder.Boot != ProcessIdentity.Of(Environment.ProcessId)?.Boot ? null
            : new[] { ReportFolder, Path.Combine(parent, name) }.FirstOrDefault(
                folder => name.Length > 0 && FileStatus.Look(folder).Status is { } status && status.Inode == ReportFolderInode);
    }

    /// <summary>Reads a record; null if there is none, or it cannot be read.</summary>
    public static LockRecord? Read(string path) => AtomicFile.ReadJson(path, record =>
    {
        var litestream = record.GetProperty("litestream");
        var result = new LockRecord(
            ProcessIdentity.Read(record.GetProperty("holder")),
            litestream.ValueKind == JsonValueKind.Null ? null : ProcessIdentity.Read(litestream),
            record.GetProperty("socketFolder").GetString() ?? throw new FormatException("socketFolder is null"));

        // Those of earlier versions have no more.
        return !record.TryGetProperty("reportFolder", out var folder) ? result : result with
        {
            ReportFolder = folder.GetString() ?? "",
            ReportFolderInode = record.GetProperty("reportFolderInode").GetUInt64(),
            Writer = record.GetProperty("writer").GetGuid(),
        };
    });

    /// <summary>The record as UTF-8, which is the same for every database.</summary>
    public byte[] ToJson()
    {
        var json = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(json))
        {
            writer.WriteStartObject();
            Holder.Write(writer, "holder");
            if (Litestream is null)
            {
                writer.WriteNull("litestream");
            }
            else
            {
                Litestream.Write(writer, "litestream");
            }

            writer.WriteString("socketFolder", SocketFolder);
            writer.WriteString("reportFolder", ReportFolder);
            writer.WriteNumber("reportFolderInode", ReportFolderInode);
            writer.WriteString("writer", Writer);
            writer.WriteEndObject();
        }

        return json.WrittenSpan.ToArray();
    }
}
