using System.Globalization;
using System.Text.Json;
using Datasette.Litestream.Credentials;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Observation;

namespace Datasette.Litestream.Reporting;

/// <summary>Puts figures into words, and the state of replication into sentences. No other code does.</summary>
internal static class Wording
{
    public const string Unknown = "–";

    private const int MaxNames = 3;

    private static readonly string[] SizeUnits = ["B", "KiB", "MiB", "GiB", "TiB"];

    /// <summary>Whether a state is good; null if that is not known.</summary>
    public static bool? IsHealthy(DatabaseState state) => state switch
    {
        DatabaseState.Replicating => true,
        DatabaseState.Unverified or DatabaseState.Starting or DatabaseState.Unknown => null,
        _ => false,
    };

    /// <summary>
    /// Whether everything written is safe. Of Litestream 0.3 no more can be known than that it has logged no error.
    /// </summary>
    public static bool IsSafe(DatabaseObservation database) =>
        database.State == DatabaseState.Replicating || database.Reason == StateReason.NotKnownToBeBehind;

    /// <summary>Whether there are databases, and everything written to them is safe.</summary>
    public static bool IsSafe(ObservedDatabases observed) => observed.Databases.Count > 0 && observed.Databases.All(IsSafe);

    /// <summary>The first line of the page.</summary>
    public static Sentence Summarize(DaemonStatus? daemon, CredentialStatus? credentials, ObservedDatabases observation, DateTimeOffset now) =>
        credentials?.FailingSince is { } since
            ? $"{Summarize(daemon, observation, now)} The credentials could not be read again since {At(since, now)}, and the last good ones stay in use{Expiry(credentials, now)}."
            : Summarize(daemon, observation, now);

    /// <summary>The databases and Litestream in a sentence.</summary>
    public static Sentence Summarize(DaemonStatus? daemon, ObservedDatabases observation, DateTimeOffset now) => daemon switch
    {
        null => $"No database is replicated.",
        { State: DaemonState.Waiting, DownSince: { } down, NextStartAt: { } next } =>
            $"Litestream has been down since {At(down, now)}, and nothing is replicated; {Risk(observation.Databases, now)}. "
            + $"It is started again in {Duration(next > now ? next - now : TimeSpan.Zero)}.",
        { State: not (DaemonState.Running or DaemonState.Idle) } => $"Litestream is {daemon.State.ToString().ToLowerInvariant()}.",
        _ => Summarize(observation, now),
    };

    /// <summary>The databases in a sentence, whatever Litestream does.</summary>
    public static Sentence Summarize(ObservedDatabases observation, DateTimeOffset now)
    {
        var databases = observation.Databases;
        var wrong = databases.Where(database => IsHealthy(database.State) == false).ToList();
        var unknown = databases.Where(database => database.State == DatabaseState.Unknown).ToList();
        var copied = FirstCopies(databases);
        var starting = databases.Where(database => database.Reason is StateReason.Starting or StateReason.Filling or StateReason.Admitting).ToList();
        return observation.IsOutdated(now) || databases.Count == 0 ? Sentence.Of($"{Outdated(observation, now).Capitalized()}.")
            : wrong.Count > 0 ? Sentence.Of(
                $"{Subject(wrong, databases.Count, "has", "have")} been {States(wrong)} since {At(wrong.Min(database => database.Since), now)}"
                + $"{CommonCause(wrong)}{Listed(wrong, databases.Count)}. {Risk(wrong, now).Capitalized()}.")
            : unknown.Count > 0 ? Sentence.Of(
                $"Whether {Subject(unknown, databases.Count, "is", "are", isFirst: false)} safe has not been known since "
                + $"{At(unknown.Min(database => database.Since), now)}{CommonCause(unknown)}{Listed(unknown, databases.Count)}.")
            : copied.Count > 0 ? Sentence.Of($"{Subject(copied, databases.Count, "is", "are")} {FirstCopy(copied, now)}{Listed(copied, databases.Count)}.")
            : starting.Count > 0 ? Sentence.Of(
                $"Whether {Subject(starting, databases.Count, "is", "are", isFirst: false)} safe is not known yet{CommonCause(starting)}{Listed(starting, databases.Count)}.")
            : databases.Count > 1 && databases.All(IsNotKnownToBeBehind) ? Sentence.Of(
                $"None of the {databases.Count} databases is known to be behind; {ReasonWording.Clause(StateReason.NotKnownToBeBehind)}{ProofWording.Proof(databases, now)}.")
            : Sentence.Of($"{All(databases)} {Promise(databases, now)}.");
    }

