using System.Collections.Immutable;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Stores;

namespace Datasette.Litestream.Writers;

/// <summary>
/// The claims of this Datasette to the destinations of one place. Looks, and what else works on the file, take turns; any thread may
/// read <see cref="Claims"/> and say what was released.
/// </summary>
/// <param name="place">The place.</param>
/// <param name="self">This Datasette.</param>
/// <param name="open">Opens the store there.</param>
/// <param name="time">The clock.</param>
/// <param name="ended">The writers that are known to write no more, whatever the file says.</param>
/// <param name="heldUntil">Until when one of those has held all of the claims, as a timestamp of the clock; null if none has.</param>
internal sealed class PlaceClaims(
    WritersPlace place, WriterIdentity self, Func<WritersPlace, IStore> open, TimeProvider time, ImmutableHashSet<Guid> ended, long? heldUntil = null) : IDisposable
{
    /// <summary>How long one look may take: enough for two requests to a server that takes 3 s for each.</summary>
    public static readonly TimeSpan LookTimeout = TimeSpan.FromSeconds(8);

    /// <summary>How long after the begin of a look the next one begins.</summary>
    public static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(10);

    /// <summary>The same while somebody is waited for or waits.</summary>
    public static readonly TimeSpan BriefInterval = TimeSpan.FromSeconds(2);

    /// <summary>The delays before the next look after one that failed.</summary>
    private static readonly TimeSpan MinRetryDelay = TimeSpan.FromSeconds(1), MaxRetryDelay = TimeSpan.FromSeconds(10);

    /// <summary>How often a look begins anew at once because another Datasette has written meanwhile.</summary>
    private const int MaxConflicts = 20;

    private readonly ClaimRules _rules = new(self, time, ended);
    private readonly Backoff _retryDelay = new(MinRetryDelay, MaxRetryDelay);
    private readonly Lock _sync = new();
    private readonly SemaphoreSlim _turn = new(1, 1);
    private ImmutableArray<Claim> _claims = [.. place.Destinations.Select(destination => new Claim(destination) { State = heldUntil is null ? ClaimState.Unproven : ClaimState.Held })];
    private ImmutableHashSet<string> _released = [.. place.Destinations.Select(destination => destination.Prefix)];
    private IStore? _store;
    private long _trustedUntil = heldUntil ?? 0;

    /// <summary>The place.</summary>
    public WritersPlace Place => place;

    /// <summary>How the claims stand.</summary>
    public ImmutableArray<Claim> Claims
    {
        get
        {
            lock (_sync)
            {
                return _claims;
            }
        }
    }

    /// <summary>Why the last look failed, a finished and short cause; null if it did not.</summary>
    public string? Error { get; private set; }

    /// <summary>When the next look is due, as a timestamp of the clock.</summary>
    public long NextLookAt { get; private set; } = long.MinValue;

    /// <summary>
    /// The destinations that may not be written to now. What may be written to again counts as not released from now on, since
    /// whoever asks for this is about to write there.
    /// </summary>
    public ImmutableArray<Claim> TakeForbidden()
    {
        lock (_sync)
        {
            ImmutableArray<Claim> forbidden = [.. _claims.Where(claim => !claim.IsHeld)];
            _released = _released.Intersect(forbidden.Select(claim => claim.Destination.Prefix));
            return forbidden;
        }
    }

    /// <summary>Says what is not written to any more.</summary>
    /// <param name="claims">What <see cref="TakeForbidden"/> has given.</param>
    public void Release(IEnumerable<Claim> claims)
    {
        lock (_sync)
        {
            _released = _released.Union(claims.Select(claim => claim.Destination.Prefix));
            if (_claims.Any(claim => claim.State == ClaimState.Yielding && _released.Contains(claim.Destination.Prefix)))
            {
                NextLookAt = time.GetTimestamp();
            }
        }
    }

    /// <summary>Looks at the file. What fails is no exception.</summary>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>Whether there is anything new.</returns>
    public async Task<bool> LookAsync(CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(CancellationToken.None).ConfigureAwait(false);
        try
        {
            return await LookInTurnAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Takes over the claims to more destinations of the same place, which were looked at apart.</summary>
    /// <param name="others">Those claims; nobody looks at them any more.</param>
    public void Adopt(PlaceClaims others)
    {
        lock (_sync)
        {
            _claims = [.. _claims, .. others.Claims];
            _released = _released.Union(others._released);
        }

        others.Dispose();
    }

    /// <summary>Lets go of destinations to which nothing is written any more.</summary>
    /// <param name="prefixes">The destinations' <see cref="ClaimedDestination.Prefix"/>.</param>
    /// <param name="cancellationToken">Ends it; then others find them not to be renewed.</param>
    /// <exception cref="StoreException">It could not be told.</exception>
    public async Task LeaveAsync(IReadOnlySet<string> prefixes, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            bool isLast;
            lock (_sync)
            {
                _claims = [.. _claims.Where(claim => !prefixes.Contains(claim.Destination.Prefix))];
                isLast = _claims.IsEmpty;
            }

            await ChangeAsync(file => file.Find(self) is not { } own ? file : isLast ? file.Without(self) : file.With(prefixes.Aggregate(own, (left, prefix) => left.Without(prefix))), cancellationToken)
                .ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    private async Task<bool> LookInTurnAsync(CancellationToken cancellationToken)
    {
        var (before, errorBefore) = (Claims, Error);
        var started = time.GetTimestamp();
        var wait = MaxRetryDelay;
        try
        {
            using var timeout = new CancellationTokenSource(LookTimeout, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
            await TryLookAsync(either.Token).ConfigureAwait(false);
            lock (_sync)
            {
                _trustedUntil = started + ToTimestamp(ClaimRules.Trust);
            }

            Error = null;
            _retryDelay.Reset();
            var isBrief = Claims.Any(claim => claim.State is ClaimState.Waiting or ClaimState.Yielding);
            wait = (isBrief ? BriefInterval : LookInterval) - time.GetElapsedTime(started);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return false;
        }
        catch (Exception ex)
        {
            Error = ex switch
            {
                FormatException => $"{WritersFile.Name} cannot be read ({ex.Message.TrimEnd('.')}); delete it",

                // In Go's words, by which its cause is known.
                OperationCanceledException => "context deadline exceeded",
                StoreException { Fault: StoreFault.Refused } refused => $"{place.FileName}: {refused.Message}",
                _ => ex.Message,
            };
            wait = _retryDelay.Next();
        }

        NextLookAt = time.GetTimestamp() + ToTimestamp(wait);
        return Error != errorBefore || !Claims.SequenceEqual(before);
    }

    /// <summary>When writing is to stop unless a look succeeds, as a timestamp of the clock; the greatest one if nothing is written.</summary>
    public long TrustedUntil
    {
        get
        {
            lock (_sync)
            {
                return _claims.Any(IsWritten) ? _trustedUntil : long.MaxValue;
            }
        }
    }

    /// <summary>Forbids to write, since no look has succeeded for too long.</summary>
    public void StopTrusting()
    {
        lock (_sync)
        {
            _claims = [.. _claims.Select(claim => IsWritten(claim) ? claim with { State = ClaimState.Unproven } : claim)];
        }
    }

    /// <summary>Takes this Datasette out of the file.</summary>
    /// <exception cref="StoreException">It could not.</exception>
    public async Task LeaveAsync(CancellationToken cancellationToken)
    {
        await ChangeAsync(
            file =>
            {
                var left = file.Without(self);
                return left.Writers.Length == file.Writers.Length ? file : left;
            },
            cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _store?.Dispose();
        _turn.Dispose();
    }

    private async Task TryLookAsync(CancellationToken cancellationToken)
    {
        var next = Claims;
        await ChangeAsync(
            file =>
            {
                lock (_sync)
                {
                    // Even if the look fails, after the question was written.
                    _claims = _rules.ForgetUnasked(file, _claims);
                    (file, next) = _rules.Look(file, _claims, _released);
                    return file;
                }
            },
            cancellationToken).ConfigureAwait(false);
        var now = time.GetTimestamp();
        lock (_sync)
        {
            var looked = next.ToDictionary(claim => claim.Destination.Prefix, claim => claim.Seen is { Since: long.MaxValue } seen ? claim with { Seen = seen with { Since = now } } : claim, StringComparer.Ordinal);

            // Others may have been adopted meanwhile.
            _claims = [.. _claims.Select(claim => looked.GetValueOrDefault(claim.Destination.Prefix, claim))];
        }
    }

    /// <summary>Reads the file, and writes it if it is to be another one.</summary>
    private async Task ChangeAsync(Func<WritersFile, WritersFile> change, CancellationToken cancellationToken)
    {
        _store ??= open(place);
        for (var conflicts = 0; conflicts < MaxConflicts; conflicts++)
        {
            StoredContent? read = null;
            StoreException? refusal = null;
            try
            {
                read = await _store.ReadAsync(WritersFile.Name, cancellationToken).ConfigureAwait(false);
            }
            catch (StoreException ex) when (ex.Fault == StoreFault.Refused)
            {
                // S3 does not tell a key that may not list the bucket that there is no such file. If there is one, it is not replaced.
                refusal = ex;
            }

            var before = read is null ? WritersFile.Empty : WritersFile.Parse(read.Content);
            var after = change(before);
            if (after != before && await WriteAsync(_store, after.ToJson(), read?.Version, mayReplace: refusal is null, cancellationToken).ConfigureAwait(false))
            {
                return;
            }

            if (refusal is not null)
            {
                throw refusal;
            }

            if (after == before)
            {
                return;
            }
        }

        throw new StoreException($"other Datasettes write {WritersFile.Name} all the time");
    }

    private async Task<bool> WriteAsync(IStore store, byte[] content, string? version, bool mayReplace, CancellationToken cancellationToken)
    {
        try
        {
            return await store.WriteIfAsync(WritersFile.Name, content, version, cancellationToken).ConfigureAwait(false) is not null;
        }
        catch (StoreException ex) when (mayReplace && ex.Fault == StoreFault.Unconditional)
        {
            // Two that write within a moment cannot be told apart there; whoever comes later wins, and the other one sees it.
            using var bytes = new MemoryStream(content, writable: false);
            await store.WriteAsync(WritersFile.Name, bytes, time.GetUtcNow(), cancellationToken).ConfigureAwait(false);
            return true;
        }
    }

    private static bool IsWritten(Claim claim) => claim.State is ClaimState.Held or ClaimState.Yielding;

    private long ToTimestamp(TimeSpan span) => (long)(span.TotalSeconds * time.TimestampFrequency);
}
