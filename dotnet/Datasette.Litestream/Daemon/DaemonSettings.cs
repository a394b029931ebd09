using Datasette.Litestream.Litestream;

namespace Datasette.Litestream.Daemon;

/// <summary>All that one run of Litestream needs to know.</summary>
/// <param name="Binary">What runs.</param>
/// <param name="Configuration">litestream.yml, for its standard input.</param>
/// <param name="SocketPath">Where <paramref name="Configuration"/> has the control socket; 0.3 has none.</param>
/// <param name="DatabasePaths">The files that it replicates, absolute.</param>
/// <param name="Environment">All of its environment, credentials among it.</param>
/// <param name="OpeningTime">How long after it is ready it has opened every database: the longest monitor interval.</param>
/// <param name="ShutdownTimeout">How long it may take to end before it is killed.</param>
internal sealed record DaemonSettings(
    LitestreamBinary Binary,
    string Configuration,
    string SocketPath,
    IReadOnlyList<string> DatabasePaths,
    IReadOnlyDictionary<string, string> Environment,
    TimeSpan OpeningTime,
    TimeSpan ShutdownTimeout)
{
    // A record's own ToString would print the environment, and the credentials with it.
    public override string ToString() => $"{Binary.Path} for {DatabasePaths.Count} databases";
}
