namespace Datasette.Litestream.Observation;

/// <summary>What can be done by hand; the names are those of the addresses.</summary>
internal enum ManualAction
{
    /// <summary>Litestream replicates what was written to a database now, not at its next tick.</summary>
    Sync,

    /// <summary>Litestream runs without a database until it is resumed.</summary>
    Pause,

    /// <summary>The end of a pause.</summary>
    Resume,

    /// <summary>A database that is not replicated is from now on.</summary>
    Register,

    /// <summary>A database is not replicated any more.</summary>
    Unregister,

    /// <summary>Litestream is restarted, or started now where it waits for its next start.</summary>
    Restart,

    /// <summary>What lies at each destination of a database is listed and judged.</summary>
    Check,

    /// <summary>A database is restored, and sent to who asked for it; nothing changes.</summary>
    Download,

    /// <summary>A file that is held back is meant to be as it is, and is replicated.</summary>
    Accept,

    /// <summary>Each backup of a database is restored and held against it.</summary>
    Verify,
}
