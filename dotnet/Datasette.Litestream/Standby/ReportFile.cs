using System.IO.Compression;
using System.Text.Json;
using Datasette.Litestream.Processes;

namespace Datasette.Litestream.Standby;

/// <summary>
/// The file of a <see cref="HolderReport"/>. It is compressed: of a thousand databases it would have a few megabytes, again and
/// again.
/// </summary>
internal static class ReportFile
{
    private const string Name = "datasette-litestream-report.json.gz";

    /// <summary>Writes a report in place of the last one, which a reader finds until then.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">It cannot be written.</exception>
    public static void Write(string folder, HolderReport report)
    {
        var path = Path.Combine(folder, Name);
        var draft = $"{path}.new";
        using (var file = new GZipStream(File.Create(draft), CompressionLevel.Fastest))
        {
            JsonSerializer.Serialize(file, report, HolderJson.Default.HolderReport);
        }

        File.Move(draft, path, overwrite: true);
    }

    /// <summary>Reads the report; null if there is none, or it cannot be read.</summary>
    public static HolderReport? Read(string folder)
    {
        try
        {
            using var file = new GZipStream(File.OpenRead(Path.Combine(folder, Name)), CompressionMode.Decompress);
            return JsonSerializer.Deserialize(file, HolderJson.Default.HolderReport);
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException or JsonException or InvalidDataException)
        {
            // There is none, or another version of the plugin has written it.
            return null;
        }
    }

    /// <summary>Removes the report. It is no error if it cannot be removed: a report grows old.</summary>
    public static void Remove(string folder)
    {
        try
        {
            File.Delete(Path.Combine(folder, Name));
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            // Litestream's folder was removed.
        }
    }

    /// <summary>What tells one report from the next without reading it; null if there is none.</summary>
    public static FileStatus? Look(string folder) => FileStatus.Look(Path.Combine(folder, Name)).Status;
}
