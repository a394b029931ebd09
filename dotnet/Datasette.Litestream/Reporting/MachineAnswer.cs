namespace Datasette.Litestream.Reporting;

/// <summary>The HTTP response for a machine.</summary>
/// <param name="Status">The status code.</param>
/// <param name="ContentType">The media type of the body.</param>
/// <param name="Body">The body.</param>
internal sealed record MachineAnswer(int Status, string ContentType, string Body)
{
    /// <summary>What a browser is told instead, in a sentence; null where no browser asks.</summary>
    public string? Message { get; init; }

    /// <summary>Where a browser goes then: the query string of the status page, with its question mark; null where no browser asks.</summary>
    public string? Page { get; init; }

    /// <summary>The file to send instead of a body, absolute; null where there is none.</summary>
    public string? File { get; init; }

    /// <summary>What that is called, as the header <c>Content-Disposition</c> says it; null where there is none.</summary>
    public string? Disposition { get; init; }

    private const string PlainText = "text/plain; charset=utf-8";

    public static MachineAnswer Json((bool IsFound, string Json) report) =>
        new(report.IsFound ? 200 : 404, "application/json; charset=utf-8", report.Json);

    /// <summary>Prometheus' text exposition.</summary>
    public static MachineAnswer Metrics(string text) => new(200, "text/plain; version=0.0.4; charset=utf-8", text);

    public static MachineAnswer Health(HealthReport report) =>
        report.Enabled ? new(report.Healthy ? 200 : 503, PlainText, $"{report.Line}\n") : new(404, PlainText, "not found\n");
}
