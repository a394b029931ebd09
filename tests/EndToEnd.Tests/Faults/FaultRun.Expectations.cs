using System.Globalization;
using System.Text.RegularExpressions;

namespace Datasette.Litestream.EndToEnd.Faults;

/// <summary>What is to be seen in a run; what is not is noted, and the run goes on.</summary>
internal sealed partial class FaultRun
{
    /// <summary>How soon a fault that destroys safety must be seen where the plugin can see it with every look.</summary>
    private static readonly TimeSpan SoonSeen = TimeSpan.FromSeconds(6);

    /// <summary>
    /// How soon a fault must be seen to be mended that can be: it is within 30 s, such as by Litestream's next merge of small files, the next
    /// look comes within 2 s, and then somebody must ask.
    /// </summary>
    private static readonly TimeSpan SoonMended = TimeSpan.FromSeconds(33);

    /// <summary>Expects the page to say something.</summary>
    public async Task ExpectPageAsync(string pattern, double within)
    {
        var deadline = DateTimeOffset.UtcNow.AddSeconds(within);
        string page;
        do
        {
            page = await Datasette.Http.GetStringAsync(Answer.Address(AnswerSource.Page));
            if (Regex.IsMatch(page, pattern))
            {
                return;
            }

            await _observer!.NextRound;
        }
        while (DateTimeOffset.UtcNow < deadline);

        _problems.Add($"the page did not say '{pattern}' within {within} s");
    }

    /// <summary>Expects a database not to be green soon after the fault, for one of some reasons.</summary>
    /// <param name="codes">A pattern of the reasons' codes.</param>
    /// <param name="within">Seconds.</param>
    /// <param name="name">The database; the first one if null.</param>
    public async Task ExpectRedAsync(string codes, double? within = null, string? name = null)
    {
        var (database, time) = (name ?? Parks.Name, within is { } seconds ? TimeSpan.FromSeconds(seconds) : SoonSeen);
        var seen = await FirstAsync(_brokenAt, _brokenAt + time, answer => Of(answer, database) is { IsGreen: false } red && Regex.IsMatch(red.Code, $"^({codes})$"));
        if (seen is null)
        {
            _problems.Add($"{database} was not red ({codes}) within {time.TotalSeconds} s of the fault: {Describe(_brokenAt, database)}");
        }
        else
        {
            _secondsToRed.Add((seen.AnsweredAt - _brokenAt).TotalSeconds);
            _seenAt = seen.AnsweredAt;
        }
    }

    /// <summary>Expects a database to be green again soon after the fault or the end of its cause, from a look after that.</summary>
    public async Task ExpectGreenAsync(string? name = null, double? within = null)
    {
        var (database, since) = (name ?? Parks.Name, _mendedAt);
        var from = since > _seenAt ? since : _seenAt;
        var time = within is { } seconds ? TimeSpan.FromSeconds(seconds) : SoonMended;
        var seen = await FirstAsync(from, since + time, answer => Of(answer, database) is { Claim: { } claim } && claim.Until > from && claim.SampledAt > from);
        if (seen is null)
        {
            _problems.Add(await Datasette.DescribeAsync($"{database} was not green within {time.TotalSeconds} s: {Describe(since, database)}"));
        }
        else
        {
            _secondsToGreen.Add((seen.AnsweredAt - since).TotalSeconds);
        }
    }

    /// <summary>Expects the health check to answer in some way soon after the fault.</summary>
    public async Task ExpectHealthAsync(string pattern, double within)
    {
        if (await FirstAsync(_brokenAt, _brokenAt.AddSeconds(within), answer => answer.Source == AnswerSource.Health && Regex.IsMatch(answer.Text, pattern)) is null)
        {
            var said = Answers.Where(answer => answer.Source == AnswerSource.Health && answer.AskedAt >= _brokenAt).Select(answer => answer.Text).Distinct();
            _problems.Add($"the health check did not say '{pattern}' within {within} s, but: {string.Join("; ", said)}");
        }
    }

