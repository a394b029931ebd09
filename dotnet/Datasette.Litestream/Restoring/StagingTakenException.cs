using Datasette.Litestream.Errors;

namespace Datasette.Litestream.Restoring;

/// <summary>Another process restores the same file just now.</summary>
/// <param name="target">The file, absolute.</param>
internal sealed class StagingTakenException(string target) : ReplicationException($"Another process restores {target} just now. Wait for its end, or end it.");
