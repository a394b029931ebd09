using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Datasette.Litestream.Processes;

/// <summary>
/// Identifies a process. Its id is not enough: ids are reused, and the same id means another process in another container or
/// after a reboot.
/// </summary>
/// <param name="ProcessId">Its process id.</param>
/// <param name="StartTime">When it started, in the system's units.</param>
/// <param name="Boot">The system's boot id; empty if it has none.</param>
/// <param name="Namespace">The PID namespace of <paramref name="ProcessId"/>; empty if the system has none.</param>
internal sealed record ProcessIdentity(int ProcessId, long StartTime, string Boot, string Namespace)
{
    /// <summary>The process that has an id now; null if there is none.</summary>
    public static ProcessIdentity? Of(int processId) =>
        ReadStartTime(processId) is { } startTime
            ? new ProcessIdentity(processId, startTime, ReadBoot(), ReadNamespace())
            : null;

    /// <summary>
    /// Whether exactly this process is running. Also false if that cannot be checked from here (after a reboot, or from another
    /// container).
    /// </summary>
    public bool IsRunning => Of(ProcessId) == this;

    /// <summary>When it started, to about a second; null if the system does not tell.</summary>
    public DateTimeOffset? StartedAt
    {
        get
        {
            if (!OperatingSystem.IsLinux())
            {
                return new DateTimeOffset(StartTime, TimeSpan.Zero);
            }

            // proc_stat(5): the boot time in seconds; start times are in hundredths of a second since then.
            const string bootTime = "btime ";
            var line = File.ReadLines("/proc/stat").FirstOrDefault(line => line.StartsWith(bootTime, StringComparison.Ordinal));
            return line is null
                ? null
                : DateTimeOffset.FromUnixTimeSeconds(long.Parse(line.AsSpan(bootTime.Length), CultureInfo.InvariantCulture)).AddMilliseconds(StartTime * 10.0);
        }
    }

    /// <summary>Reads one that <see cref="Write"/> has written.</summary>
    /// <exception cref="FormatException">A value is null; others throw what <see cref="JsonElement"/> throws.</exception>
    public static ProcessIdentity Read(JsonElement process)
    {
        return new(process.GetProperty("processId").GetInt32(), process.GetProperty("startTime").GetInt64(), Text("boot"), Text("namespace"));

        string Text(string name) => process.GetProperty(name).GetString() ?? throw new FormatException($"{name} is null");
    }

    /// <summary>Writes it as a property.</summary>
    public void Write(Utf8JsonWriter writer, string name)
    {
        writer.WriteStartObject(name);
        writer.WriteNumber("processId", ProcessId);
        writer.WriteNumber("startTime", StartTime);
        writer.WriteString("boot", Boot);
        writer.WriteString("namespace", Namespace);
        writer.WriteEndObject();
    }

    private static long? ReadStartTime(int processId) =>
        OperatingSystem.IsLinux() ? ReadLinuxStartTime(processId) : ReadOtherStartTime(processId);

    // proc_pid_stat(5): the name in parentheses may contain any characters; state is the field after it, and starttime the 20th
    // after it.
    private static long? ReadLinuxStartTime(int processId)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{processId}/stat");
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            var isDead = fields[0] is "Z" or "X";
            return isDead ? null : long.Parse(fields[19], CultureInfo.InvariantCulture);
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static long? ReadOtherStartTime(int processId)
    {
        try
        {
            using var process = Process.GetProcessById(processId);
            return process.StartTime.ToUniversalTime().Ticks;
        }
        catch (Exception ex) when (ex is ArgumentException or InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }

    private static string ReadBoot()
    {
        const string file = "/proc/sys/kernel/random/boot_id";
        return File.Exists(file) ? File.ReadAllText(file).Trim() : "";
    }

    private static string ReadNamespace() => new FileInfo("/proc/self/ns/pid").LinkTarget ?? "";
}
