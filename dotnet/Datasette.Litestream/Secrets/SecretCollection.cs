namespace Datasette.Litestream.Secrets;

/// <summary>
/// The secrets that may occur in a text now: those of the configuration, those of the current credentials, and those of earlier
/// credentials as long as a kept line of Litestream's log may contain them. Immutable.
/// </summary>
internal sealed class SecretCollection
{
    private readonly IReadOnlyCollection<string> _permanent;
    private readonly IReadOnlyCollection<string> _current;
    private readonly ReplacedSecrets[] _replaced;

    /// <param name="permanent">The secrets of the configuration.</param>
    public SecretCollection(IReadOnlyCollection<string> permanent)
        : this(permanent, [], [])
    {
    }

    private SecretCollection(
        IReadOnlyCollection<string> permanent,
        IReadOnlyCollection<string> current,
        ReplacedSecrets[] replaced)
    {
        (_permanent, _current, _replaced) = (permanent, current, replaced);
        Redactor = new Redactor([.. permanent, .. current, .. replaced.SelectMany(old => old.Secrets)]);
    }

    /// <summary>Removes all of them from text.</summary>
    public Redactor Redactor { get; }

    /// <summary>A copy with new credentials in place of the current ones.</summary>
    /// <param name="secrets">The secrets of the new credentials.</param>
    /// <param name="line">The number of log lines so far.</param>
    /// <param name="keptLines">How many lines are kept: secrets that were replaced that many lines ago cannot occur in
    /// them.</param>
    public SecretCollection Replace(IReadOnlyCollection<string> secrets, long line, int keptLines) => new(
        _permanent,
        secrets,
        [.. _replaced.Where(old => line - old.ReplacedAt < keptLines), .. _current.Count == 0 ? [] : new[] { new ReplacedSecrets(_current, line) }]);

    /// <summary>Secrets of earlier credentials, and how many lines the log had when they were replaced.</summary>
    private sealed record ReplacedSecrets(IReadOnlyCollection<string> Secrets, long ReplacedAt);
}
