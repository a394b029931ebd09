namespace Datasette.Litestream.Proving;

/// <summary>What a drill has shown.</summary>
internal enum DrillOutcome
{
    /// <summary>What was restored is equal to the live database, page by page, at one and the same transaction.</summary>
    Proven,

    /// <summary>What was restored is whole, and has the schema and the row counts that the live database had about then; it could not be compared page by page.</summary>
    ProvenWeakly,

    /// <summary>It could not be restored, is damaged, or differs from the live database.</summary>
    Failed,

    /// <summary>The drill could not be held, so nothing is known.</summary>
    NotHeld,
}
