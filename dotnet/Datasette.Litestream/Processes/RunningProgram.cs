using System.ComponentModel;
using System.Globalization;
using System.Text;

namespace Datasette.Litestream.Processes;

/// <summary>The command line and the user of any process.</summary>
/// <param name="UserId">Its effective user id.</param>
/// <param name="CommandLine">Its name and arguments, separated by spaces.</param>
internal sealed record RunningProgram(uint UserId, string CommandLine)
{
    /// <summary>Reads the command line and user of a process; null if there is no such process, or it is not visible.</summary>
    public static async Task<RunningProgram?> OfAsync(int processId) =>
        OperatingSystem.IsLinux() ? ReadLinux(processId) : await AskPsAsync(processId).ConfigureAwait(false);

    /// <summary>Reads them from <c>ps</c>, since macOS has no <c>/proc</c>.</summary>
    public static async Task<RunningProgram?> AskPsAsync(int processId)
    {
        var answer = new StringBuilder();
        try
        {
            // https://pubs.opengroup.org/onlinepubs/9799919799/utilities/ps.html; without -ww, macOS cuts lines at 80 columns.
            var ps = ChildProcess.Start(
                "/bin/ps",
                ["-ww", "-o", "uid=", "-o", "args=", "-p", processId.ToString(CultureInfo.InvariantCulture)],
                new Dictionary<string, string>(),
                default,
                piece => answer.Append(Encoding.UTF8.GetString(piece.Span)),
                _ => { });
            await ps.OutputEnded.ConfigureAwait(false);
        }
        catch (Win32Exception)
        {
            return null;
        }

        var words = answer.ToString().Trim().Split(' ', 2);
        return words.Length == 2 && uint.TryParse(words[0], CultureInfo.InvariantCulture, out var user) ? new RunningProgram(user, words[1]) : null;
    }

    private static RunningProgram? ReadLinux(int processId)
    {
        try
        {
            // proc_pid_status(5): Uid: real, effective, saved set, and filesystem user ids.
            var users = File.ReadLines($"/proc/{processId}/status").First(line => line.StartsWith("Uid:", StringComparison.Ordinal)).Split('\t');
            var commandLine = File.ReadAllText($"/proc/{processId}/cmdline").TrimEnd('\0').Replace('\0', ' ');
            return new RunningProgram(uint.Parse(users[2], CultureInfo.InvariantCulture), commandLine);
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException or InvalidOperationException)
        {
            return null;
        }
    }
}
