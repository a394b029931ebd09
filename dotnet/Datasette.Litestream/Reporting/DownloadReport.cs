using System.Globalization;
using System.Text;
using Datasette.Litestream.Manual;

namespace Datasette.Litestream.Reporting;

/// <summary>The answer to a download.</summary>
internal static class DownloadReport
{
    /// <summary>SQLite's media type (https://www.iana.org/assignments/media-types/application/vnd.sqlite3).</summary>
    private const string ContentType = "application/vnd.sqlite3";

    /// <summary>The name of its action, as its address has it.</summary>
    public const string Action = "download";

    /// <summary>Answers one.</summary>
    /// <param name="request">What was asked for.</param>
    /// <param name="result">What came of it.</param>
    /// <param name="now">The time.</param>
    /// <param name="isReplicated">Whether the database has a page now.</param>
    public static MachineAnswer Answer(DownloadRequest request, DownloadResult result, DateTimeOffset now, bool isReplicated) =>
        result.File is { } file
            ? new MachineAnswer(200, ContentType, "") { File = file.Path, Disposition = Disposition(request.Database!, result.At ?? file.Point.Until ?? file.Point.Since) }
            : ManualReport.Answer(new ManualRequest(Observation.ManualAction.Download, request.Database, null, request.Actor), result.Result, now, isReplicated) with
            {
                Page = isReplicated ? new StatusQuery(Database: request.Database, At: request.Written).Link : "",
            };

    /// <summary>A file's name for every browser: in ASCII, and in full (https://www.rfc-editor.org/rfc/rfc6266).</summary>
    private static string Disposition(string database, DateTimeOffset at)
    {
        var name = RestoreCommand.FileNameOf(database, at.UtcDateTime.ToString("'-'yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture));
        var plain = new StringBuilder();
        foreach (var character in name)
        {
            plain.Append(char.IsAsciiLetterOrDigit(character) || character is '-' or '.' or '_' or ' ' ? character : '_');
        }

        return $"attachment; filename=\"{plain}\"; filename*=UTF-8''{Uri.EscapeDataString(name)}";
    }
}