    /// <summary>One database in a line, which starts with its state.</summary>
    public static string Describe(DatabaseObservation database, DateTimeOffset now) => Tell(database, now).ToString();

    /// <summary>What to do about a state, in sentences; null if there is nothing to do.</summary>
    /// <param name="reason">Why it is so.</param>
    /// <param name="error">The error behind it; null if there is none.</param>
    public static string? Remedy(StateReason reason, string? error) => (ErrorCauses.Find(error)?.Remedy, ReasonWording.Remedy(reason)) switch
    {
        ({ } ofCause, { } ofReason) when reason == StateReason.WriterUnknown => $"{ofCause} {ofReason}",
        var (ofCause, ofReason) => ofCause ?? ofReason,
    };

    /// <summary>Whether the error of a database in a state is Litestream's; otherwise the plugin, SQLite or the system found it.</summary>
    public static bool IsFromLitestream(StateReason reason) => reason is StateReason.WaitingTooLong or StateReason.SyncFailed or StateReason.UploadFailed
        or StateReason.ErrorLogged or StateReason.CompactionFailed or StateReason.DestinationRefused or StateReason.NoAnswer;

    /// <summary>The first line of a database's own page.</summary>
    public static Sentence SummarizeDatabase(DatabaseObservation database, ObservedDatabases observation, DateTimeOffset now) =>
        $"{(observation.IsOutdated(now) ? Outdated(observation, now) : Tell(database, now)).Capitalized()}.";

    /// <summary>
    /// What health checks are told about databases none of which has been at risk for too long; it names none of them.
    /// </summary>
    public static string DescribeHealth(IReadOnlyList<DatabaseObservation> databases, DateTimeOffset now)
    {
        var wrong = databases.Where(database => IsHealthy(database.State) == false).ToList();
        var copied = FirstCopies(databases);

        // Nothing is ok of which nothing is safe.
        var starting = databases.Where(database => database.Evidence.ReplicatedUntil is null && database.Reason != StateReason.NotKnownToBeBehind).ToList();
        Sentence line = copied.Count > 0 ? Sentence.Of($"starting: {Share(copied, databases.Count)} {FirstCopy(copied, now)}")
            : starting.Count > 0 ? Sentence.Of($"starting: {Share(starting, databases.Count)} not known to be safe yet{CommonCause(starting)}")
            : Sentence.Of($"ok: {Databases(databases.Count)}; {(wrong.Count > 0 ? Risk(wrong, now) : Safety(databases, now))}");
        return line.ToString();
    }

    /// <summary>What health checks are told about databases that are not safe; it names none of them.</summary>
    public static string DescribeHealth(IReadOnlyList<DatabaseObservation> wrong, int total, DateTimeOffset now)
    {
        Sentence line = $"bad: {Share(wrong, total)} not safe{CommonCause(wrong)}; {Risk(wrong, now)}";
        return line.ToString();
    }

    /// <summary>That the databases were not looked at for too long.</summary>
    public static Sentence Outdated(ObservedDatabases observation, DateTimeOffset now) =>
        $"the databases have not been looked at since {At(observation.At, now)}, so whether they are safe is not known";

    /// <summary>A state as reports and metrics name it.</summary>
    public static string Name(DatabaseState state) => state.ToString().ToLowerInvariant();

    /// <summary>A reason as reports name it, such as <c>all_replicated</c>.</summary>
    public static string Name(StateReason reason) => JsonNamingPolicy.SnakeCaseLower.ConvertName(reason.ToString());

    /// <summary>A reason as reports and metrics name it.</summary>
    public static string Name(RestartReason reason) => reason switch
    {
        RestartReason.FailedStart => "failed start",
        _ => reason.ToString().ToLowerInvariant(),
    };

    /// <summary>Such as <c>0.8 s</c>, <c>12 min</c>, <c>3 h 20 min</c>.</summary>
    public static string Duration(TimeSpan time) => time switch
    {
        { TotalSeconds: >= 0.05 and < 9.95 } => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.0} s"),
        { TotalDays: >= 1 } => string.Create(CultureInfo.InvariantCulture, $"{time.Days} d {time.Hours} h"),
        { TotalHours: >= 1 } => string.Create(CultureInfo.InvariantCulture, $"{time.Hours} h {time.Minutes} min"),
        { TotalMinutes: >= 1 } => string.Create(CultureInfo.InvariantCulture, $"{time.Minutes} min"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{time.Seconds} s"),
    };

