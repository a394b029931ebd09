using System.Globalization;
using System.Text;
using Datasette.Litestream.Observation;

namespace Datasette.Litestream.Reporting;

/// <summary>Converts reports to the texts that the pages show.</summary>
internal static class PageWriter
{
    /// <summary>Up to this number of databases the page has no search field.</summary>
    private const int FewDatabases = 10;

    /// <summary>The shortest history that is drawn over the whole width, in points of a chart and of a sparkline.</summary>
    private const int MinChartPoints = 12, MinSparklinePoints = 5;

    /// <summary>The number of points of a sparkline that shows the whole hour.</summary>
    private const int HistoryMinutes = 60;

    private static readonly int[] MinutesBetweenMarks = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360];

    private const string StateLabel = "State", DestinationsLabel = "Replicated to", LagLabel = "Lag", UploadedLabel = "Uploaded",
        LastSyncLabel = "Last sync", SizeLabel = "Size", CheckedLabel = "Backup checked", BackupLabel = "Size of the backup";

    /// <summary>The overview.</summary>
    public static OverviewText Write(StatusReport report)
    {
        var query = new StatusQuery(report.Search, report.Sort, report.Descending, report.Page, report.Size);
        var link = query.Link;
        var points = SparklinePoints(report.Databases);
        return new OverviewText(
            "status",
            link.Length > 1 ? link : "",
            Summary(report.Headline, report.State, report.Healthy),
            Wording.ConnectionLost(report.Now),
            Ago(report.UpdatedAt, report.Now),
            report.Counts.Total > FewDatabases || report.Search.Length > 0 ? WriteSearch(query) : null,
            [
                Column(query, "Database", "name"),
                Column(query, StateLabel, "state"),
                new ColumnText(DestinationsLabel),
                Column(query, LagLabel, "lag"),
                new ColumnText(UploadedLabel),
                Column(query, LastSyncLabel, "last_sync"),
                Column(query, SizeLabel, "size"),
            ],
            Drawing.Box(points, Drawing.SparklineHeight),
            $"The lines show the last {(points < HistoryMinutes ? $"{points} min" : HistoryRange.Hour.Name)}, one point per minute. Uploaded counts since Datasette started.",
            report.Counts.Total == 0 ? null : [.. report.Databases.Select(database => WriteRow(database, points, report.Now))],
            report.Pages > 1 ? WritePages(query, report) : null,
            WriteFacts(report),
            [.. report.Litestream.Restarts.Select(Wording.Line)],
            [.. report.Skipped.Select(database => new SkippedText($"{database.Name}: {database.Reason}", report.MayManage ? ManualButtons.Of(database) : null))],
            report.Warnings,
            report.Metrics is { } metrics ? Write(metrics) : null,
            WriteLog(report.Log),
            report.Configuration)
        {
            Buttons = ManualButtons.Of(report),
            Deeds = [.. report.Deeds.Select(deed => deed.Sentence)],
        };
    }

    /// <summary>The page of one database.</summary>
    public static DatabaseText Write(DatabaseDetailReport report)
    {
        var (database, now) = (report.Database, report.Now);
        var history = Trim(report.History);
        var query = new StatusQuery(Database: database.Name, History: history.Range, At: report.Chosen?.Written);
        return new DatabaseText(
            "database",
            query.Link,
            database.Name,
            Summary(report.Headline, database.State, report.Healthy),
            Wording.ConnectionLost(now),
            Ago(report.UpdatedAt, now),
            For(database.Since, now),
            WriteProblem(database),
            database.Warnings,
            new Facts(now)
                .Add("destinations", DestinationsLabel, string.Join('\n', database.Destinations), isCode: true)
                .Add("lag", LagLabel, Wording.Duration(database.LagSeconds))
                .Add("last_sync_at", LastSyncLabel, database.LastSyncAt)
                .Add("checked_at", CheckedLabel, database.Reason.CheckedAt)
                .Add("restorable", database.Replicas is [var only] ? only.Restorable : null)
                .Add("backup", BackupLabel, database.Replicas is [var one] ? Backup(one) : null)
                .Add("size", SizeLabel, Wording.Size(database.DatabaseBytes))
                .Add("wal", "WAL", Wording.Size(database.WalBytes))
                .Add("uploaded", UploadedLabel, Wording.Size(database.UploadedBytes))
                .Add("sync_errors", "Sync errors", Wording.Count(database.SyncErrors))
                .Add("path", "File", database.Path, isCode: true, note: database.IsInternal ? "Datasette's internal database" : null)
                .Add("paused_at", "Paused", database.Paused?.Since)
                .Add("paused_by", "Paused by", database.Paused?.Actor)
                .All,
            new ReasonText(
                database.Reason.Sentence,
                new Facts(now)
                    .Add("changed_at", "File changed", database.Reason.ChangedAt)
                    .Add("asked_at", "Sync requested", database.Reason.AskedAt)
                    .Add("taken_txid", "Synced up to transaction", Digits(database.Reason.TakenTxid))
                    .Add("replicated_txid", "Replicated up to transaction", Digits(database.Reason.ReplicatedTxid))
                    .Add("replicated_until", "Everything replicated that was written before", database.Reason.ReplicatedUntil)
                    .Add("activity", "Litestream's last activity", database.Reason.Activity)
                    .Add("activity_started_at", "Started", database.Reason.ActivityStartedAt)
                    .All),
            database.Replicas.Count < 2 ? [] : [.. database.Replicas.Select((replica, i) => Write(replica, i, now))],
            [.. new[] { HistoryRange.Hour, HistoryRange.Day }.Select(range =>
                new RangeText($"Last {range.Name}", (query with { History = range.Name }).Link, range == query.Range))],
            history == report.History ? null : $"The charts show the last {Period(history)}: nothing older is known yet.",
            WriteCharts(history),
            report.RestoreCommand,
            report.RestoreNote,
            WriteLog(report.Log))
        {
            Buttons = ManualButtons.Of(report),
            Deeds = [.. report.Deeds.Select(deed => deed.Sentence)],
            IsInternal = database.IsInternal,
            DatasetteCommand = report.DatasetteCommand,
            CommandNote = report.DatasetteCommand is null ? null : RestoreWording.CommandNote(report.CommandFolder, database.Name),
            RestoreNeeds = report.RestoreNeeds,
            Time = report.Chosen is { } chosen ? WriteTime(chosen, query, database, now) : null,
        };
    }

    private static TimeText WriteTime(ChosenStateReport chosen, StatusQuery query, DatabaseReport database, DateTimeOffset now)
    {
        var time = chosen.At ?? now;
        var others = query with { At = null };
        var isReadable = chosen.At is not null || chosen.Written is null;
        return new TimeText(
            time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss", CultureInfo.InvariantCulture),
            others.Parameters,
            chosen.OldestAt is { } oldest
                ? new SliderText(oldest.ToUnixTimeSeconds(), now.ToUnixTimeSeconds(), Math.Clamp(time.ToUnixTimeSeconds(), oldest.ToUnixTimeSeconds(), now.ToUnixTimeSeconds()), Ago(oldest, now))
                : null,
            chosen.At is { } at ? Ago(at, now) : null,
            chosen.Sentence,
            chosen.Written is null ? null : others.Link,
            !isReadable || database.IsInternal ? null
                : new DownloadText(
                    new StatusQuery(Database: database.Name, At: chosen.At is { } then ? RestoreCommand.Written(then) : null).Link,
                    chosen.At is null ? "Download the newest state" : "Download as it was"));
    }

    private static string? Backup(ReplicaReport replica) => replica.Bytes is null ? null
        : replica.Files is { } files ? $"{Wording.Size(replica.Bytes)} in {Wording.Count(files)} {(files == 1 ? "file" : "files")}"
        : Wording.Size(replica.Bytes);

    private static SearchText WriteSearch(StatusQuery query)
    {
        var all = query with { Search = null, Page = 1 };
        return new SearchText(query.Search ?? "", all.Parameters, string.IsNullOrEmpty(query.Search) ? null : all.Link);
    }

    private static ColumnText Column(StatusQuery query, string label, string order)
    {
        var isChosen = query.Order == order;
        return new ColumnText(
            label,
            (query with { Sort = order, Descending = isChosen && !query.Descending, Page = 1 }).Link,
            isChosen ? query.Descending ? "descending" : "ascending" : null);
    }

    private static PagesText WritePages(StatusQuery query, StatusReport report) => new(
        report.Page > 1 ? (query with { Page = report.Page - 1 }).Link : null,
        $"Page {Wording.Count(report.Page)} of {Wording.Count(report.Pages)} ({Wording.Count(report.Matching)} databases)",
        report.Page < report.Pages ? (query with { Page = report.Page + 1 }).Link : null);

    private static SummaryText Summary(Sentence sentence, string state, bool? isHealthy) => new(
        sentence.ToString(),
        [
            .. sentence.Parts.Select(part => new PartText(
                part.Text, part.Database is { } name ? new StatusQuery(Database: name).Link : null, part.At is { } at ? ForHtml(at) : null)),
        ],
        state,
        isHealthy switch { true => "true", false => "false", null => "" });

    /// <summary>What is wrong or not known; the error itself comes last.</summary>
    private static ProblemText? WriteProblem(DatabaseReport database) => database.State == Wording.Name(DatabaseState.Replicating) ? null : new ProblemText(
        database.Reason.Cause is { } cause ? $"{cause} {database.Reason.Sentence}" : database.Reason.Sentence,
        database.Reason.Remedy,
        database.Error,
        database.Reason.IsErrorFromLitestream ? "Litestream's words" : "Details");

    private static DestinationText Write(ReplicaReport replica, int index, DateTimeOffset now)
    {
        var key = string.Create(CultureInfo.InvariantCulture, $"destination-{index}");
        return new DestinationText(
            key,
            replica.Destination,
            replica.State,
            For(replica.Since, now),
            replica.State == Wording.Name(DatabaseState.Replicating) ? null : new ProblemText(replica.Sentence, replica.Remedy, replica.Error, "Details"),
            replica.Notice,
            new Facts(now)
                .Add($"{key}-writer", "Written by", replica.Writer == "plugin" ? "the plugin, from Litestream's files" : "Litestream")
                .Add($"{key}-lag", LagLabel, Wording.Duration(replica.LagSeconds))
                .Add($"{key}-until", "Everything there that was written before", replica.ReplicatedUntil)
                .Add($"{key}-checked-at", CheckedLabel, replica.CheckedAt)
                .Add($"{key}-restorable", replica.Restorable)
                .Add($"{key}-backup", BackupLabel, Backup(replica))
                .All,
            replica.RestoreCommand)
        {
            DatasetteCommand = replica.DatasetteCommand,
        };
    }

    /// <summary>As many points as there are minutes of which something is known, but enough for a line.</summary>
    private static int SparklinePoints(IReadOnlyList<DatabaseReport> databases)
    {
        var points = MinSparklinePoints;
        foreach (var database in databases)
        {
            if (database.Sparklines is { } sparklines)
            {
                points = Math.Max(points, sparklines.Bytes.Length - FirstKnown(sparklines.Bytes));
            }
        }

        return points;
    }

    /// <summary>The history without the time before the first sample.</summary>
    private static HistoryReport Trim(HistoryReport history)
    {
        var first = Math.Min(FirstKnown(history.UploadedBytes), Math.Max(0, history.UploadedBytes.Length - MinChartPoints));
        return first == 0 ? history : history with
        {
            LagSeconds = history.LagSeconds[first..],
            UploadedBytes = history.UploadedBytes[first..],
            Txid = history.Txid[first..],
            ReplicaTxid = history.ReplicaTxid[first..],
            WalBytes = history.WalBytes[first..],
            DatabaseBytes = history.DatabaseBytes[first..],
            SyncErrors = history.SyncErrors[first..],
        };
    }

    private static float?[] Last(float?[] values, int points) => values[Math.Max(0, values.Length - points)..];

    private static int FirstKnown(float?[] values)
    {
        var first = 0;
        while (first < values.Length && values[first] is null)
        {
            first++;
        }

        return first;
    }

    /// <summary>The time that a history covers: its range, or less if it was trimmed.</summary>
    private static string Period(HistoryReport history)
    {
        var range = history.Range == HistoryRange.Day.Name ? HistoryRange.Day : HistoryRange.Hour;
        return history.Txid.Length < range.Length ? Wording.Duration(range.Interval * history.Txid.Length) : range.Name;
    }

    private static RowText WriteRow(DatabaseReport database, int points, DateTimeOffset now)
    {
        var (lag, bytes) = database.Sparklines is { } sparklines ? (Last(sparklines.Lag, points), Last(sparklines.Bytes, points)) : ([], []);
        var period = points < HistoryMinutes ? $"{points} min" : HistoryRange.Hour.Name;
        return new RowText(
            $"database-{Uri.EscapeDataString(database.Name)}",
            database.Name,
            new StatusQuery(Database: database.Name).Link,
            database.State,
            For(database.Since, now),
            WriteProblem(database),
            database.Warnings,
            database.Reason.Sentence,
            string.Join('\n', database.Destinations),
            Wording.Duration(database.LagSeconds),
            new SparklineText(Drawing.Line(lag, Drawing.Highest(lag, Drawing.MinLagScale), Drawing.SparklineHeight), DescribeLag(lag, period)),
            Wording.Size(database.UploadedBytes),
            new SparklineText(
                Drawing.Bars(bytes, Drawing.Highest(bytes, Drawing.MinBytesScale), Drawing.SparklineHeight), DescribeUploads(bytes, period)),
            Ago(database.LastSyncAt, now),
            Wording.Size(database.DatabaseBytes));
    }

    private static List<FactText> WriteFacts(StatusReport report)
    {
        var (litestream, credentials) = (report.Litestream, report.Credentials);
        var cause = ErrorCauses.Find(litestream.LastFailure);
        return new Facts(report.Now)
            .Add("process_state", StateLabel, report.State)
            .Add("version", "Version", litestream.Version)
            .Add("binary", "Binary", litestream.Binary, isCode: true, note: litestream.Origin)
            .Add("process_id", "Process", litestream.ProcessId?.ToString(CultureInfo.InvariantCulture))
            .Add("started_at", "Started", litestream.StartedAt)
            .Add("failures", "Failures", litestream.Failures > 0 ? Wording.Count(litestream.Failures) : null)
            .Add("last_failure_at", "Last failed", litestream.LastFailureAt)
            .Add("last_failure", "Last failure", cause is null ? litestream.LastFailure : $"{cause.Sentence} {cause.Remedy}", note: cause is null ? null : litestream.LastFailure)
            .Add("next_start_at", "Next start", litestream.NextStartAt)
            .Add("credentials", "Credentials", credentials?.Source)
            .Add("credentials_read_at", "Credentials read", credentials?.ReadAt)
            .Add("credentials_changed_at", "Credentials changed", credentials?.ChangedAt)
            .Add("credentials_expire_at", "Credentials expire", credentials?.ExpiresAt)
            .Add("credentials_failing_since", "Refresh has failed since", credentials?.FailingSince)
            .Add("credentials_failure", "Refresh failed", credentials?.Failure)
            .All;
    }

    private static MetricsText Write(MetricsReport metrics) => new(
        metrics.Address,
        metrics.Error,
        [.. metrics.Databases.Keys.Order(StringComparer.Ordinal).Select(name => WriteMetrics(name, metrics.Databases[name]))],
        [.. metrics.Operations.Select(operation => (string[])[operation.ReplicaType, operation.Operation, Wording.Count(operation.Count), Wording.Size(operation.Bytes)])]);

    private static string[] WriteMetrics(string name, IReadOnlyDictionary<string, double> values)
    {
        return
        [
            name,
            Wording.Size(Value("db_size")),
            Wording.Size(Value("wal_size")),
            Wording.Size(Value("total_wal_bytes")),
            Wording.Count(Value("sync_count")),
            Wording.Count(Value("sync_error_count")),
            Wording.Duration(Value("sync_seconds")),
            Wording.Count(Value("checkpoint_count")),
        ];

        double? Value(string metric) => values.TryGetValue(metric, out var value) ? value : null;
    }

    /// <summary>The log, newest line first. The id of a line is its time, with a number for lines of the same time.</summary>
    private static LogText[] WriteLog(IReadOnlyList<LogReport> log)
    {
        var lines = new LogText[log.Count];
        var (last, shared) = (DateTimeOffset.MinValue, 0);
        for (var i = 0; i < lines.Length; i++)
        {
            var entry = log[i];
            shared = entry.Time == last ? shared + 1 : 0;
            last = entry.Time;
            lines[^(i + 1)] = new LogText(
                string.Create(CultureInfo.InvariantCulture, $"log-{entry.Time.UtcTicks:x}-{shared}"), entry.Level.ToLowerInvariant(), Wording.Line(entry));
        }

        return lines;
    }

    private static ChartText[] WriteCharts(HistoryReport history)
    {
        var (lag, uploaded, sizes, wals) = (history.LagSeconds, history.UploadedBytes, history.DatabaseBytes, history.WalBytes);
        var period = Period(history);
        return
        [
            WriteChart(
                "lag", LagLabel, DescribeLag(lag, period), history, [("", lag)], Drawing.Line,
                Drawing.Highest(lag, Drawing.MinLagScale), Drawing.StepOfSeconds, value => Wording.Duration(value)),
            WriteChart(
                "bytes", UploadedLabel, DescribeUploads(uploaded, period), history, [("", uploaded)], Drawing.Bars,
                Drawing.Highest(uploaded, Drawing.MinBytesScale), Drawing.StepOfBytes, Wording.Size),
            WriteChart(
                "sizes", "Size of database and WAL",
                $"Size in the last {period}: database at most {Wording.Size(Drawing.Highest(sizes))}, WAL at most {Wording.Size(Drawing.Highest(wals))}",
                history, [("Database", sizes), ("WAL", wals)], Drawing.Line,
                Drawing.Highest(sizes, Drawing.Highest(wals, Drawing.MinBytesScale)), Drawing.StepOfBytes, Wording.Size),
        ];
    }

    private static ChartText WriteChart(
        string key,
        string title,
        string label,
        HistoryReport history,
        (string Name, float?[] Values)[] series,
        Func<float?[], double, int, string> draw,
        double highest,
        Func<double, double> stepOf,
        Func<double?, string> inWords)
    {
        var points = history.Txid.Length;
        var step = stepOf(highest);
        var marks = (int)Math.Ceiling(highest / step);
        var top = marks * step;
        return new ChartText(
            key,
            title,
            label,
            Drawing.Box(points, Drawing.ChartHeight),
            [.. series.Select(one => new SeriesText(one.Name, draw(one.Values, top, Drawing.ChartHeight)))],
            [.. Enumerable.Range(0, marks + 1).Select(mark =>
                new MarkText(Drawing.Percent(1 - ((double)mark / marks)), mark == 0 ? "0" : inWords(mark * step).Replace(".0 ", " ", StringComparison.Ordinal)))],
            WriteTimes(history, points),
            WriteReadings(history, points, series, inWords));
    }

    /// <summary>At most five marks at round times.</summary>
    private static List<MarkText> WriteTimes(HistoryReport history, int points)
    {
        var length = TimeSpan.FromSeconds(history.IntervalSeconds * (points - 1));
        var step = TimeSpan.FromMinutes(Array.Find(MinutesBetweenMarks, minutes => minutes * 5 >= length.TotalMinutes));
        var start = history.End - length;
        var marks = new List<MarkText>();
        for (var mark = start + (step - TimeSpan.FromTicks(start.UtcTicks % step.Ticks)); mark <= history.End; mark += step)
        {
            marks.Add(new MarkText(Drawing.Percent((mark - start) / length), mark.UtcDateTime.ToString("HH:mm", CultureInfo.InvariantCulture)));
        }

        return marks;
    }

    private static string WriteReadings(
        HistoryReport history, int points, (string Name, float?[] Values)[] series, Func<double?, string> inWords)
    {
        var readings = new StringBuilder();
        for (var i = 0; i < points; i++)
        {
            var at = history.End - TimeSpan.FromSeconds(history.IntervalSeconds * (points - 1 - i));
            readings.Append(i == 0 ? "" : "\n").Append(CultureInfo.InvariantCulture, $"{at.UtcDateTime:HH:mm:ss} UTC: ");
            for (var j = 0; j < series.Length; j++)
            {
                readings.Append(j == 0 ? "" : ", ").Append(series[j].Name).Append(series[j].Name.Length > 0 ? " " : "").Append(inWords(series[j].Values[i]));
            }
        }

        return readings.ToString();
    }

    private static string DescribeLag(float?[] values, string range)
    {
        float? last = null;
        for (var i = 0; i < values.Length; i++)
        {
            last = values[i] ?? last;
        }

        return last is null
            ? $"Lag in the last {range}: not known"
            : $"Lag in the last {range}: at most {Wording.Duration(Drawing.Highest(values))}, last {Wording.Duration(last)}";
    }

    private static string DescribeUploads(float?[] values, string range)
    {
        double sum = 0;
        for (var i = 0; i < values.Length; i++)
        {
            sum += values[i] ?? 0;
        }

        return $"Uploaded in the last {range}: {Wording.Size(sum)}";
    }

    private static MomentText Ago(DateTimeOffset? at, DateTimeOffset now) => Moment(at, Wording.Ago(at, now));

    private static MomentText For(DateTimeOffset at, DateTimeOffset now) => Moment(at, Wording.For(at, now));

    private static MomentText Moment(DateTimeOffset? at, string words) => at is { } known
        ? new MomentText(ForHtml(known), Wording.Exact(known), words)
        : new MomentText(null, null, words);

    private static string ForHtml(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);

    private static string? Digits(ulong? number) => number?.ToString(CultureInfo.InvariantCulture);

    /// <summary>A list of facts without the unknown ones.</summary>
    private sealed class Facts(DateTimeOffset now)
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

        public Facts Add(string key, string label, DateTimeOffset? moment)
        {
            if (moment is { } at)
            {
                All.Add(new FactText(key, label, Wording.Exact(at), Ago(at, now)));
            }

            return this;
        }

        /// <summary>How far back and how finely one can go.</summary>
        public Facts Add(string key, RestorableReport? restorable) => restorable is null ? this
            : Add($"{key}-oldest", "Can be restored back to", restorable.OldestAt)
                .Add($"{key}-steps", "In steps", RestoreWording.Steps(restorable, now), note: $"files listed {Wording.Ago(restorable.ListedAt, now)}")
                .Add($"{key}-snapshot", "Newest snapshot", restorable.NewestSnapshotAt);
    }
}
