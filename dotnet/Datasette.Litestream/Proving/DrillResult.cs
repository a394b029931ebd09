using System.Text.Json.Serialization;

namespace Datasette.Litestream.Proving;

/// <summary>How one drill of one destination ended.</summary>
/// <param name="At">When it began.</param>
/// <param name="Outcome">What it has shown.</param>
/// <param name="Sentence">The same in words, without the names of the database and the destination, such as <c>Equal to the live database after transaction 000000000000002a.</c></param>
internal sealed record DrillResult(DateTimeOffset At, [property: JsonConverter(typeof(JsonStringEnumConverter<DrillOutcome>))] DrillOutcome Outcome, string Sentence)
{
    /// <summary>The names of what differs, or what SQLite finds wrong, for those who may manage replication: it names tables; null if there is nothing to say.</summary>
    public string? Details { get; init; }

    /// <summary>The state that was restored, as Litestream names it: the id of a transaction, or a file of Litestream 0.3; null if none was.</summary>
    public string? State { get; init; }

    /// <summary>How old that state was when its restore began, in seconds: what would have been lost (RPO); null if that is not known.</summary>
    public double? DataAgeSeconds { get; init; }

    /// <summary>How long Litestream took to restore it, in seconds (RTO); null if it did not.</summary>
    public double? RestoreSeconds { get; init; }

    /// <summary>How long SQLite's checks and the comparison took, in seconds; null if there were none.</summary>
    public double? CheckSeconds { get; init; }

    /// <summary>The size of the restored file; null if there is none.</summary>
    public long? Bytes { get; init; }

    /// <summary>How many rows break a foreign key, at most 1,000, in the live database as well as in its backup; null if that was not found out.</summary>
    public int? ForeignKeyViolations { get; init; }

    /// <summary>After a drill that failed: what still can be restored, in a sentence; null if that was not looked for.</summary>
    public string? StillRestorable { get; init; }

    /// <summary>Whether the live database itself is damaged, so that no other backup of it can be better.</summary>
    public bool IsLiveDamaged { get; init; }

    /// <summary>Whether the backup was proven, strongly or weakly.</summary>
    [JsonIgnore]
    public bool IsProof => Outcome is DrillOutcome.Proven or DrillOutcome.ProvenWeakly;
}
