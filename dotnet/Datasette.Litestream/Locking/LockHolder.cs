using Datasette.Litestream.Processes;

namespace Datasette.Litestream.Locking;

/// <summary>Who holds the lock of a database, as far as its record tells.</summary>
/// <param name="ProcessId">Null where it is not known: it has not written its record yet.</param>
/// <param name="IsThisProcess">Whether it is another Datasette of this process.</param>
/// <param name="IsElsewhere">Whether its number is that of another container, and means nothing here.</param>
internal sealed record LockHolder(int? ProcessId, bool IsThisProcess, bool IsElsewhere)
{
    /// <summary>Somebody.</summary>
    public static LockHolder Unknown { get; } = new(null, false, false);

    /// <summary>The holder of a database's lock, which is taken.</summary>
    /// <param name="path">The database's file, absolute.</param>
    public static LockHolder Find(string path) => Of(LockRecord.Read(DatabaseLock.RecordPathOf(path)));

    /// <summary>The holder that a record names, beside a lock that is taken.</summary>
    /// <param name="record">The record; null if there is none.</param>
    public static LockHolder Of(LockRecord? record)
    {
        if (record is null || ProcessIdentity.Of(Environment.ProcessId) is not { } self)
        {
            return Unknown;
        }

        var holder = record.Holder;

        // One of another run of the system was left, or is of another machine that has the same network file system.
        return holder.Boot != self.Boot ? Unknown
            : holder.Namespace != self.Namespace ? new LockHolder(holder.ProcessId, false, IsElsewhere: true)
            : holder.IsRunning ? new LockHolder(holder.ProcessId, holder == self, false)

            // It was left by one that was killed, and the next one has not written its own yet.
            : Unknown;
    }

    /// <summary>It as the subject of a sentence.</summary>
    public override string ToString() => this switch
    {
        { ProcessId: null } => "another process",
        { IsThisProcess: true } => $"this process ({ProcessId}), for another Datasette in it,",
        { IsElsewhere: true } => $"process {ProcessId} of another container",
        _ => $"process {ProcessId}",
    };
}
