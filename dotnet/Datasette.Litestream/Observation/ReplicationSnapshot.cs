using System.Text.Json.Nodes;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Credentials;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Secrets;

namespace Datasette.Litestream.Observation;

/// <summary>One Datasette's replication at one moment: what the <see cref="Replicator"/> publishes, for everybody to read.</summary>
/// <param name="Plan">What is replicated where.</param>
/// <param name="Binary">The Litestream that runs.</param>
/// <param name="Document">litestream.yml, with its secrets.</param>
/// <param name="Warnings">What the person who configured it should know, one sentence each.</param>
/// <param name="Daemon">How Litestream stands; null where there is nothing to replicate.</param>
/// <param name="Credentials">How the credentials stand; null where the configuration says nothing of them.</param>
/// <param name="LogEntries">The last lines of Litestream's log, oldest first, without secrets.</param>
/// <param name="LogStatistics">What Litestream's log has told of each database.</param>
/// <param name="Redactor">Takes secrets out of text.</param>
internal sealed record ReplicationSnapshot(
    ReplicationPlan Plan,
    LitestreamBinary Binary,
    JsonObject Document,
    IReadOnlyList<string> Warnings,
    DaemonStatus? Daemon,
    CredentialStatus? Credentials,
    IReadOnlyList<LogEntry> LogEntries,
    LogStatistics LogStatistics,
    Redactor Redactor)
{
    // A record's own ToString would print the document, and secrets with it.
    public override string ToString() => nameof(ReplicationSnapshot);
}
