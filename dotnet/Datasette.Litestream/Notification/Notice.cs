using System.Globalization;
using System.Text.Json.Nodes;
using Datasette.Litestream.Logging;

namespace Datasette.Litestream.Notification;

/// <summary>A line for <c>notify-url</c>.</summary>
/// <param name="Time">When it was written.</param>
/// <param name="Level">Its level.</param>
/// <param name="Text">The sentence, without secrets.</param>
internal sealed record Notice(DateTimeOffset Time, LogLevel Level, string Text)
{
    /// <summary>Discord refuses more than 2,000 characters. Source: https://discord.com/developers/docs/resources/webhook#execute-webhook</summary>
    private const int MaxLength = 2000;

    /// <summary>
    /// The body of the request, <c>{"time": "2026-05-01T12:00:00Z", "level": "warning", "text": "…", "content": "…"}</c>: Slack
    /// and Mattermost show the text, and Discord the content, which is the same; each ignores the rest.
    /// </summary>
    /// <param name="lost">How many earlier lines were not delivered.</param>
    public string ToJson(int lost)
    {
        var more = lost > 0 ? $" ({lost} earlier {(lost == 1 ? "message" : "messages")} could not be delivered.)" : "";
        var text = Text.Length + more.Length <= MaxLength ? Text + more : $"{Text[..(MaxLength - more.Length - 1)]}…{more}";
        return new JsonObject
        {
            ["time"] = Time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture),
            ["level"] = Level.ToString().ToLowerInvariant(),
            ["text"] = text,
            ["content"] = text,
        }.ToJsonString();
    }
}