    /// <summary>
    /// Expects that no answer since the fault called a database bad, since the fault is another's. For a look, a new snapshot can
    /// be there before Litestream has logged that it is its own, and while Litestream is restarted to take the other one in, it replicates
    /// nothing; then it is not known to be safe.
    /// </summary>
    public void ExpectAlwaysGreen(string name)
    {
        var others = Answers.Where(answer => answer.AskedAt > _brokenAt).Select(answer => Of(answer, name)).OfType<DatabaseAnswer>().Where(known => !known.IsGreen && known.State is not ("unverified" or "starting")).ToList();
        Expect(others.Count == 0, $"{name} was not green all the time: {string.Join(", ", others.Select(known => known.Code).Distinct())}");
    }

    /// <summary>Expects no database to have been green since the fault.</summary>
    public void ExpectNeverGreen(string? name = null)
    {
        var greens = Answers.Where(answer => answer.AskedAt > _brokenAt && Of(answer, name ?? Parks.Name) is { IsGreen: true }).ToList();
        Expect(greens.Count == 0, $"{name ?? Parks.Name} was green in {greens.Count} answers, such as that of {(greens.Count > 0 ? Clock(greens[0].AnsweredAt) : "")}: {greens.FirstOrDefault()?.Text}");
    }

    /// <summary>Notes a problem, unless something is so.</summary>
    public void Expect(bool isSo, string problem)
    {
        if (!isSo)
        {
            _problems.Add(problem);
        }
    }

    /// <summary>
    /// Stops a database's writer, waits until Datasette says that all of it is safe, and expects the restored database to be equal
    /// to the live one.
    /// </summary>
    /// <param name="name">The database; the first one if null.</param>
    /// <param name="isSaid">False with a Litestream of which that can not be said; then Datasette is stopped.</param>
    /// <param name="within">Seconds.</param>
    public async Task ExpectRestoredAsync(string? name = null, bool isSaid = true, double? within = null)
    {
        var time = within is { } seconds ? TimeSpan.FromSeconds(seconds) : SoonMended;
        var database = name is null ? Parks : Database(name);
        await database.StopAsync();
        var stoppedAt = DateTimeOffset.UtcNow;
        if (!isSaid)
        {
            await _observer!.StopAsync();
            await Datasette.StopAsync();
        }
        else if (await FirstAsync(stoppedAt, stoppedAt + time, answer => Of(answer, database.Name)?.Claim?.Until > stoppedAt) is null)
        {
            _problems.Add($"all of {database.Name} was not safe within {time.TotalSeconds} s of its last row: {Describe(stoppedAt, database.Name)}");
            return;
        }

        // The observer's copies are its own.
        var backup = _backupOf(database.Name, Workspace.Path($"copies/end-{_databases.IndexOf(database)}"));
        using var live = new DatabaseConnection(database.Path);
        try
        {
            var restored = await LitestreamProgram.RestoreAsync(Litestream, [$"file://{await backup.CopyAsync()}"]);
            var difference = DumpComparison.FindDifference(live.Dump(), restored);
            Expect(difference is null, $"the restored {database.Name} is not equal to the live one: {difference}");
        }
        catch (AssertFailedException ex)
        {
            _problems.Add($"{database.Name} could not be restored at the end: {ex.Message.ReplaceLineEndings(" ")}");
        }
    }

    /// <summary>What the JSON said of a database, or of all, since a time: each change of it.</summary>
    private string Describe(DateTimeOffset since, string? name)
    {
        var said = new List<string>();
        foreach (var answer in Answers.Where(answer => answer.Source == AnswerSource.Json && answer.AskedAt >= since))
        {
            var states = string.Join(
                ", ", answer.Databases.Where(database => name is null || database.Name == name).Select(database => $"{database.Name} {database.State}/{database.Code}"));
            if (said.Count == 0 || !said[^1].EndsWith($" {states}", StringComparison.Ordinal))
            {
                said.Add($"{Clock(answer.AnsweredAt)} {states}");
            }
        }

        return said.Count == 0 ? "no answer" : string.Join("; ", said.Count <= 12 ? said : [.. said.Take(6), "…", .. said.TakeLast(5)]);
    }

    private static DatabaseAnswer? Of(Answer answer, string name) => answer.Databases.FirstOrDefault(database => database.Name == name);

    private static string Clock(DateTimeOffset time) => time.UtcDateTime.ToString("HH:mm:ss.f", CultureInfo.InvariantCulture);
}
