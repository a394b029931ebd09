namespace Datasette.Litestream.Mirrors;

/// <summary>What the plugin is doing with a mirror.</summary>
internal enum MirrorPhase
{
    /// <summary>It was not listed and compared yet.</summary>
    Starting,

    /// <summary>What a restore begins with is being copied, so that nothing can be restored yet.</summary>
    Filling,

    /// <summary>Each new file is copied.</summary>
    Following,
}

/// <summary>How a mirror stands: one destination of one database that the plugin itself keeps.</summary>
internal sealed record MirrorStatus
{
    /// <summary>What is being done.</summary>
    public MirrorPhase Phase { get; init; }

    /// <summary>The last transaction up to which it can be restored without a gap; 0 if nothing can be.</summary>
    public ulong Txid { get; init; }

    /// <summary>The size of everything there; null before it was listed.</summary>
    public long? Bytes { get; init; }

    /// <summary>The number of files there; null before it was listed.</summary>
    public int? Files { get; init; }

    /// <summary>When it was last listed and compared; null if it never was.</summary>
    public DateTimeOffset? ListedAt { get; init; }

    /// <summary>When the last file arrived; null if none has since the start.</summary>
    public DateTimeOffset? CopiedAt { get; init; }

    /// <summary>Why the last attempt failed, in a clause without secrets; null if it succeeded.</summary>
    public string? Error { get; init; }

    /// <summary>Since when attempts have failed; null if the last one succeeded.</summary>
    public DateTimeOffset? FailingSince { get; init; }

    /// <summary>What was found there and mended, in a sentence; null if nothing was.</summary>
    public string? Notice { get; init; }

    /// <summary>How many bytes of the first copy have arrived; null if none is under way.</summary>
    public long? FilledBytes { get; init; }

    /// <summary>How many bytes the first copy has; null if none is under way.</summary>
    public long? FillBytes { get; init; }
}
