using System.Text.Json;
using System.Text.Json.Nodes;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Standby;

namespace Datasette.Litestream.Commands;

/// <summary>
/// <c>datasette litestream status</c>: how the databases are replicated, by the reports that the Datasette leaves which replicates them,
/// as for one that stands by.
/// </summary>
internal sealed class StatusCommand(CommandTools tools, CommandArguments arguments)
{
    /// <summary>A report is made every 2 to 5 s, once somebody is there to read it.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(12), LookInterval = TimeSpan.FromMilliseconds(200);

    /// <summary>The states in which nothing is known to be wrong.</summary>
    private static readonly string[] Good = ["replicating", "unverified", "starting"];

    /// <summary>Runs it.</summary>
    /// <returns>The exit status: 0 if every database is replicated, and nothing is known to be wrong.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        tools.TellProblems();
        var found = await LookAsync(cancellationToken).ConfigureAwait(false);
        var states = found.Select(one => one.Report?.State ?? (one.By.Holder.ProcessId is null ? "stopped" : "unknown")).ToList();
        if (arguments.IsJson)
        {
            tools.Terminal.Write(new JsonArray([.. found.Select((one, i) => (JsonNode)new JsonObject
            {
                ["name"] = one.Plan.Name,
                ["path"] = one.Plan.Path,
                ["state"] = states[i],
                ["process"] = one.By.Holder.ProcessId,
                ["reportedAt"] = one.Report is null ? null : CommandTools.Iso(one.By.Report!.At),
                ["report"] = one.Report is null ? null : JsonNode.Parse(JsonSerializer.Serialize(one.Report, StatusJson.Default.DatabaseReport)),
            })]));
        }
        else
        {
            tools.Terminal.Write([
                ["database", "state", "lag", "process", ""],
                .. found.Select((one, i) => new[]
                {
                    one.Plan.Name,
                    states[i],
                    one.Report is null ? "" : Wording.Duration(one.Report.LagSeconds),
                    one.By.Holder.ProcessId?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "",
                    Sentence(one),
                }),
            ]);
        }

        return states.All(Good.Contains) ? 0 : 1;
    }

    private static string Sentence(StandbyDatabase database) => database switch
    {
        { Report: { } report } => report.Reason.Sentence,
        { By.Holder.ProcessId: null } => "No Datasette replicates it: none runs on this file with the plugin, or it has just begun to.",
        _ => "It has not reported. See its own page.",
    };

    private async Task<IReadOnlyList<StandbyDatabase>> LookAsync(CancellationToken cancellationToken)
    {
        var started = tools.Time.GetUtcNow();
        var view = new StandbyView();
        var joined = new Dictionary<string, IDisposable?>(StringComparer.Ordinal);
        using var timer = new PeriodicTimer(LookInterval, tools.Time);
        try
        {
            while (true)
            {
                var found = view.Look(tools.Databases);
                foreach (var folder in found.Where(one => one.By.Holder.ProcessId is not null).Select(one => one.By.Folder).OfType<string>())
                {
                    if (!joined.ContainsKey(folder))
                    {
                        joined[folder] = Audience.Join(folder);
                    }
                }

                if (tools.Time.GetUtcNow() - started > Patience || found.All(one => one.By.Holder.ProcessId is null || (one.By.Folder is not null && one.By.Report?.At >= started)))
                {
                    // An old report is of one that does not answer any more.
                    return [.. found.Select(one => one.By.Report?.At >= started ? one : one with { Report = null })];
                }

                _ = await timer.WaitForNextTickAsync(cancellationToken).ConfigureAwait(false);
            }
        }
        finally
        {
            foreach (var one in joined.Values)
            {
                one?.Dispose();
            }
        }
    }
}
