using System.ComponentModel;
using System.Globalization;
using System.Text;

namespace Datasette.Litestream.Processes;

/// <summary>Finds the processes that have files open. One pass serves all files.</summary>
internal static class FileHolders
{
    private const string Locks = "/proc/locks";

    /// <summary>
    /// The processes that have a lock on any of these files, as SQLite has on a database with a write-ahead log for as long as
    /// it is open. The list of locks (https://man7.org/linux/man-pages/man5/proc_locks.5.html) has those of other users too,
    /// whose open files cannot be listed.
    /// </summary>
    /// <param name="paths">The files.</param>
    /// <param name="ours">Processes that are known to have these files open. They also show by what number the list names the
    /// device of a file: on btrfs, it is not that of the file's status.</param>
    /// <returns>Each file that is locked by another process, under the process id; nothing where there is no such list.</returns>
    public static ILookup<int, string> ByLocks(IReadOnlyList<string> paths, IReadOnlySet<int> ours)
    {
        if (!File.Exists(Locks))
        {
            return Array.Empty<string>().ToLookup(_ => 0);
        }

        var files = paths
            .Select(path => (Path: path, FileStatus.Look(path).Status))
            .Where(file => file.Status is not null)
            .ToLookup(file => file.Status!.Value.Inode, file => (file.Path, file.Status!.Value.Device));
        var held = new List<(string File, ulong Device, ulong Inode, int ProcessId)>();
        foreach (var line in File.ReadLines(Locks))
        {
            // 1: POSIX  ADVISORY  READ 27409 fe:00:14025219 128 128; a process that waits for a lock has an arrow after the number.
            var fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (fields is [_, "POSIX", _, _, var id, var file, ..]
                && int.TryParse(id, CultureInfo.InvariantCulture, out var processId)
                && file.Split(':') is [var major, var minor, var number]
                && ulong.TryParse(number, CultureInfo.InvariantCulture, out var inode)
                && files.Contains(inode))
            {
                var device = ((ulong)uint.Parse(major, NumberStyles.HexNumber, CultureInfo.InvariantCulture) << 32)
                    | uint.Parse(minor, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
                held.Add((file, device, inode, processId));
            }
        }

        var known = held.Where(one => ours.Contains(one.ProcessId)).Select(one => one.File).ToHashSet(StringComparer.Ordinal);
        return held
            .Where(one => !ours.Contains(one.ProcessId))
            .SelectMany(
                one => files[one.Inode].Where(file => file.Device == one.Device || known.Contains(one.File)),
                (one, file) => (one.ProcessId, file.Path))
            .Distinct()
            .ToLookup(one => one.ProcessId, one => one.Path);
    }

    /// <summary>The same from <c>lsof</c>, for macOS, which has no such list: what the user's own processes have open.</summary>
    /// <param name="paths">The files, absolute with links resolved.</param>
    /// <param name="ours">Processes that are known to have these files open.</param>
    /// <param name="program">The beginning of the names of the programs to look at.</param>
    /// <param name="environment">Where to find <c>lsof</c>.</param>
    public static async Task<ILookup<int, string>> ByLsofAsync(
        IReadOnlyList<string> paths, IReadOnlySet<int> ours, string program, IReadOnlyDictionary<string, string> environment)
    {
        var answer = new StringBuilder();
        if (SearchPath.Find("lsof", environment) is { } lsof)
        {
            try
            {
                // https://lsof.readthedocs.io/en/latest/manpage/: for each process a line p with its id, for each of its files a
                // line n with its name.
                var child = ChildProcess.Start(
                    lsof,
                    ["-n", "-P", "-w", "-F", "pn", "-c", program],
                    environment,
                    default,
                    piece => answer.Append(Encoding.UTF8.GetString(piece.Span)),
                    _ => { });
                await child.OutputEnded.ConfigureAwait(false);
            }
            catch (Win32Exception)
            {
                // What cannot be found out is not warned of.
            }
        }

        var wanted = paths.ToHashSet(StringComparer.Ordinal);
        var processId = 0;
        var held = new HashSet<(int ProcessId, string Path)>();
        foreach (var line in answer.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            if (line[0] == 'p')
            {
                _ = int.TryParse(line.AsSpan(1), CultureInfo.InvariantCulture, out processId);
            }
            else if (line[0] == 'n' && wanted.Contains(line[1..]) && !ours.Contains(processId))
            {
                held.Add((processId, line[1..]));
            }
        }

        return held.ToLookup(one => one.ProcessId, one => one.Path);
    }
}
