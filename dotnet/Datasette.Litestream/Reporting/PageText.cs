namespace Datasette.Litestream.Reporting;

/// <summary>The overview as it is shown: texts that a template only has to place.</summary>
/// <param name="View"><c>status</c>.</param>
/// <param name="Query">What was asked for, to be put behind the address of the JSON; empty where nothing was.</param>
/// <param name="Summary">The first line.</param>
/// <param name="Lost">What is to be said when nobody answers any more.</param>
/// <param name="Observed">When the databases were looked at.</param>
/// <param name="Search">The search; null where there are too few databases to search.</param>
/// <param name="Columns">The table's headings.</param>
/// <param name="SparklineBox">The <c>viewBox</c> of the sparklines.</param>
/// <param name="Databases">The table's rows; null where nothing is replicated, empty where nothing matches.</param>
/// <param name="Pages">The way to other pages; null where there are none.</param>
/// <param name="Facts">The process.</param>
/// <param name="Restarts">A line each, newest first.</param>
/// <param name="Skipped">A line each.</param>
/// <param name="Warnings">A line each.</param>
/// <param name="Metrics">Litestream's metrics; null where <c>metrics-addr</c> is not set.</param>
/// <param name="Log">Newest first.</param>
/// <param name="Configuration">litestream.yml, secrets masked.</param>
internal sealed record OverviewText(
    string View,
    string Query,
    SummaryText Summary,
    string Lost,
    MomentText Observed,
    SearchText? Search,
    IReadOnlyList<ColumnText> Columns,
    string SparklineBox,
    IReadOnlyList<RowText>? Databases,
    PagesText? Pages,
    IReadOnlyList<FactText> Facts,
    IReadOnlyList<string> Restarts,
    IReadOnlyList<string> Skipped,
    IReadOnlyList<string> Warnings,
    MetricsText? Metrics,
    IReadOnlyList<LogText> Log,
    string Configuration);

/// <summary>The page of one database as it is shown.</summary>
/// <param name="View"><c>database</c>.</param>
/// <param name="Query">See <see cref="OverviewText.Query"/>.</param>
/// <param name="Name">Datasette's name.</param>
/// <param name="Summary">The first line.</param>
/// <param name="Lost">What is to be said when nobody answers any more.</param>
/// <param name="Observed">When it was looked at.</param>
/// <param name="Since">Since when it has stood so.</param>
/// <param name="Facts">How it stands.</param>
/// <param name="Reason">Why.</param>
/// <param name="Ranges">How far back the charts can go.</param>
/// <param name="Charts">How it stood.</param>
/// <param name="RestoreCommand">What to type to get it back.</param>
/// <param name="Log">Newest first.</param>
internal sealed record DatabaseText(
    string View,
    string Query,
    string Name,
    SummaryText Summary,
    string Lost,
    MomentText Observed,
    MomentText Since,
    IReadOnlyList<FactText> Facts,
    ReasonText Reason,
    IReadOnlyList<RangeText> Ranges,
    IReadOnlyList<ChartText> Charts,
    string RestoreCommand,
    IReadOnlyList<LogText> Log);

/// <param name="Sentence">Why a database is in its state.</param>
/// <param name="Facts">The figures that it was concluded from.</param>
internal sealed record ReasonText(string Sentence, IReadOnlyList<FactText> Facts);

/// <param name="Text">One sentence.</param>
/// <param name="State">The state that it tells of, in a word.</param>
/// <param name="Healthy"><c>true</c>, <c>false</c>, or empty where that is yet to be seen.</param>
internal sealed record SummaryText(string Text, string State, string Healthy);

/// <param name="At">When, as HTML has it; null for unknown.</param>
/// <param name="Exact">The same in words; null for unknown.</param>
/// <param name="Words">The same as seen from the moment of the report: <c>3 s ago</c>.</param>
internal sealed record MomentText(string? At, string? Exact, string Words);

/// <param name="Value">What was searched for.</param>
/// <param name="Kept">What else was asked for, by the names of the parameters.</param>
/// <param name="All">The way back to all databases; null where they are shown.</param>
internal sealed record SearchText(string Value, IReadOnlyDictionary<string, string> Kept, string? All);