    public static string Duration(double? seconds) => seconds is { } known ? Duration(TimeSpan.FromSeconds(known)) : Unknown;

    /// <summary>Such as <c>4.0 KiB</c>.</summary>
    public static string Size(double? bytes)
    {
        if (bytes is not { } size)
        {
            return Unknown;
        }

        var unit = 0;
        for (; size >= 1024 && unit < SizeUnits.Length - 1; unit++)
        {
            size /= 1024;
        }

        return size.ToString(unit == 0 ? "0" : "0.0", CultureInfo.InvariantCulture) + " " + SizeUnits[unit];
    }

    /// <summary>Such as <c>12,000</c>.</summary>
    public static string Count(double? number) => number?.ToString("#,0", CultureInfo.InvariantCulture) ?? Unknown;

    /// <summary>Such as <c>3 s ago</c>.</summary>
    public static string Ago(DateTimeOffset? moment, DateTimeOffset now) => RelativeTime(moment, now, "", " ago");

    /// <summary>Such as <c>for 3 s</c>.</summary>
    public static string For(DateTimeOffset? moment, DateTimeOffset now) => RelativeTime(moment, now, "for ", "");

    /// <summary>Such as <c>2026-05-01 12:00:00 UTC</c>.</summary>
    public static string Exact(DateTimeOffset moment) => $"{DateAndTime(moment)} UTC";

    /// <summary>Such as <c>12:00:00 UTC</c>, and with its date if that is not today's.</summary>
    public static string Clock(DateTimeOffset time, DateTimeOffset now) =>
        time.UtcDateTime.Date == now.UtcDateTime.Date ? string.Create(CultureInfo.InvariantCulture, $"{time.UtcDateTime:HH:mm:ss} UTC") : Exact(time);

    /// <summary>A line of Litestream's log.</summary>
    public static string Line(LogReport entry) => $"{DateAndTime(entry.Time)} {entry.Level} {entry.Message} {entry.Details}".TrimEnd();

    /// <summary>A restart in a line.</summary>
    public static string Line(RestartReport restart) =>
        $"{Exact(restart.At)}: {restart.Reason}{(restart.Message.Length > 0 ? $" – {restart.Message}" : "")}";

    /// <summary>
    /// What a page says when Datasette no longer answers: it still shows the state at the time when it was made.
    /// </summary>
    public static string ConnectionLost(DateTimeOffset now) => $"No answer from Datasette since {Exact(now)}. This page shows the state at that time.";

    /// <summary>The message for a name that is not replicated.</summary>
    public static string NotReplicated(string name) => $"{name} is not replicated";

    /// <summary>When credentials expire, after "stay in use".</summary>
    private static Sentence Expiry(CredentialStatus credentials, DateTimeOffset now) =>
        credentials.ExpiresAt is not { } expiresAt ? new Sentence()
            : expiresAt > now ? Sentence.Of($"; they expire at {At(expiresAt, now)}")
            : Sentence.Of($", although they expired at {At(expiresAt, now)}");

    private static Sentence Tell(DatabaseObservation database, DateTimeOffset now)
    {
        DatabaseObservation[] one = [database];
        return database.State switch
        {
            DatabaseState.Replicating or DatabaseState.Unverified => Promise(one, now),
            DatabaseState.Starting when database.Reason is StateReason.Starting or StateReason.Filling or StateReason.Admitting => $"not known yet{CommonCause(one)}",
            DatabaseState.Starting => FirstCopy(one, now),
            DatabaseState.Unknown => $"not known since {At(database.Since, now)}{CommonCause(one)}",
            _ => $"{Name(database.State)} since {At(database.Since, now)}{CommonCause(one)}; {Risk(one, now)}",
        };
    }

    /// <summary>The databases that a sentence is about: the only one by its name, several by their number.</summary>
    private static Sentence Subject(List<DatabaseObservation> some, int total, string singular, string plural, bool isFirst = true) => total == 1
        ? Sentence.Of($"{(isFirst ? "The" : "the")} database {some[0].Plan} {singular}")
        : Sentence.Of($"{some.Count} of {total} databases {(some.Count == 1 ? singular : plural)}");

