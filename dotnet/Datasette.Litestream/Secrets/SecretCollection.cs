namespace Datasette.Litestream.Secrets;

/// <summary>
/// The secrets that may stand in a text now: those of the configuration, those of the credentials in use, and those of
/// earlier credentials, for as long as a line of Litestream's log that is kept can be as old as they are. Immutable.
/// </summary>
internal sealed class SecretCollection
{
    private readonly IReadOnlyCollection<string> _permanent;
    private readonly IReadOnlyCollection<string> _current;
    private readonly (IReadOnlyCollection<string> Secrets, long ReplacedAt)[] _replaced;

    /// <param name="permanent">Those of the configuration.</param>
    public SecretCollection(IReadOnlyCollection<string> permanent)
        : this(permanent, [], [])
    {
    }

    private SecretCollection(
        IReadOnlyCollection<string> permanent,
        IReadOnlyCollection<string> current,
        (IReadOnlyCollection<string> Secrets, long ReplacedAt)[] replaced)
    {
        (_permanent, _current, _replaced) = (permanent, current, replaced);
        Redactor = new Redactor([.. permanent, .. current, .. replaced.SelectMany(old => old.Secrets)]);
    }

    /// <summary>Takes all of them out of text.</summary>
    public Redactor Redactor { get; }

    /// <summary>The same with new credentials in place of those in use.</summary>
    /// <param name="secrets">Those of the new credentials.</param>
    /// <param name="line">How many lines the log has had by now.</param>
    /// <param name="keptLines">How many lines are kept: what was replaced that many lines ago can stand in none of them.</param>
    public SecretCollection Replace(IReadOnlyCollection<string> secrets, long line, int keptLines) => new(
        _permanent,
        secrets,
        [.. _replaced.Where(old => line - old.ReplacedAt < keptLines), .. _current.Count == 0 ? [] : new[] { (_current, line) }]);
}
