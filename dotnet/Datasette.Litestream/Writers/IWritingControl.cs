namespace Datasette.Litestream.Writers;

/// <summary>What the claims need of the replication that they permit.</summary>
internal interface IWritingControl
{
    /// <summary>
    /// Has Litestream run without some databases. Completes when nothing of these is written any more.
    /// </summary>
    /// <param name="names">The names of the databases.</param>
    /// <param name="message">Why others than before, in a sentence.</param>
    /// <param name="hurry">Cancelled, possibly before, if others may begin to write soon, so that there is no time for a last sync.</param>
    Task WriteWithoutAsync(IReadOnlySet<string> names, string message, CancellationToken hurry);
}
