using System.Globalization;

namespace Datasette.Litestream.Observation;

/// <summary>
/// Notices whether Litestream sends anything, by the bytes that it has written to any file or socket (proc(5),
/// <c>/proc/PID/io</c>). What it logs is far less. The sampling task owns it.
/// </summary>
internal sealed class SentBytes
{
    private const long MinBytes = 16 * 1024;
    private const string Written = "wchar: ";

    private int? _processId;
    private long _bytes;

    /// <summary>When it was last seen to send something; null if it never was, or where that cannot be seen.</summary>
    public DateTimeOffset? LastAt { get; private set; }

    /// <summary>Looks at the process.</summary>
    public void Look(DateTimeOffset now, int? processId)
    {
        if (processId is not { } id || Read(id) is not { } bytes)
        {
            _processId = null;
            return;
        }

        if (id == _processId && bytes - _bytes < MinBytes)
        {
            return;
        }

        LastAt = id == _processId ? now : LastAt;
        (_processId, _bytes) = (id, bytes);
    }

    private static long? Read(int processId)
    {
        try
        {
            foreach (var line in File.ReadLines($"/proc/{processId}/io"))
            {
                if (line.StartsWith(Written, StringComparison.Ordinal))
                {
                    return long.Parse(line.AsSpan(Written.Length), CultureInfo.InvariantCulture);
                }
            }
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException or FormatException)
        {
            // It has ended, or this is not Linux.
        }

        return null;
    }
}
