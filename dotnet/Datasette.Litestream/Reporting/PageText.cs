using System.Globalization;

namespace Datasette.Litestream.Reporting;

/// <summary>The overview as displayed: texts that a template inserts unchanged.</summary>
/// <param name="View"><c>status</c>.</param>
/// <param name="Query">The query string to append to the address of the JSON; empty if there is none.</param>
/// <param name="Summary">The first line.</param>
/// <param name="Lost">The text to show when Datasette no longer answers.</param>
/// <param name="Observed">When the databases were sampled.</param>
/// <param name="Search">The search field; null if there are too few databases to search.</param>
/// <param name="Columns">The table's headings.</param>
/// <param name="SparklineBox">The <c>viewBox</c> of the sparklines.</param>
/// <param name="Note">What the sparklines show.</param>
/// <param name="Databases">The table's rows; null if nothing is replicated, empty if nothing matches.</param>
/// <param name="Pages">The links to other pages; null if there are none.</param>
/// <param name="Facts">Facts about the Litestream process.</param>
/// <param name="Restarts">One line each, newest first.</param>
/// <param name="Skipped">One line each.</param>
/// <param name="Warnings">One line each.</param>
/// <param name="Metrics">Litestream's metrics; null if <c>metrics-addr</c> is not set.</param>
/// <param name="Log">Newest first.</param>
/// <param name="Configuration">The content of litestream.yml, with secrets masked.</param>
internal sealed record OverviewText(
    string View,
    string Query,
    SummaryText Summary,
    string Lost,
    MomentText Observed,
    SearchText? Search,
    IReadOnlyList<ColumnText> Columns,
    string SparklineBox,
    string Note,
    IReadOnlyList<RowText>? Databases,
    PagesText? Pages,
    IReadOnlyList<FactText> Facts,
    IReadOnlyList<string> Restarts,
    IReadOnlyList<SkippedText> Skipped,
    IReadOnlyList<string> Warnings,
    MetricsText? Metrics,
    IReadOnlyList<LogText> Log,
    string Configuration)
{
    /// <summary>What can be done with Litestream by hand; empty for those who may not.</summary>
    public IReadOnlyList<ButtonText> Buttons { get; init; } = [];

    /// <summary>What was done by hand, one line each, newest first.</summary>
    public IReadOnlyList<string> Deeds { get; init; } = [];

    /// <summary>The oldest of the last proofs; null if a destination was never proven.</summary>
    public MomentText? Proven { get; init; }
}

