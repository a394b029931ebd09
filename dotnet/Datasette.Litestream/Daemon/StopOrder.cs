namespace Datasette.Litestream.Daemon;

/// <summary>How Litestream is to end.</summary>
/// <param name="Timeout">How long it may take before it is killed.</param>
/// <param name="HasOneTry">Whether the database with a file gets no more than one try to be replicated, since it has failed for
/// long: it must not cost every stop the whole time.</param>
/// <param name="Hurry">Has it end at once.</param>
internal sealed record StopOrder(TimeSpan Timeout, Func<string, bool> HasOneTry, CancellationToken Hurry)
{
    /// <summary>An order that gives every database the whole time.</summary>
    public StopOrder(TimeSpan timeout)
        : this(timeout, _ => false, CancellationToken.None)
    {
    }
}

/// <summary>How Litestream has ended.</summary>
/// <param name="Error">What went wrong, in a sentence; null if nothing did.</param>
/// <param name="NotReplicated">The files of the databases whose last changes are not known to be at their replicas.</param>
internal sealed record StopResult(string? Error, IReadOnlyCollection<string> NotReplicated)
{
    /// <summary>Everything is replicated.</summary>
    public static StopResult Complete { get; } = new(null, []);
}