    /// <summary>The names of several databases at the end of a sentence.</summary>
    private static Sentence Listed(List<DatabaseObservation> some, int total)
    {
        if (total == 1)
        {
            return new Sentence();
        }

        var names = Sentence.Join(", ", some.Take(MaxNames).Select(database => Sentence.Of($"{database.Plan}")));
        return some.Count > MaxNames ? Sentence.Of($": {names} and {some.Count - MaxNames} more") : Sentence.Of($": {names}");
    }

    private static string States(List<DatabaseObservation> some) => string.Join(" or ", some.Select(database => Name(database.State)).Distinct());

    /// <summary>The cause, if it is the same for all.</summary>
    private static string CommonCause(IReadOnlyList<DatabaseObservation> some)
    {
        var causes = some.Select(Cause).Distinct().Take(2).ToList();
        return causes.Count == 1 ? $", because {causes[0]}" : "";
    }

    private static string Cause(DatabaseObservation database) =>
        database is { Reason: StateReason.WaitingForWriter or StateReason.TakenOver, Error: { } other } ? other
        : database is { Reason: StateReason.FirstCopy, Evidence.IsMoving: false } ? "the first copy has stalled"
        : (IsToldByError(database.Reason) ? ErrorCauses.Find(database.Error)?.Clause : null) ?? ReasonWording.Clause(database.Reason);

    /// <summary>Whether the error tells the cause; otherwise it is a consequence.</summary>
    private static bool IsToldByError(StateReason reason) => IsFromLitestream(reason) || reason is StateReason.FileUnreadable or StateReason.WriterUnknown or StateReason.NotDetached;

    private static bool IsNotKnownToBeBehind(DatabaseObservation database) => database.Reason == StateReason.NotKnownToBeBehind;

    private static string All(IReadOnlyList<DatabaseObservation> databases) => databases.Count == 1 ? "The database is" : $"All {Count(databases.Count)} databases are";

    private static string Share(IReadOnlyList<DatabaseObservation> some, int total) =>
        $"{Count(some.Count)} of {Count(total)} databases {(some.Count == 1 ? "is" : "are")}";

    /// <summary>Such as <c>12 databases</c>.</summary>
    public static string Databases(int count) => count == 1 ? "1 database" : $"{Count(count)} databases";

    /// <summary>The databases that are being copied for the first time; if there are none, those that are copied to a mirror.</summary>
    private static List<DatabaseObservation> FirstCopies(IReadOnlyList<DatabaseObservation> databases)
    {
        var copied = databases.Where(database => database.Reason == StateReason.FirstCopy).ToList();
        return copied.Count > 0 ? copied : [.. databases.Where(database => database.Reason == StateReason.MirrorFirstCopy)];
    }

    private static Sentence FirstCopy(IReadOnlyList<DatabaseObservation> some, DateTimeOffset now)
    {
        var since = some.Min(database => database.Since);
        var bytes = some.Sum(database => database.Evidence.CopiedBytes ?? 0);
        return $"being copied {(some[0].Reason == StateReason.MirrorFirstCopy ? "to another destination " : "")}for the first time, since {Duration(now > since ? now - since : TimeSpan.Zero)}{(bytes > 0 ? $" ({Size(bytes)} so far)" : "")}"
            + $"; {Risk(some, now)}";
    }

    /// <summary>What holds for databases that are replicated, after "is" or "are".</summary>
    private static Sentence Promise(IReadOnlyList<DatabaseObservation> databases, DateTimeOffset now)
    {
        var safety = Safety(databases, now);
        return databases.All(IsNotKnownToBeBehind) ? safety : $"replicated; {safety}";
    }

    /// <summary>What is safe, and how far the backups are known to be restorable.</summary>
    private static Sentence Safety(IReadOnlyList<DatabaseObservation> databases, DateTimeOffset now)
    {
        if (databases.Any(IsNotKnownToBeBehind))
        {
            return $"not known to be behind; {ReasonWording.Clause(StateReason.NotKnownToBeBehind)}{ProofWording.Proof(databases, now)}";
        }

        var notChecked = databases.Count(database => database.Reason == StateReason.NotCheckedYet);
        if (notChecked > 0)
        {
            var safety = databases.All(database => database.Lag == TimeSpan.Zero) ? Sentence.Of($"everything written is at the replica") : Risk(databases, now);
            return $"{safety}; the backup of {Databases(notChecked)} has not been checked yet";
        }

        var checks = databases.Select(database => database.Evidence.CheckedAt).ToList();
        var check = checks.Min() is not { } oldest || checks.Contains(null) ? ""
            : checks.Count == 1 ? $"; backup checked {Ago(oldest, now)}"
            : $"; oldest backup check {Ago(oldest, now)}";
        return $"{Risk(databases, now)}{check}{ProofWording.Proof(databases, now)}";
    }

