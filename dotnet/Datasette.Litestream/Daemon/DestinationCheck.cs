using Datasette.Litestream.Configuration;
using Datasette.Litestream.Litestream;

namespace Datasette.Litestream.Daemon;

/// <summary>
/// Asks whether Litestream 0.5 can use a destination: a Litestream of its own lists the snapshots there, with no other
/// database's settings.
/// </summary>
internal static class DestinationCheck
{
    /// <summary>Long enough for a slow connection; one that is dropped silently would take minutes.</summary>
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(15);

    /// <summary>Returns null if the destination answers, else Litestream's own words about why it does not, which can contain secrets.</summary>
    /// <param name="settings">The settings of the Litestream that replicates.</param>
    /// <param name="database">The database.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellationToken">Ends the wait, and kills the child.</param>
    public static async Task<string?> AskAsync(
        DaemonSettings settings, DatabasePlan database, TimeProvider time, CancellationToken cancellationToken)
    {
        var command = new LitestreamCommand(settings.Binary.Path, () => settings.Environment, text => text, time);
        return (await command.RunAsync(database, ["ltx", "-level", "9", "-json"], AnswerTimeout, cancellationToken).ConfigureAwait(false)).Error;
    }
}
