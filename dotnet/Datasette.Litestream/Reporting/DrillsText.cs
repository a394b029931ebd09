namespace Datasette.Litestream.Reporting;

/// <summary>The page of the drills as displayed: texts that a template inserts unchanged.</summary>
/// <param name="View"><c>drills</c>.</param>
/// <param name="Query">See <see cref="OverviewText.Query"/>.</param>
/// <param name="Sentence">The first line.</param>
/// <param name="Healthy">See <see cref="SummaryText.Healthy"/>.</param>
/// <param name="Proves">What a drill proves, one sentence each.</param>
/// <param name="ProvesNot">What it does not, one sentence each.</param>
/// <param name="Search">The search field; null if there are too few databases to search.</param>
/// <param name="All">The link to all databases; null if all are shown.</param>
/// <param name="Columns">The headings of the table of backups.</param>
/// <param name="Backups">The backups of this page.</param>
/// <param name="DrillColumns">The headings of the table of the drills of one.</param>
/// <param name="Details">The drills of each of them; empty if that would be too many, so that one has to be chosen.</param>
/// <param name="Pages">The links to other pages; null if there are none.</param>
internal sealed record DrillsText(
    string View,
    string Query,
    string Sentence,
    string Healthy,
    IReadOnlyList<string> Proves,
    IReadOnlyList<string> ProvesNot,
    SearchText? Search,
    string? All,
    IReadOnlyList<string> Columns,
    IReadOnlyList<DrilledText> Backups,
    IReadOnlyList<string> DrillColumns,
    IReadOnlyList<DrillDetailsText> Details,
    PagesText? Pages);

/// <summary>A destination of a database, and its drills in figures.</summary>
/// <param name="Name">Datasette's name of the database.</param>
/// <param name="Link">The query string of the database's own page, here as well as on the status page.</param>
/// <param name="Destination">The destination.</param>
/// <param name="Proven">When it was last proven.</param>
/// <param name="Outcomes">How its drills ended.</param>
/// <param name="LongestGap">The longest time without a proof.</param>
/// <param name="Gaps">The times without a proof that were too long, one line each.</param>
/// <param name="Restore">How long a restore takes.</param>
/// <param name="Size">The size of the file that was restored last.</param>
internal sealed record DrilledText(
    string Name,
    string Link,
    string Destination,
    MomentText Proven,
    string Outcomes,
    string LongestGap,
    IReadOnlyList<string> Gaps,
    string Restore,
    string Size);

/// <summary>The drills of a destination.</summary>
/// <param name="Id">Its HTML id.</param>
/// <param name="Label">What they are, in words.</param>
/// <param name="IsOpen">Whether they are unfolded.</param>
/// <param name="Charts">Restore time and size over the days.</param>
/// <param name="Drills">Newest first.</param>
internal sealed record DrillDetailsText(string Id, string Label, bool IsOpen, IReadOnlyList<ChartText> Charts, IReadOnlyList<DrillRowText> Drills);

/// <param name="At">When it began.</param>
/// <param name="Outcome">How it ended, as reports name it.</param>
/// <param name="Label">The same for people.</param>
/// <param name="Found">What was found, in sentences.</param>
/// <param name="State">The state that was restored.</param>
/// <param name="DataAge">How old that was.</param>
/// <param name="Restore">How long the restore took.</param>
/// <param name="Check">How long the comparison took.</param>
/// <param name="Size">The size of the restored file.</param>
internal sealed record DrillRowText(
    MomentText At, string Outcome, string Label, string Found, string State, string DataAge, string Restore, string Check, string Size);
