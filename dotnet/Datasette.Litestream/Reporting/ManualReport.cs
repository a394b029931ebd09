using System.Text.Json;
using System.Text.Json.Serialization;
using Datasette.Litestream.Manual;

namespace Datasette.Litestream.Reporting;

/// <summary>The answer to what somebody asked for by hand.</summary>
/// <param name="Ok">Whether it was done.</param>
/// <param name="Action">What was asked for, as its address has it.</param>
/// <param name="Database">Datasette's name of the database; null for a restart.</param>
/// <param name="Message">What came of it, in sentences; null if it was not done.</param>
/// <param name="Error">Why it was not done, in sentences, as in Datasette's own errors; null if it was.</param>
/// <param name="Safe">After a sync, whether everything that had been written when it was asked for is at each destination; otherwise null,
/// and if it is not known.</param>
/// <param name="State">How the database stood then; null if that does not matter.</param>
internal sealed record ManualReport(
    bool Ok,
    string Action,
    string? Database,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Message,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Error,
    bool? Safe,
    DatabaseStateReport? State)
{
    /// <summary>The answer to a request that could not be read, or that nobody is there to fulfil.</summary>
    /// <param name="action">What was asked for.</param>
    /// <param name="result">Why not.</param>
    public static MachineAnswer Answer(string action, ManualResult result) =>
        Answer(new ManualRequest(default, null, null, ""), result, DateTimeOffset.MinValue, action, isReplicated: false);

    /// <summary>The answer to a request.</summary>
    /// <param name="request">What was asked for.</param>
    /// <param name="result">What came of it.</param>
    /// <param name="now">The time.</param>
    /// <param name="isReplicated">Whether the database has a page now.</param>
    public static MachineAnswer Answer(ManualRequest request, ManualResult result, DateTimeOffset now, bool isReplicated) =>
        Answer(request, result, now, DeedWording.Name(request.Action), isReplicated);

    private static MachineAnswer Answer(ManualRequest request, ManualResult result, DateTimeOffset now, string action, bool isReplicated)
    {
        var isDone = result.Outcome == ManualOutcome.Done;
        var sentence = result.Seen is { } seen ? $"{result.Sentence} State: {Wording.Describe(seen, now)}." : result.Sentence;
        var report = new ManualReport(
            isDone, action, request.Database, isDone ? sentence : null, isDone ? null : sentence, result.IsSafe,
            result.Seen is null ? null : DatabaseStateReport.Of(result.Seen, now));
        return new MachineAnswer(StatusOf(result.Outcome), "application/json; charset=utf-8", JsonSerializer.Serialize(report, StatusJson.Default.ManualReport))
        {
            Message = sentence,
            Page = isReplicated ? new StatusQuery(Database: request.Database).Link : "",
        };
    }

    private static int StatusOf(ManualOutcome outcome) => outcome switch
    {
        ManualOutcome.Done => 200,
        ManualOutcome.Wrong => 400,
        ManualOutcome.NotPosted => 405,
        ManualOutcome.NotFound => 404,
        ManualOutcome.Refused => 409,
        ManualOutcome.Busy => 429,
        ManualOutcome.TimedOut => 504,
        _ => 503,
    };
}
