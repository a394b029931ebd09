namespace Datasette.Litestream.EndToEnd.Faults;

/// <summary>What a run with a fault starts with.</summary>
internal sealed record FaultOptions
{
    /// <summary>Datasette's names for the databases that are written to, and their files.</summary>
    public IReadOnlyList<(string Name, string File)> Databases { get; init; } = [("parks", "parks.db")];

    /// <summary>Further arguments of Datasette.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];

    /// <summary>The destination of all databases; null if the arguments name it.</summary>
    public string? Destination { get; init; } = "file://$PWD/backup/$DB_NAME";

    /// <summary>The version of Datasette.</summary>
    public string Datasette { get; init; } = "1.0a41";

    /// <summary>The Litestream to run, and to restore with; the one on PATH if null.</summary>
    public string? Litestream { get; init; }

    /// <summary>Bytes of random content in each database at the start.</summary>
    public int Filler { get; init; }

    /// <summary>Creates the file of a database in another way, and returns the ids of its rows.</summary>
    public Func<WrittenDatabase, IReadOnlyList<long>>? Create { get; init; }

    /// <summary>The databases that go to <c>backup/NAME</c> where the others go to S3.</summary>
    public IReadOnlyList<string> InFolder { get; init; } = [];

    /// <summary>Added to Datasette's environment; null removes a variable.</summary>
    public IReadOnlyDictionary<string, string?> Environment { get; init; } = new Dictionary<string, string?>();

    /// <summary>
    /// Whether the plugin sees with every look what lies at the destination. Elsewhere a promise is as old as its check, so that
    /// only what is said with a check after the fault is held against the backup.
    /// </summary>
    public bool IsLookedAt { get; init; } = true;
}
