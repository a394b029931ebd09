using Datasette.Litestream.Replicas;

namespace Datasette.Litestream.Mirrors;

/// <summary>What a mirror is doing.</summary>
internal enum MirrorPhase
{
    /// <summary>It has not been listed and compared yet.</summary>
    Starting,

    /// <summary>It has nothing that can be restored, and its first copy is under way.</summary>
    Filling,

    /// <summary>It can be restored, and each new file is copied.</summary>
    Following,

    /// <summary>It cannot go on, since neither this machine nor another destination has the file that is next; <see
    /// cref="MirrorStatus.Error"/> says why.</summary>
    HeldBack,
}

/// <summary>The state of one mirror at one moment.</summary>
internal sealed record MirrorStatus
{
    /// <summary>What it is doing.</summary>
    public MirrorPhase Phase { get; init; }

    /// <summary>The mirror can be restored up to this transaction, without a gap; 0 if nothing can be, or nothing is known yet.</summary>
    public ulong Txid { get; init; }

    /// <summary>Its last file, as <see cref="MirrorMemory"/> remembers it, and the history that it is of; null if that is not known.</summary>
    public (int Epoch, string Seal)? Tail { get; init; }

    /// <summary>
    /// Since when the local Litestream has had a transaction that the mirror does not; null if the mirror has everything that was
    /// there at the last look, which is about a second ago.
    /// </summary>
    public DateTimeOffset? BehindSince { get; init; }

    /// <summary>The size of all its files in bytes; null before the first listing.</summary>
    public long? Bytes { get; init; }

    /// <summary>The number of its files; null before the first listing.</summary>
    public int? Files { get; init; }

    /// <summary>How far back and how finely one can go, at most a minute ago; null if nothing can be restored, or that is not known yet.</summary>
    public RestorePoints? Points { get; init; }

    /// <summary>When it was last listed and compared; null before the first time.</summary>
    public DateTimeOffset? ListedAt { get; init; }

    /// <summary>When the last file arrived there; null if none has since the start.</summary>
    public DateTimeOffset? CopiedAt { get; init; }

    /// <summary>Why it fails, as a finished short cause without secrets; null while it works.</summary>
    public string? Error { get; init; }

    /// <summary>Since when it fails; null while it works.</summary>
    public DateTimeOffset? FailingSince { get; init; }

    /// <summary>What was found wrong there and mended, in a sentence; null if nothing was since the start.</summary>
    public string? Notice { get; init; }

    /// <summary>During the first copy, the bytes that have arrived; null otherwise.</summary>
    public long? FilledBytes { get; init; }

    /// <summary>During the first copy, the bytes that are to arrive; null otherwise.</summary>
    public long? FillBytes { get; init; }
}
