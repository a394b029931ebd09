using Datasette.Litestream.Logging;
using Datasette.Litestream.Observation;

namespace Datasette.Litestream.Reporting;

/// <summary>
/// Tells the operator when a database goes bad and when it is well again: each at most once a minute, and many at once in one
/// sentence. What changes within the minute is told when it is over, if it is still so. That a database is replicated for the
/// first time is an event that need not be told, so it does not count. Databases that are bad because
/// Litestream is down are left to <see cref="LitestreamEvents"/>. Whoever looks owns its state.
/// </summary>
internal sealed class DatabaseEvents(TimeProvider time)
{
    /// <summary>More databases than this at once are told in one sentence.</summary>
    private const int MaxAtOnce = 3;

    /// <summary>With a thousand databases, some may change at every look.</summary>
    private const int MaxSentencesAMinute = 10;

    /// <summary>How long a state may be unknown, such as after a start.</summary>
    private static readonly TimeSpan MaxUnknown = TimeSpan.FromSeconds(15);

    private readonly Dictionary<string, Told> _told = new(StringComparer.Ordinal);
    private readonly Queue<long> _sentences = [];

    /// <summary>What can be told of a database.</summary>
    private enum Condition
    {
        /// <summary>Nothing yet, such as during the first copy.</summary>
        New,
        Well,
        Bad,
    }

    /// <summary>Whether something was told less than a minute ago.</summary>
    /// <param name="toldAt">The timestamp of the clock at that time; null if nothing was told.</param>
    /// <param name="time">The clock.</param>
    public static bool IsWithinMinute(long? toldAt, TimeProvider time) => toldAt is { } at && time.GetElapsedTime(at) < TimeSpan.FromMinutes(1);

    /// <summary>The sentences that are due, with their levels.</summary>
    /// <param name="observed">The state of the databases.</param>
    public IEnumerable<(LogLevel Level, string Sentence)> Look(ObservedDatabases observed)
    {
        List<(DatabaseObservation Database, Told Told)> bad = [], again = [], first = [];
        if (_told.Count > observed.Databases.Count)
        {
            foreach (var detached in _told.Keys.Except(observed.Databases.Select(database => database.Plan.Name)).ToList())
            {
                _told.Remove(detached);
            }
        }

        foreach (var database in observed.Databases)
        {
            if (ConditionOf(database, observed.At) is not { } condition)
            {
                continue;
            }

            if (!_told.TryGetValue(database.Plan.Name, out var told))
            {
                _told[database.Plan.Name] = told = new Told();
            }

            told.See(condition, database.Since);
            if (told.Condition == Condition.New && condition == Condition.Well)
            {
                first.Add((database, told));
                told.Tell(at: null);
            }
            else if (told.Condition != condition && !IsWithinMinute(told.At, time))
            {
                (condition == Condition.Bad ? bad : again).Add((database, told));
            }
        }

        while (_sentences.TryPeek(out var oldest) && !IsWithinMinute(oldest, time))
        {
            _sentences.Dequeue();
        }

        var total = observed.Databases.Count;
        return
        [
            .. Tell(bad, (database, _) => DescribeBad(observed with { Databases = [database] }), _ => DescribeBad(observed)),
            .. Tell(again, DescribeAgain, all => $"{Count(all, total)} are safe again: {Names(all)}."),
            .. first.Count > MaxAtOnce
                ? [(LogLevel.Info, $"{Count(first, total)} are replicated: {Names(first)}.")]
                : first.Select(each => (LogLevel.Info, $"The database {each.Database.Plan.Name} is replicated.")),
        ];
    }

    private List<(LogLevel Level, string Sentence)> Tell(
        List<(DatabaseObservation Database, Told Told)> due,
        Func<DatabaseObservation, Told, string> describe,
        Func<List<(DatabaseObservation Database, Told Told)>, string> describeAll)
    {
        var sentences = new List<(LogLevel Level, string Sentence)>();
        if (due.Count <= MaxAtOnce)
        {
            foreach (var (database, told) in due.Take(MaxSentencesAMinute - _sentences.Count))
            {
                Add(describe(database, told) + told.More, told);
            }
        }
        else if (_sentences.Count < MaxSentencesAMinute)
        {
            Add(describeAll(due), [.. due.Select(each => each.Told)]);
        }

        return sentences;

        void Add(string sentence, params Told[] about)
        {
            var now = time.GetTimestamp();
            sentences.Add((LogLevel.Warning, sentence));
            _sentences.Enqueue(now);
            foreach (var told in about)
            {
                told.Tell(now);
            }
        }
    }

    /// <summary>Null if the state says neither, or is told elsewhere: then the last one still holds.</summary>
    private static Condition? ConditionOf(DatabaseObservation database, DateTimeOffset now) =>
        database.Reason is StateReason.LitestreamDown or StateReason.Paused ? null
        : database.State == DatabaseState.Unknown && now - database.Since < MaxUnknown ? null
        : Wording.IsHealthy(database.State) == false || database.State == DatabaseState.Unknown ? Condition.Bad
        : Wording.IsSafe(database) ? Condition.Well
        : null;

    /// <summary>The first line of the page, if these were all databases, with the first error that one of them has.</summary>
    private static string DescribeBad(ObservedDatabases observed)
    {
        var summary = Wording.Summarize(observed, observed.At);
        return observed.Databases.FirstOrDefault(database => database.Error is { } error && !$"{summary}".Contains(error, StringComparison.Ordinal)) is { } database
            ? $"{summary} {(Wording.IsFromLitestream(database.Reason) ? "Litestream says" : "Details")}: {database.Error!.TrimEnd('.')}."
            : summary.ToString();
    }

    private static string DescribeAgain(DatabaseObservation database, Told told)
    {
        var words = database.Reason == StateReason.NotKnownToBeBehind ? "has no known fault any more" : "is safe again";
        return $"The database {database.Plan.Name} {words} since {Wording.Exact(database.Since)}"
            + (database.Since > told.BadSince ? $", after {Wording.Duration(database.Since - told.BadSince.Value)}." : ".");
    }

    private static string Count(List<(DatabaseObservation Database, Told Told)> all, int total) =>
        $"{Wording.Count(all.Count)} of {Wording.Count(total)} databases";

    private static string Names(List<(DatabaseObservation Database, Told Told)> all) =>
        $"{string.Join(", ", all.Take(MaxAtOnce).Select(each => each.Database.Plan.Name))} and {Wording.Count(all.Count - MaxAtOnce)} more";

    /// <summary>What was told of one database, and what was seen since.</summary>
    private sealed class Told
    {
        private Condition _seen;
        private int _changes;

        /// <summary>What was told last.</summary>
        public Condition Condition { get; private set; }

        /// <summary>The timestamp of the clock at that time; null if nothing was told.</summary>
        public long? At { get; private set; }

        /// <summary>Since when it was bad when that was last seen.</summary>
        public DateTimeOffset? BadSince { get; private set; }

        /// <summary>How many changes were not told, besides the current one, as the end of a sentence.</summary>
        public string More => _changes > 1
            ? $" ({Wording.Count(_changes - 1)} more {(_changes == 2 ? "change" : "changes")} since the last message.)"
            : "";

        public void See(Condition condition, DateTimeOffset since)
        {
            if (condition == _seen)
            {
                return;
            }

            _seen = condition;
            _changes++;
            BadSince = condition == Condition.Bad ? since : BadSince;
        }

        /// <summary>Notes that what was seen is told.</summary>
        /// <param name="at">The timestamp of the clock; null if it does not count.</param>
        public void Tell(long? at) => (Condition, At, _changes) = (_seen, at, 0);
    }
}
