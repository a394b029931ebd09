using System.Collections.Immutable;
using System.Text.Json;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Replicas;
using Datasette.Litestream.Stores;

namespace Datasette.Litestream.Restoring;

/// <summary>One destination of a database, from which it can be restored. Not for several tasks at once.</summary>
/// <param name="database">The database.</param>
/// <param name="replica">The destination.</param>
/// <param name="stores">Opens folders and S3.</param>
/// <param name="command">Runs Litestream, which alone can list other kinds.</param>
/// <param name="releaseLine">Which one that is.</param>
/// <param name="time">The clock.</param>
internal sealed class Destination(
    DatabasePlan database, ReplicaPlan replica, StoreFactory stores, LitestreamCommand command, ReleaseLine releaseLine, TimeProvider time) : IDisposable
{
    /// <summary>Litestream itself would try for more than 100 s to reach S3.</summary>
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(30);

    private readonly IStore? _store = StoreFactory.CanOpen(replica.Type) ? stores.Open(replica, databasePath: null) : null;
    private readonly Dictionary<LtxName, LtxHeader?> _headers = [];

    /// <summary>The database.</summary>
    public DatabasePlan Database => database;

    /// <summary>The destination.</summary>
    public ReplicaPlan Replica => replica;

    /// <summary>Lists what lies there.</summary>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>Null if it cannot be listed, with Litestream 0.3 and another kind of destination than a folder or S3.</returns>
    /// <exception cref="ReplicationException">It could not be reached; the message says which one, and why.</exception>
    public async Task<DestinationListing?> ListAsync(CancellationToken cancellationToken)
    {
        try
        {
            return _store is not null ? await ListStoreAsync(_store, cancellationToken).ConfigureAwait(false)
                : releaseLine == ReleaseLine.V03 ? null
                : await AskLitestreamAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (StoreException ex)
        {
            throw new ReplicationException($"{database.Name}: {replica.Destination} cannot be listed: {ex.Message}.", ex);
        }
    }

    /// <summary>When a file was made: in a folder its own time says it, at S3 its beginning, since it may have been copied there later.</summary>
    /// <param name="file">The file.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<DateTimeOffset> TimeOfAsync(LtxFileInfo file, CancellationToken cancellationToken) =>
        replica.Type == "s3" && await ReadHeaderAsync(file, cancellationToken).ConfigureAwait(false) is { } header ? header.MadeAt : file.At;

    /// <summary>Reads the beginning of a file; null where that is not possible.</summary>
    /// <param name="file">The file.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<LtxHeader?> ReadHeaderAsync(LtxFileInfo file, CancellationToken cancellationToken)
    {
        if (_store is null)
        {
            return null;
        }

        if (_headers.TryGetValue(file.Name, out var known))
        {
            return known;
        }

        try
        {
            await using var content = await _store.OpenAsync(_store.Layout.NameOf(file.Name), 0, cancellationToken).ConfigureAwait(false);
            var bytes = new byte[LtxSeal.HeaderBytes];
            _ = await content.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
            return _headers[file.Name] = LtxHeader.Parse(bytes);
        }
        catch (StoreException)
        {
            // It was merged meanwhile, or the destination failed: what needs the file itself will say so.
            return null;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _store?.Dispose();

    private async Task<DestinationListing> ListStoreAsync(IStore store, CancellationToken cancellationToken)
    {
        var listedAt = time.GetUtcNow();
        var files = ImmutableArray.CreateBuilder<LtxFileInfo>();
        var segments = ImmutableArray.CreateBuilder<WalSegment>();
        await foreach (var file in store.ListAsync("", cancellationToken).ConfigureAwait(false))
        {
            if (store.Layout.TryParse(file.Name, out var name))
            {
                files.Add(new LtxFileInfo(name.Level, name.Min, name.Max, file.Size, file.At));
            }
            else if (WalSegment.Parse(file) is { } segment)
            {
                segments.Add(segment);
            }
        }

        return new DestinationListing(listedAt, files.ToImmutable(), segments.ToImmutable());
    }

    private async Task<DestinationListing> AskLitestreamAsync(CancellationToken cancellationToken)
    {
        var listedAt = time.GetUtcNow();
        var answer = await command.RunAsync(database.At(replica), ["ltx", "-level", "all", "-json"], AnswerTimeout, cancellationToken).ConfigureAwait(false);
        try
        {
            return answer.Error is { } error
                ? throw new ReplicationException($"{database.Name}: {replica.Destination} cannot be listed: {error}")
                : new DestinationListing(listedAt, LtxInventory.Parse(answer.Output).Files, []);
        }
        catch (JsonException ex)
        {
            throw new ReplicationException($"{database.Name}: {replica.Destination} cannot be listed: Litestream's answer cannot be read: {ex.Message}", ex);
        }
    }
}
