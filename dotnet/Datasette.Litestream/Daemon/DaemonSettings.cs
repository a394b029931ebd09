using Datasette.Litestream.Litestream;

namespace Datasette.Litestream.Daemon;

/// <summary>The settings of one run of Litestream.</summary>
/// <param name="Binary">The binary to run.</param>
/// <param name="Configuration">The content of litestream.yml, for its standard input.</param>
/// <param name="SocketPath">The path of the control socket in <paramref name="Configuration"/>; 0.3 has none.</param>
/// <param name="DatabasePaths">The files that it replicates, absolute.</param>
/// <param name="Environment">Its complete environment, including credentials.</param>
/// <param name="OpeningTime">How long it needs to open every database after it is ready: the longest monitor interval.</param>
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
    // The ToString that the compiler generates would print the environment, including the credentials.
    public override string ToString() => $"{Binary.Path} for {DatabasePaths.Count} databases";
}