    /// <summary>What is not safe, and since when; or that everything is safe.</summary>
    private static Sentence Risk(IReadOnlyList<DatabaseObservation> databases, DateTimeOffset now)
    {
        var (total, unreliable, nothing) = (databases.Count, 0, 0);
        DateTimeOffset? unsafeSince = null, unknownSince = null, partlySince = null;
        var isFine = true;
        foreach (var database in databases)
        {
            isFine &= IsHealthy(database.State) != false;
            switch (database.Reason)
            {
                case StateReason.BackupDamaged or StateReason.OtherWriter or StateReason.DrillFailed or StateReason.NotProvenAgain or StateReason.DatabaseDamaged:
                    unreliable++;
                    break;
                case StateReason.FirstCopy or StateReason.FileReplaced or StateReason.FileOverwritten or StateReason.FileEmpty or StateReason.FileOlder or StateReason.SameFile or StateReason.NameNotSupported or StateReason.SettingsRefused:
                    nothing++;
                    break;
                case StateReason.NoAnswer or StateReason.Starting or StateReason.Filling or StateReason.Admitting or StateReason.DrillOverdue:
                    unknownSince = unknownSince < database.Since ? unknownSince : database.Since;
                    break;
                case var reason when reason.IsOfMirror():
                    var until = database.Destinations.Min(destination => destination.Evidence.ReplicatedUntil ?? DateTimeOffset.MinValue);
                    partlySince = partlySince < until ? partlySince : until;
                    break;
                case not StateReason.ReplicatedAnew when database.Lag == TimeSpan.Zero:
                    break;
                default:
                    if (database.Evidence.ReplicatedUntil is { } confirmed)
                    {
                        unsafeSince = unsafeSince < confirmed ? unsafeSince : confirmed;
                    }
                    else if (database.Lag is not null)
                    {
                        nothing++;
                    }
                    else
                    {
                        unknownSince = unknownSince < database.Since ? unknownSince : database.Since;
                    }

                    break;
            }
        }

        var yet = isFine ? " yet" : "";
        var clauses = new List<Sentence>();
        if (unreliable > 0)
        {
            clauses.Add(total == 1 ? Sentence.Of($"its backup cannot be relied on") : Sentence.Of($"the backup of {unreliable} of them cannot be relied on"));
        }

        if (nothing > 0)
        {
            clauses.Add(total == 1 ? Sentence.Of($"nothing of it is safe{yet}")
                : nothing == total ? Sentence.Of($"nothing of them is safe{yet}")
                : Sentence.Of($"nothing of {nothing} of them is safe{yet}"));
        }

        if (unsafeSince is { } at)
        {
            clauses.Add($"what was written since {At(at, now)} is not safe{yet}");
        }

        if (unknownSince is { } unknown)
        {
            clauses.Add($"what was written since {At(unknown, now)} may not be safe");
        }

        if (partlySince is { } partly)
        {
            clauses.Add(partly == DateTimeOffset.MinValue
                ? Sentence.Of($"one of {(total == 1 ? "its" : "their")} destinations has nothing that can be restored{yet}")
                : Sentence.Of($"what was written since {At(partly, now)} is not at each of {(total == 1 ? "its" : "their")} destinations{yet}"));
        }

        return clauses.Count == 0 ? $"everything written is safe" : Sentence.Join(" and ", clauses);
    }

    private static string RelativeTime(DateTimeOffset? moment, DateTimeOffset now, string before, string after)
    {
        if (moment is not { } known)
        {
            return Unknown;
        }

        // Whole seconds, since the clocks of the server and the browser may differ slightly.
        var seconds = Math.Truncate((now - known).TotalSeconds);
        var time = TimeSpan.FromSeconds(Math.Abs(seconds));
        var words = seconds is > -60 and < 60 ? $"{time.Seconds} s" : Duration(time);
        return seconds is >= -1 and <= 1 ? "just now" : seconds < 0 ? $"in {words}" : before + words + after;
    }

    private static string DateAndTime(DateTimeOffset moment) => moment.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);

    private static SentencePart At(DateTimeOffset time, DateTimeOffset now) => new(Clock(time, now), At: time);
}
