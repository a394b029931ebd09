using System.Globalization;
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
            MomentText.Ago(report.UpdatedAt, report.Now),
            WriteSearch(query, report.Counts.Total),
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
            WritePages(query, report.Page, report.Pages, report.Matching),
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
            Proven = report.ProvenAt is { } proven ? MomentText.Ago(proven, report.Now) : null,
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
            MomentText.Ago(report.UpdatedAt, now),
            MomentText.For(database.Since, now),
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
            Drill = database.Replicas is [{ Drill: { } drill }] ? Write(drill, "drill", now) : null,
            DrillsQuery = new StatusQuery(Database: database.Name).Link,
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
                ? new SliderText(oldest.ToUnixTimeSeconds(), now.ToUnixTimeSeconds(), Math.Clamp(time.ToUnixTimeSeconds(), oldest.ToUnixTimeSeconds(), now.ToUnixTimeSeconds()), MomentText.Ago(oldest, now))
                : null,
            chosen.At is { } at ? MomentText.Ago(at, now) : null,
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

    /// <summary>The search field of a page of databases; null if there are too few of them.</summary>
    public static SearchText? WriteSearch(StatusQuery query, int total) => total > FewDatabases || !string.IsNullOrEmpty(query.Search) ? WriteSearch(query) : null;

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

    /// <summary>The links to the pages before and after one; null if there is only one.</summary>
    public static PagesText? WritePages(StatusQuery query, int page, int pages, int matching) => pages <= 1 ? null : new PagesText(
        page > 1 ? (query with { Page = page - 1 }).Link : null,
        $"Page {Wording.Count(page)} of {Wording.Count(pages)} ({Wording.Count(matching)} databases)",
        page < pages ? (query with { Page = page + 1 }).Link : null);

    private static SummaryText Summary(Sentence sentence, string state, bool? isHealthy) => new(
        sentence.ToString(),
        [
            .. sentence.Parts.Select(part => new PartText(
                part.Text, part.Database is { } name ? new StatusQuery(Database: name).Link : null, part.At is { } at ? MomentText.ForHtml(at) : null)),
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
            MomentText.For(replica.Since, now),
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
            Drill = replica.Drill is { } drill ? Write(drill, $"{key}-drill", now) : null,
        };
    }

    private static DrillText Write(DrillReport drill, string key, DateTimeOffset now)
    {
        var isFailed = drill.FailedAt is not null;
        return new DrillText(
            isFailed && drill.RenewedAt is null ? ProofWording.Failure(drill) : null,
            isFailed && drill.RenewedAt is not null ? ProofWording.Renewed(drill) : drill.IsNotHeld ? ProofWording.NotHeld(drill) : null,
            new Facts(now)
                .Add($"{key}-proven-at", "Proven", drill.ProvenAt, note: drill.Strong is { } strong ? ProofWording.How(strong) : null)
                .Add($"{key}-running-since", "Drill began", drill.RunningSince, note: drill.Progress)
                .Add($"{key}-restore", "Restored in", drill.RestoreSeconds is { } seconds ? $"{Wording.Duration(seconds)}{(drill.Bytes is { } bytes ? $" ({Wording.Size(bytes)})" : "")}" : null)
                .Add($"{key}-age", "Data was", drill.DataAgeSeconds is { } age ? $"{Wording.Duration(age)} old" : null)
                .Add($"{key}-foreign-keys", "Foreign keys", drill.ForeignKeyViolations is > 0 and { } rows ? ProofWording.ForeignKeys(rows) : null)
                .Add($"{key}-due-at", "Next drill", drill.DueAt)
                .Add($"{key}-off", "Next drill", drill.IntervalSeconds is null ? "none by itself: verify-interval is off" : null)
                .All);
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
            MomentText.For(database.Since, now),
            WriteProblem(database),
            database.Warnings,
            database.Reason.Sentence,
            string.Join('\n', database.Destinations),
            Wording.Duration(database.LagSeconds),
            new SparklineText(Drawing.Line(lag, Drawing.Highest(lag, Drawing.MinLagScale), Drawing.SparklineHeight), DescribeLag(lag, period)),
            Wording.Size(database.UploadedBytes),
            new SparklineText(
                Drawing.Bars(bytes, Drawing.Highest(bytes, Drawing.MinBytesScale), Drawing.SparklineHeight), DescribeUploads(bytes, period)),
            MomentText.Ago(database.LastSyncAt, now),
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
        var axis = new ChartAxis(history.Txid.Length, TimeSpan.FromSeconds(history.IntervalSeconds), history.End);
        return
        [
            ChartWriter.Write(
                "lag", LagLabel, DescribeLag(lag, period), axis, [("", lag)], Drawing.Line,
                Drawing.Highest(lag, Drawing.MinLagScale), Drawing.StepOfSeconds, value => Wording.Duration(value)),
            ChartWriter.Write(
                "bytes", UploadedLabel, DescribeUploads(uploaded, period), axis, [("", uploaded)], Drawing.Bars,
                Drawing.Highest(uploaded, Drawing.MinBytesScale), Drawing.StepOfBytes, Wording.Size),
            ChartWriter.Write(
                "sizes", "Size of database and WAL",
                $"Size in the last {period}: database at most {Wording.Size(Drawing.Highest(sizes))}, WAL at most {Wording.Size(Drawing.Highest(wals))}",
                axis, [("Database", sizes), ("WAL", wals)], Drawing.Line,
                Drawing.Highest(sizes, Drawing.Highest(wals, Drawing.MinBytesScale)), Drawing.StepOfBytes, Wording.Size),
        ];
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

    private static string? Digits(ulong? number) => number?.ToString(CultureInfo.InvariantCulture);
}