/// <summary>The page of one database as displayed.</summary>
/// <param name="View"><c>database</c>.</param>
/// <param name="Query">See <see cref="OverviewText.Query"/>.</param>
/// <param name="Name">Datasette's name.</param>
/// <param name="Summary">The first line.</param>
/// <param name="Lost">The text to show when Datasette no longer answers.</param>
/// <param name="Observed">When the database was sampled.</param>
/// <param name="Since">When it entered this state.</param>
/// <param name="Problem">What is not known to be well; null if all is well.</param>
/// <param name="Warnings">One line each.</param>
/// <param name="Facts">Facts about its state.</param>
/// <param name="Reason">Why it is in this state.</param>
/// <param name="Destinations">Each destination, if there are several; otherwise empty.</param>
/// <param name="Ranges">How far back the charts can go.</param>
/// <param name="HistoryNote">How far back they go so far; null if they go back as far as they can.</param>
/// <param name="Charts">Its history.</param>
/// <param name="RestoreCommand">The command that restores it.</param>
/// <param name="RestoreNote">What there is to say of a restore besides; null if nothing.</param>
/// <param name="Log">Newest first.</param>
internal sealed record DatabaseText(
    string View,
    string Query,
    string Name,
    SummaryText Summary,
    string Lost,
    MomentText Observed,
    MomentText Since,
    ProblemText? Problem,
    IReadOnlyList<string> Warnings,
    IReadOnlyList<FactText> Facts,
    ReasonText Reason,
    IReadOnlyList<DestinationText> Destinations,
    IReadOnlyList<RangeText> Ranges,
    string? HistoryNote,
    IReadOnlyList<ChartText> Charts,
    string RestoreCommand,
    string? RestoreNote,
    IReadOnlyList<LogText> Log)
{
    /// <inheritdoc cref="OverviewText.Buttons"/>
    public IReadOnlyList<ButtonText> Buttons { get; init; } = [];

    /// <inheritdoc cref="OverviewText.Deeds"/>
    public IReadOnlyList<string> Deeds { get; init; } = [];

    /// <summary>Whether it is Datasette's internal database, which has no page in Datasette.</summary>
    public bool IsInternal { get; init; }

    /// <summary>The plugin's own command that restores it; null if Datasette was not started by <c>datasette serve</c>.</summary>
    public string? DatasetteCommand { get; init; }

    /// <summary>Where and how that is run, in a sentence.</summary>
    public string? CommandNote { get; init; }

    /// <summary>What <see cref="RestoreCommand"/> needs in its environment, in a sentence; null if nothing.</summary>
    public string? RestoreNeeds { get; init; }

    /// <summary>The choice of the time that is restored; null if it cannot be chosen here.</summary>
    public TimeText? Time { get; init; }

    /// <summary>How far its only destination is proven; null if there are several, and if that is not known yet.</summary>
    public DrillText? Drill { get; init; }

    /// <summary>The query string of the page of its drills.</summary>
    public string DrillsQuery { get; init; } = "";
}

/// <summary>The choice of the time to which a database is restored.</summary>
/// <param name="Value">The time that is chosen, or now: in UTC, in the format of HTML's field for a time.</param>
/// <param name="Kept">The other parameters of the query, by name.</param>
/// <param name="Slider">What can be restored, as a slider; null if that is not known.</param>
/// <param name="Chosen">The time that is chosen; null if none is.</param>
/// <param name="Sentence">Which state that gives.</param>
/// <param name="Newest">The link back to the newest state; null if no time is chosen.</param>
/// <param name="Download">What downloads that state; null if the time cannot be read, and for Datasette's internal database.</param>
internal sealed record TimeText(
    string Value, IReadOnlyDictionary<string, string> Kept, SliderText? Slider, MomentText? Chosen, string Sentence, string? Newest, DownloadText? Download);

/// <summary>A slider over times, in seconds since 1970.</summary>
/// <param name="Min">The oldest state.</param>
/// <param name="Max">Now.</param>
/// <param name="Value">The time that is chosen, or now.</param>
/// <param name="Oldest">The oldest state, for people.</param>
internal sealed record SliderText(long Min, long Max, long Value, MomentText Oldest);

/// <summary>A download of a state.</summary>
/// <param name="Link">The query string of its address, with its question mark.</param>
/// <param name="Label">What it does, in a few words.</param>
internal sealed record DownloadText(string Link, string Label);

/// <summary>Something that can be done by hand.</summary>
/// <param name="Action">The last part of the address that does it.</param>
/// <param name="Label">What it does, in a few words.</param>
/// <param name="Database">The database with which it is done; null if it is Litestream.</param>
/// <param name="Field">What has to be named for it, in a word; null if nothing has.</param>
internal sealed record ButtonText(string Action, string Label, string? Database, string? Field = null);

/// <summary>A database that is not replicated.</summary>
/// <param name="Text">Its name, and why.</param>
/// <param name="Button">What has it replicated by hand; null if that cannot be, and for those who may not.</param>
internal sealed record SkippedText(string Text, ButtonText? Button);

