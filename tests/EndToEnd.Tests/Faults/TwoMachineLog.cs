using System.Globalization;

namespace Datasette.Litestream.EndToEnd.Faults;

/// <summary>
/// What machines that share a place say and do, and what a restore of that place gives, second by second. One task looks; the test
/// adds machines, and reads what was seen when the task has ended.
/// </summary>
/// <param name="server">The server of the place.</param>
/// <param name="copies">A folder for copies of what lies there.</param>
internal sealed class TwoMachineLog(S3Server server, string copies)
{
    private static readonly TimeSpan RequestTimeout = TimeSpan.FromSeconds(5);

    private readonly List<OtherMachine> _machines = [];
    private readonly List<Second> _seconds = [];

    /// <summary>Has a machine looked at from now on.</summary>
    public void Add(OtherMachine machine)
    {
        lock (_machines)
        {
            _machines.Add(machine);
        }
    }

    /// <summary>Looks every second until it is cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1));
        try
        {
            do
            {
                OtherMachine[] machines;
                lock (_machines)
                {
                    machines = [.. _machines];
                }

                var at = DateTimeOffset.UtcNow;
                var looks = await Task.WhenAll(machines.Select(LookAsync));
                _seconds.Add(new Second(at, looks, await RestoredBackup.OfAsync(RealParts.Litestream05, await server.CopyAsync("parks", copies))));
            }
            while (await timer.WaitForNextTickAsync(cancellationToken));
        }
        catch (OperationCanceledException)
        {
            // The scenario is over.
        }
    }

    /// <summary>
    /// Asserts, for each time that another machine began to write, that everything that the one before had called safe can be restored
    /// as of then.
    /// </summary>
    public async Task AssertSafeRowsAreKeptAsync(S3Key key)
    {
        OtherMachine? writer = null;
        for (var i = 0; i < _seconds.Count; i++)
        {
            if (_seconds[i].Machines.FirstOrDefault(look => look.IsWriting)?.Machine is not { } now || now == writer)
            {
                continue;
            }

            // What makes its first snapshot may have run between two looks.
            var last = _seconds.FindLastIndex(Math.Max(0, i - 1), second => !second.Restored.Rows.Any(row => row / OtherMachine.RowsPerMachine == now.Host[0]));
            if (writer is { } before
                && _seconds.Take(i).SelectMany(second => second.Machines).Where(look => look.Machine == before).Max(look => look.SafeUntil) is { } safe)
            {
                var restored = await RestoredBackup.OfAsync(RealParts.Litestream05, server.Url("parks"), RestoredBackup.At(_seconds[last].At), key.Environment);
                Assert.IsNull(restored.Damage, $"before {now.Host} wrote");
                var missing = before.Database.MissingFrom(restored.Rows, safe, _seconds[last].At);
                Assert.IsEmpty(missing, $"{before.Host} had called {missing.Count} more rows safe before {now.Host} wrote");
                Figures.Record($"{now.Host} wrote after {before.Host}, all of whose {restored.Rows.Count} rows until {safe:HH:mm:ss.fff} can be restored as of {_seconds[last].At:HH:mm:ss.fff}");
            }

            writer = now;
        }
    }

    /// <summary>Writes a table of it into the figures: a line for each change, with its second.</summary>
    public void Record(string scenario)
    {
        Figures.Record($"{scenario}\n| s | machine | writes | state | health | page | restore: rows of a, of b |\n| --- | --- | --- | --- | --- | --- | --- |");
        var last = new Dictionary<string, string>();
        foreach (var second in _seconds)
        {
            foreach (var look in second.Machines)
            {
                var said = $"{look.Machine.Host} | {(look.IsWriting ? "yes" : "no")} | {look.State} | {look.Health} | {look.Page}";
                if (last.GetValueOrDefault(look.Machine.Host) != said)
                {
                    last[look.Machine.Host] = said;
                    var rows = second.Restored.Damage ?? string.Join(", ", "ab".Select(host => second.Restored.Rows.Count(row => row / OtherMachine.RowsPerMachine == host)));
                    Figures.Record(string.Create(CultureInfo.InvariantCulture, $"| {(second.At - _seconds[0].At).TotalSeconds:0} | {said} | {rows} |"));
                }
            }
        }
    }

    private static async Task<Look> LookAsync(OtherMachine machine)
    {
        var isWriting = machine.IsWriting;
        try
        {
            var json = await AskAsync(machine, AnswerSource.Json);
            var page = await AskAsync(machine, AnswerSource.Page);
            var health = await AskAsync(machine, AnswerSource.Health);
            var safe = json.Answer.Claims.Concat(page.Answer.Claims).Concat(health.Answer.Claims).Select(claim => (DateTimeOffset?)claim.Until).Max();
            var database = json.Answer.Databases is [var parks] ? parks : null;
            return new Look(machine, isWriting, $"{database?.State} ({database?.Code})", health.Status, Digits(page.Answer.Text), safe);
        }
        catch (Exception ex) when (ex is HttpRequestException or OperationCanceledException or ObjectDisposedException or InvalidOperationException)
        {
            return new Look(machine, isWriting, "down", 0, "", null);
        }
    }

    /// <summary>Without what changes every second.</summary>
    private static string Digits(string text) => string.Concat(text.Select(letter => char.IsAsciiDigit(letter) ? '0' : letter)).Replace("00", "0", StringComparison.Ordinal);

    private static async Task<(int Status, Answer Answer)> AskAsync(OtherMachine machine, AnswerSource source)
    {
        using var timeout = new CancellationTokenSource(RequestTimeout);
        var asked = DateTimeOffset.UtcNow;
        using var response = await machine.Datasette.Http.GetAsync(Answer.Address(source), timeout.Token);
        var body = await response.Content.ReadAsStringAsync(timeout.Token);
        return ((int)response.StatusCode, Answer.Read(source, asked, DateTimeOffset.UtcNow, body, ["parks"]));
    }

    /// <summary>What one machine said and did.</summary>
    private sealed record Look(OtherMachine Machine, bool IsWriting, string State, int Health, string Page, DateTimeOffset? SafeUntil);

    private sealed record Second(DateTimeOffset At, IReadOnlyList<Look> Machines, RestoredBackup Restored);
}
