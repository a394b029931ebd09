using System.Collections.Immutable;

namespace Datasette.Litestream.Writers;

/// <summary>
/// The rules by which the Datasettes that share a <see cref="WritersFile"/> get along. Who finds a prefix held by another one asks
/// for it in the file. Who holds it looks at the file every 10 s, and shows in it that it has seen the question, until Litestream
/// has made its last sync and has ended; then it lets go, and never asks again. Who shows nothing for 30 s after the question is
/// taken to be gone. Who has not been able to look for 20 s stops writing, so that it has stopped when it can be taken to be gone.
/// Only times of one clock are compared with each other, and a clock that is set does no harm.
/// </summary>
/// <param name="self">This Datasette.</param>
/// <param name="time">The clock.</param>
/// <param name="ended">
/// The writers that have let go of the lock of a database here, or died: whoever has that lock now knows this, from another container too.
/// </param>
internal sealed class ClaimRules(WriterIdentity self, TimeProvider time, ImmutableHashSet<Guid> ended)
{
    /// <summary>How long who holds a prefix may show nothing.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>How old a look may be on which writing relies; what is left until <see cref="Patience"/> is for Litestream's end.</summary>
    public static readonly TimeSpan Trust = TimeSpan.FromSeconds(20);

    /// <summary>What one look makes of the file and the claims.</summary>
    /// <param name="file">What the file says.</param>
    /// <param name="claims">The claims before.</param>
    /// <param name="released">The prefixes to which nothing is written here any more.</param>
    /// <returns>The file as it is to be written, unless it is the same, and the claims when that has succeeded.</returns>
    public (WritersFile File, ImmutableArray<Claim> Claims) Look(WritersFile file, ImmutableArray<Claim> claims, ImmutableHashSet<string> released)
    {
        var after = ImmutableArray.CreateBuilder<Claim>(claims.Length);
        foreach (var claim in claims)
        {
            var prefix = claim.Destination.Prefix;
            if (file.FindAsker(prefix, self) is { } dead && dead.Identity.IsKnownToHaveEnded(self))
            {
                file = file.With(dead with { Asks = dead.Asks.Remove(prefix) });
            }

            (file, var next) = claim.State == ClaimState.Lost ? (file, claim)
                : file.Find(self)?.Holds.ContainsKey(prefix) == true ? LookAtOwn(file, claim, released.Contains(prefix))
                : claim.IsInFile ? LookAfterLoss(file, claim)
                : LookAtOther(file, claim);
            after.Add(next);
        }

        // However many are asked for, one sign is enough.
        if (after.Any(claim => claim.State == ClaimState.Yielding) && file.Find(self) is { } own)
        {
            file = file.With(own with { Answers = own.Answers + 1 });
        }

        return (file, after.ToImmutable());
    }

    /// <summary>
    /// Forgets what was seen of a holder where this Datasette does not ask for its prefix in the file: only what is shown, or not, after the
    /// question counts. Somebody else may have taken the prefix meanwhile, with all questions.
    /// </summary>
    public ImmutableArray<Claim> ForgetUnasked(WritersFile file, ImmutableArray<Claim> claims)
    {
        var asks = file.Find(self)?.Asks;
        return [.. claims.Select(claim => claim.Seen is not null && asks?.Contains(claim.Destination.Prefix) != true ? claim with { Seen = null } : claim)];
    }

    private (WritersFile File, Claim Claim) LookAtOwn(WritersFile file, Claim claim, bool isReleased)
    {
        if (file.FindAsker(claim.Destination.Prefix, self) is not { } asker)
        {
            return (file, claim with { State = ClaimState.Held, IsInFile = true, Other = null, TakenFrom = null, Seen = null });
        }

        var other = $"{asker.Identity}";
        return claim.State == ClaimState.Yielding && isReleased
            ? (file.With(file.Find(self)!.Without(claim.Destination.Prefix)), claim with { State = ClaimState.Lost, IsInFile = false, Other = other })
            : (file, claim with { State = ClaimState.Yielding, IsInFile = true, Other = other });
    }

    private (WritersFile File, Claim Claim) LookAfterLoss(WritersFile file, Claim claim)
    {
        var prefix = claim.Destination.Prefix;
        var other = file.FindHolder(prefix, self) is { } holder ? $"{holder.Identity}" : file.Find(self)?.Taken.GetValueOrDefault(prefix)?.By;

        // Otherwise the file was deleted, and nobody has come since.
        return other is null ? Take(file, claim, from: null, isForced: false)
            : (file, claim with { State = ClaimState.Lost, IsInFile = false, Other = other });
    }

    private (WritersFile File, Claim Claim) LookAtOther(WritersFile file, Claim claim)
    {
        var prefix = claim.Destination.Prefix;
        if (file.FindHolder(prefix, self) is not { } holder)
        {
            return Take(file, claim, claim.Other, isForced: false);
        }

        // Litestream may outlive its Datasette. Who starts on the same database has ended it.
        if (holder.Identity.IsKnownToHaveEnded(self) && holder.Holds[prefix] == claim.Destination.DatabasePath)
        {
            return Take(file.Without(holder.Identity), claim, from: null, isForced: false);
        }

        if (ended.Contains(holder.Identity.Id))
        {
            return Take(file, claim, from: null, isForced: false);
        }

        var own = file.Find(self) ?? new WriterRecord(self);
        var hasAsked = own.Asks.Contains(prefix);
        var isUnchanged = claim.Seen is { } seen && (seen.Holder, seen.Answers) == (holder.Identity.Id, holder.Answers);
        return isUnchanged && time.GetElapsedTime(claim.Seen!.Since) >= Patience
            ? Take(file, claim, $"{holder.Identity}", isForced: true)
            : (hasAsked ? file : file.With(own with { Asks = own.Asks.Add(prefix) }), claim with
            {
                State = ClaimState.Waiting,
                Other = $"{holder.Identity}",

                // From after the look on, since the holder may have shown something just before it.
                Seen = isUnchanged ? claim.Seen : new Claim.Sight(holder.Identity.Id, holder.Answers, Since: long.MaxValue),
            });
    }

    private (WritersFile File, Claim Claim) Take(WritersFile file, Claim claim, string? from, bool isForced) => (
        file.Take(claim.Destination.Prefix, self, claim.Destination.DatabasePath, time.GetUtcNow()),
        claim with { State = ClaimState.Held, IsInFile = true, Other = null, TakenFrom = from, IsForced = isForced, Seen = null });
}
