using System.Globalization;

namespace Datasette.Litestream.Observation;

/// <summary>
/// Notices whether Litestream sends anything, by the bytes that it has written (proc(5), <c>/proc/PID/io</c>): to anything, and
/// to disks. What it logs is far less. The sampling task owns it.
/// </summary>
internal sealed class SentBytes
{
    private const long MinBytes = 16 * 1024;

    /// <summary>All bytes that were written, and those that go to disks, in whole pages.</summary>
    private const string ToAnything = "wchar: ", ToDisks = "write_bytes: ";

    private readonly Progress _toAnything = new();
    private readonly Progress _toServers = new();
    private int? _processId;

    /// <summary>When it was last seen to write to a file or a server; null if it never was, or where that cannot be seen.</summary>
    public DateTimeOffset? LastAt => _toAnything.LastAt;

    /// <summary>
    /// When it was last seen to send something to a server; null likewise. Its own files beside the databases, to which it
    /// writes while nothing is sent, do not count unless they are in memory.
    /// </summary>
    public DateTimeOffset? LastToServerAt => _toServers.LastAt;

    /// <summary>Looks at the process.</summary>
    public void Look(DateTimeOffset now, int? processId)
    {
        var bytes = processId is { } id ? Read(id) : null;
        var isSame = bytes is not null && processId == _processId;
        _processId = bytes is null ? null : processId;
        if (bytes is var (all, disks))
        {
            _toAnything.Look(now, all, isSame);
            _toServers.Look(now, all - disks, isSame);
        }
    }

    private static (long All, long ToDisks)? Read(int processId)
    {
        try
        {
            var lines = File.ReadAllLines($"/proc/{processId}/io");
            return (Value(lines, ToAnything), Value(lines, ToDisks));
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException or FormatException)
        {
            // It has ended, or this is not Linux.
            return null;
        }
    }

    private static long Value(string[] lines, string name) =>
        lines.FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal)) is { } line
            ? long.Parse(line.AsSpan(name.Length), CultureInfo.InvariantCulture)
            : throw new FormatException($"There is no {name}");

    /// <summary>A number of bytes that grows, or falls a bit where pages were counted whole.</summary>
    private sealed class Progress
    {
        private long _bytes;

        public DateTimeOffset? LastAt { get; private set; }

        public void Look(DateTimeOffset now, long bytes, bool isSameProcess)
        {
            if (!isSameProcess || bytes - _bytes >= MinBytes)
            {
                LastAt = isSameProcess ? now : LastAt;
                _bytes = bytes;
            }
            else if (bytes < _bytes)
            {
                _bytes = bytes;
            }
        }
    }
}
