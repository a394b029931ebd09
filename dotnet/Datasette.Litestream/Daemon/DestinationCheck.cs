using System.ComponentModel;
using System.Text;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Processes;

namespace Datasette.Litestream.Daemon;

/// <summary>
/// Asks whether Litestream 0.5 can use a destination: a Litestream of its own lists the snapshots there, with no other
/// database's settings.
/// </summary>
internal static class DestinationCheck
{
    private const string ErrorStart = "Error: ";
    private const int MaxOutputBytes = 64 * 1024;

    /// <summary>Long enough for a slow connection; one that is dropped silently would take minutes.</summary>
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(15);

    /// <summary>Returns null if the destination answers, else Litestream's own words about why it does not.</summary>
    /// <param name="settings">The settings of the Litestream that replicates.</param>
    /// <param name="database">The database.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellationToken">Ends the wait, and kills the child.</param>
    public static async Task<string?> AskAsync(
        DaemonSettings settings, DatabasePlan database, TimeProvider time, CancellationToken cancellationToken)
    {
        var output = new MemoryStream();
        ChildProcess child;
        try
        {
            child = ChildProcess.Start(
                settings.Binary.Path,
                ["ltx", "-level", "9", "-json", "-no-expand-env", "-config", "/dev/stdin", database.Path],
                settings.Environment,
                Encoding.UTF8.GetBytes(LitestreamConfiguration.ForOne(database, ReleaseLine.V05)),
                _ => { },
                Keep,
                endsWithOutput: true);
        }
        catch (Win32Exception ex)
        {
            return $"Litestream could not be started: {ex.Message}";
        }

        try
        {
            var exit = await child.Exited.WaitAsync(AnswerTimeout, time, cancellationToken).ConfigureAwait(false);
            var error = LastError();
            return exit.Code == 0 || (exit.IsUnknown && error is null) ? null : error ?? $"Litestream ended with {exit}";
        }
        catch (TimeoutException)
        {
            return $"no answer within {AnswerTimeout.TotalSeconds} s";
        }
        finally
        {
            _ = child.SendToGroup(LibC.SIGKILL);
            await child.Exited.ConfigureAwait(false);
        }

        void Keep(ReadOnlyMemory<byte> piece)
        {
            lock (output)
            {
                output.Write(piece.Span[..Math.Min(piece.Length, MaxOutputBytes - (int)output.Length)]);
            }
        }

        string? LastError()
        {
            lock (output)
            {
                var text = Encoding.UTF8.GetString(output.GetBuffer(), 0, (int)output.Length);
                var start = text.LastIndexOf(ErrorStart, StringComparison.Ordinal);
                return start < 0 ? null : text[(start + ErrorStart.Length)..].Trim();
            }
        }
    }
}
