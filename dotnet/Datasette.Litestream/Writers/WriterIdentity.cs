using Datasette.Litestream.Processes;

namespace Datasette.Litestream.Writers;

/// <summary>One Datasette that writes backups, from its start to its end.</summary>
/// <param name="Id">Its own, whatever host and process are called.</param>
/// <param name="Host">The name of its machine or container.</param>
/// <param name="Process">Its process.</param>
/// <param name="StartedAt">When it started, by its own clock.</param>
internal sealed record WriterIdentity(Guid Id, string Host, ProcessIdentity Process, DateTimeOffset StartedAt)
{
    /// <summary>This Datasette.</summary>
    public static WriterIdentity OfThisProcess(ProcessIdentity process, TimeProvider time) =>
        new(Guid.NewGuid(), Environment.MachineName, process, time.GetUtcNow());

    /// <summary>Its name for people.</summary>
    public override string ToString() => $"host {Host} (process {Process.ProcessId})";

    /// <summary>
    /// Whether it is known to have ended. That can be known only from the same run of the same machine, and in the same container.
    /// </summary>
    /// <param name="self">Who asks.</param>
    public bool IsKnownToHaveEnded(WriterIdentity self) =>
        (Host, Process.Boot, Process.Namespace) == (self.Host, self.Process.Boot, self.Process.Namespace) && !Process.IsRunning;
}
