namespace Datasette.Litestream.Secrets;

/// <summary>
/// The secrets that may occur in a text now: those of the configuration, those of the current credentials, and those of earlier
/// credentials as long as a kept line of Litestream's log may contain them. Immutable.
/// </summary>
internal sealed class SecretCollection
{
    private static readonly SecretValues Nothing = new([], []);

    private readonly SecretValues _permanent;
    private readonly SecretValues _current;
    private readonly ReplacedSecrets[] _replaced;
    private readonly IReadOnlyCollection<string> _known;

    /// <param name="permanent">The secrets of the configuration.</param>
    /// <param name="known">Texts that are shown anyway; see <see cref="Redactor"/>.</param>
    public SecretCollection(SecretValues permanent, IReadOnlyCollection<string> known)
        : this(permanent, known, Nothing, [])
    {
    }

    private SecretCollection(SecretValues permanent, IReadOnlyCollection<string> known, SecretValues current, ReplacedSecrets[] replaced)
    {
        (_permanent, _known, _current, _replaced) = (permanent, known, current, replaced);
        SecretValues[] all = [permanent, current, .. replaced.Select(old => old.Values)];
        Redactor = new Redactor(all.SelectMany(values => values.Secrets), all.SelectMany(values => values.AccessKeyIds), known);
    }

    /// <summary>Removes all of them from text.</summary>
    public Redactor Redactor { get; }

    /// <summary>A copy with new credentials in place of the current ones.</summary>
    /// <param name="values">The secrets of the new credentials.</param>
    /// <param name="line">The number of log lines so far.</param>
    /// <param name="keptLines">How many lines are kept: secrets that were replaced that many lines ago cannot occur in
    /// them.</param>
    public SecretCollection Replace(SecretValues values, long line, int keptLines) => new(
        _permanent,
        _known,
        values,
        [.. _replaced.Where(old => line - old.ReplacedAt < keptLines), .. _current == Nothing ? [] : new[] { new ReplacedSecrets(_current, line) }]);

    /// <summary>A copy with more secrets of the configuration, and with other texts that are shown anyway.</summary>
    /// <param name="permanent">Those secrets.</param>
    /// <param name="known">Texts that are shown anyway; see <see cref="Redactor"/>.</param>
    public SecretCollection With(SecretValues permanent, IReadOnlyCollection<string> known) => new(
        new SecretValues([.. _permanent.Secrets.Union(permanent.Secrets)], [.. _permanent.AccessKeyIds.Union(permanent.AccessKeyIds)]), known, _current, _replaced);

    /// <summary>Secrets of earlier credentials, and how many lines the log had when they were replaced.</summary>
    private sealed record ReplacedSecrets(SecretValues Values, long ReplacedAt);
}