/// <summary>One of several destinations.</summary>
/// <param name="Id">Its HTML id.</param>
/// <param name="Destination">The destination.</param>
/// <param name="State">The state, in one word.</param>
/// <param name="Since">When it entered this state.</param>
/// <param name="Problem">What is not known to be well; null if all is well.</param>
/// <param name="Notice">What was found there and mended; null if nothing was.</param>
/// <param name="Facts">Facts about its state.</param>
/// <param name="RestoreCommand">The command that restores the database from it.</param>
internal sealed record DestinationText(
    string Id,
    string Destination,
    string State,
    MomentText Since,
    ProblemText? Problem,
    string? Notice,
    IReadOnlyList<FactText> Facts,
    string RestoreCommand)
{
    /// <inheritdoc cref="DatabaseText.DatasetteCommand"/>
    public string? DatasetteCommand { get; init; }

    /// <summary>How far it is proven; null if that is not known yet.</summary>
    public DrillText? Drill { get; init; }
}

/// <summary>How far a destination is proven.</summary>
/// <param name="Problem">The drill that failed and its time; null if none did, or the backup was made anew since.</param>
/// <param name="Warning">Why it is not proven, where that is no fault of the backup as it is now; null if it is proven.</param>
/// <param name="Facts">What the drills have shown.</param>
internal sealed record DrillText(string? Problem, string? Warning, IReadOnlyList<FactText> Facts);

/// <param name="Sentence">Why a database is in its state.</param>
/// <param name="Facts">The figures from which the state was derived.</param>
internal sealed record ReasonText(string Sentence, IReadOnlyList<FactText> Facts);

/// <param name="Text">One sentence.</param>
/// <param name="Parts">The same, in parts.</param>
/// <param name="State">The state, in one word.</param>
/// <param name="Healthy"><c>true</c>, <c>false</c>, or empty if that is not known.</param>
internal sealed record SummaryText(string Text, IReadOnlyList<PartText> Parts, string State, string Healthy);

/// <param name="Text">A part of a sentence.</param>
/// <param name="Link">The link of a name; null for everything else.</param>
/// <param name="At">The time that it tells, in the format of HTML; null for everything else.</param>
internal sealed record PartText(string Text, string? Link, string? At);

/// <summary>What is wrong with a database, or not known about it.</summary>
/// <param name="Text">The cause, and what follows from it, in sentences.</param>
/// <param name="Remedy">What to do, in sentences; null if there is nothing to do.</param>
/// <param name="Words">The error, in the words of who found it; null if there is none.</param>
/// <param name="WordsLabel">Whose words these are.</param>
internal sealed record ProblemText(string Text, string? Remedy, string? Words, string WordsLabel);

/// <param name="At">The time in the format of HTML; null if unknown.</param>
/// <param name="Exact">The exact time for people; null if unknown.</param>
/// <param name="Words">The time relative to the report, such as <c>3 s ago</c>.</param>
internal sealed record MomentText(string? At, string? Exact, string Words)
{
    /// <summary>How long ago a time was.</summary>
    public static MomentText Ago(DateTimeOffset? at, DateTimeOffset now) => Of(at, Wording.Ago(at, now));

    /// <summary>How long something has lasted since a time.</summary>
    public static MomentText For(DateTimeOffset at, DateTimeOffset now) => Of(at, Wording.For(at, now));

    /// <summary>A time in the format of HTML.</summary>
    public static string ForHtml(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);

    private static MomentText Of(DateTimeOffset? at, string words) => at is { } known
        ? new MomentText(ForHtml(known), Wording.Exact(known), words)
        : new MomentText(null, null, words);
}

/// <param name="Value">The search text.</param>
/// <param name="Kept">The other parameters of the query, by name.</param>
/// <param name="All">The link back to all databases; null if all are shown.</param>
internal sealed record SearchText(string Value, IReadOnlyDictionary<string, string> Kept, string? All);

/// <param name="Label">The heading.</param>
/// <param name="Link">The link that sorts by this column; null if there is none.</param>
/// <param name="Order"><c>ascending</c> or <c>descending</c> if the rows are sorted by this column.</param>
internal sealed record ColumnText(string Label, string? Link = null, string? Order = null);