/// <param name="Label">The heading.</param>
/// <param name="Link">The way to the order by this column; null for none.</param>
/// <param name="Order"><c>ascending</c> or <c>descending</c> where the rows are in its order.</param>
internal sealed record ColumnText(string Label, string? Link = null, string? Order = null);

/// <summary>A database's row; see <see cref="DatabaseReport"/>.</summary>
/// <param name="Id">Of the row, for HTML.</param>
/// <param name="Name">Datasette's name.</param>
/// <param name="Link">The way to its own page.</param>
/// <param name="State">In a word.</param>
/// <param name="Since">Since when.</param>
/// <param name="Error">Null for none.</param>
/// <param name="Reason">Why it is in its state.</param>
/// <param name="Destinations">A line each.</param>
/// <param name="Lag">The lag.</param>
/// <param name="LagLine">It over the last hour.</param>
/// <param name="Uploaded">What went to the replica.</param>
/// <param name="UploadedBars">It over the last hour.</param>
/// <param name="LastSync">When the replica was last known to have all.</param>
/// <param name="Size">Of the file.</param>
internal sealed record RowText(
    string Id,
    string Name,
    string Link,
    string State,
    MomentText Since,
    string? Error,
    string Reason,
    string Destinations,
    string Lag,
    SparklineText LagLine,
    string Uploaded,
    SparklineText UploadedBars,
    MomentText LastSync,
    string Size);

/// <param name="Path">Of SVG.</param>
/// <param name="Label">The same in words.</param>
internal sealed record SparklineText(string Path, string Label);

/// <param name="Previous">Null on the first.</param>
/// <param name="Words">Which this is.</param>
/// <param name="Next">Null on the last.</param>
internal sealed record PagesText(string? Previous, string Words, string? Next);

/// <param name="Key">For machines.</param>
/// <param name="Label">For people.</param>
/// <param name="Text">What is so.</param>
/// <param name="Moment">When, where it is a moment.</param>
/// <param name="IsCode">Whether the text is to be taken by the letter.</param>
internal sealed record FactText(string Key, string Label, string Text, MomentText? Moment = null, bool IsCode = false);

/// <param name="Label">How far back.</param>
/// <param name="Link">The way to it.</param>
/// <param name="IsShown">Whether it is what is shown.</param>
internal sealed record RangeText(string Label, string Link, bool IsShown);

/// <param name="Key">For machines.</param>
/// <param name="Title">What it shows.</param>
/// <param name="Label">What it says, in words.</param>
/// <param name="Box">The <c>viewBox</c> of its paths.</param>
/// <param name="Series">One or two.</param>
/// <param name="Values">Marks of the upright axis, in parts of its height from above.</param>
/// <param name="Times">Marks of the other axis, in parts of its width from the left.</param>
/// <param name="Readings">Each point in words, a line each.</param>
internal sealed record ChartText(
    string Key,
    string Title,
    string Label,
    string Box,
    IReadOnlyList<SeriesText> Series,
    IReadOnlyList<MarkText> Values,
    IReadOnlyList<MarkText> Times,
    string Readings);

/// <param name="Name">What it is; empty where it is the only one.</param>
/// <param name="Path">Of SVG.</param>
internal sealed record SeriesText(string Name, string Path);

/// <param name="At">A percentage.</param>
/// <param name="Text">What it stands for.</param>
internal sealed record MarkText(string At, string Text);

/// <param name="Address">Where they were read.</param>
/// <param name="Error">Why they could not be; null where they could.</param>
/// <param name="Databases">A row each.</param>
/// <param name="Operations">A row each.</param>
internal sealed record MetricsText(
    string Address, string? Error, IReadOnlyList<IReadOnlyList<string>> Databases, IReadOnlyList<IReadOnlyList<string>> Operations);

/// <param name="Id">Of the line, for HTML: the same as long as the line is shown.</param>
/// <param name="Level">In small letters.</param>
/// <param name="Text">The line.</param>
internal sealed record LogText(string Id, string Level, string Text);
