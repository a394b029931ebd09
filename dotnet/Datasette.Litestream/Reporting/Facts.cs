namespace Datasette.Litestream.Reporting;

/// <summary>A list of facts without the unknown ones.</summary>
/// <param name="now">The time.</param>
internal sealed class Facts(DateTimeOffset now)
{
    public List<FactText> All { get; } = [];

    public Facts Add(string key, string label, string? text, bool isCode = false, string? note = null)
    {
        if (!string.IsNullOrEmpty(text))
        {
            All.Add(new FactText(key, label, text, IsCode: isCode, Note: note));
        }

        return this;
    }

    public Facts Add(string key, string label, DateTimeOffset? moment, string? note = null)
    {
        if (moment is { } at)
        {
            All.Add(new FactText(key, label, Wording.Exact(at), MomentText.Ago(at, now), Note: note));
        }

        return this;
    }

    /// <summary>How far back and how finely one can go.</summary>
    public Facts Add(string key, RestorableReport? restorable) => restorable is null ? this
        : Add($"{key}-oldest", "Can be restored back to", restorable.OldestAt)
            .Add($"{key}-steps", "In steps", RestoreWording.Steps(restorable, now), note: $"files listed {Wording.Ago(restorable.ListedAt, now)}")
            .Add($"{key}-snapshot", "Newest snapshot", restorable.NewestSnapshotAt);
}