/// <summary>A database's row; see <see cref="DatabaseReport"/>.</summary>
/// <param name="Id">The row's HTML id.</param>
/// <param name="Name">Datasette's name.</param>
/// <param name="Link">The link to its own page.</param>
/// <param name="State">The state, in one word.</param>
/// <param name="Since">When it entered this state.</param>
/// <param name="Problem">What is not known to be well; null if all is well.</param>
/// <param name="Warnings">One line each.</param>
/// <param name="Reason">Why it is in its state.</param>
/// <param name="Destinations">One line each.</param>
/// <param name="Lag">The lag.</param>
/// <param name="LagLine">The lag over the last hour.</param>
/// <param name="Uploaded">The bytes uploaded to the replica.</param>
/// <param name="UploadedBars">The uploads over the last hour.</param>
/// <param name="LastSync">When the replica was last known to have every change.</param>
/// <param name="Size">The size of the database file.</param>
internal sealed record RowText(
    string Id,
    string Name,
    string Link,
    string State,
    MomentText Since,
    ProblemText? Problem,
    IReadOnlyList<string> Warnings,
    string Reason,
    string Destinations,
    string Lag,
    SparklineText LagLine,
    string Uploaded,
    SparklineText UploadedBars,
    MomentText LastSync,
    string Size);

/// <param name="Path">The SVG path.</param>
/// <param name="Label">A description for screen readers.</param>
internal sealed record SparklineText(string Path, string Label);

/// <param name="Previous">The link to the previous page; null on the first.</param>
/// <param name="Words">The number of this page, in words.</param>
/// <param name="Next">The link to the next page; null on the last.</param>
internal sealed record PagesText(string? Previous, string Words, string? Next);

/// <param name="Key">The identifier for machines.</param>
/// <param name="Label">The label for people.</param>
/// <param name="Text">The value.</param>
/// <param name="Moment">The time, if the value is a time.</param>
/// <param name="IsCode">Whether the text is code, such as a path.</param>
/// <param name="Note">What else there is to say; null if nothing.</param>
internal sealed record FactText(string Key, string Label, string Text, MomentText? Moment = null, bool IsCode = false, string? Note = null);

/// <param name="Label">The range, in words.</param>
/// <param name="Link">The link to the range.</param>
/// <param name="IsShown">Whether it is the range shown.</param>
internal sealed record RangeText(string Label, string Link, bool IsShown);

/// <param name="Key">The identifier for machines.</param>
/// <param name="Title">What it shows.</param>
/// <param name="Label">A summary for screen readers.</param>
/// <param name="Box">The <c>viewBox</c> of its paths.</param>
/// <param name="Series">One or two.</param>
/// <param name="Values">The marks of the vertical axis, as percentages of its height from the top.</param>
/// <param name="Times">The marks of the horizontal axis, as percentages of its width from the left.</param>
/// <param name="Readings">Each point in words, one line each.</param>
internal sealed record ChartText(
    string Key,
    string Title,
    string Label,
    string Box,
    IReadOnlyList<SeriesText> Series,
    IReadOnlyList<MarkText> Values,
    IReadOnlyList<MarkText> Times,
    string Readings);

/// <param name="Name">The name of the series; empty if it is the only one.</param>
/// <param name="Path">The SVG path.</param>
internal sealed record SeriesText(string Name, string Path);

/// <param name="At">A percentage.</param>
/// <param name="Text">The label of the mark.</param>
internal sealed record MarkText(string At, string Text);

/// <param name="Address">The address from which they were read.</param>
/// <param name="Error">Why they could not be read; null if they were read.</param>
/// <param name="Databases">One row each.</param>
/// <param name="Operations">One row each.</param>
internal sealed record MetricsText(
    string Address, string? Error, IReadOnlyList<IReadOnlyList<string>> Databases, IReadOnlyList<IReadOnlyList<string>> Operations);

/// <param name="Id">The line's HTML id, which stays the same while the line is shown.</param>
/// <param name="Level">The log level, in lower case.</param>
/// <param name="Text">The line.</param>
internal sealed record LogText(string Id, string Level, string Text);
