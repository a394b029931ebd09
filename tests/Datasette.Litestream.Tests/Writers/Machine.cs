using System.Collections.Immutable;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Stores;
using Datasette.Litestream.Tests.Configuration;
using Datasette.Litestream.Tests.Processes;
using Datasette.Litestream.Writers;

namespace Datasette.Litestream.Tests.Writers;

/// <summary>A machine with a Datasette that wants to write to some prefixes of a place, and that a test has look at it.</summary>
internal sealed class Machine
{
    private readonly TestClock _clock;

    public Machine(TestClock clock, string host, IStore store, params string[] prefixes)
        : this(clock, Identity(host, clock), store, prefixes)
    {
    }

    public Machine(TestClock clock, WriterIdentity identity, IStore store, params string[] prefixes)
        : this(clock, identity, store, [], prefixes)
    {
    }

    /// <param name="clock">The clock.</param>
    /// <param name="identity">Its name.</param>
    /// <param name="store">The place.</param>
    /// <param name="ended">Who is known to have let go.</param>
    /// <param name="prefixes">What it wants to write to.</param>
    public Machine(TestClock clock, WriterIdentity identity, IStore store, ImmutableHashSet<Guid> ended, params string[] prefixes)
    {
        (_clock, Identified) = (clock, identity);
        Claims = new PlaceClaims(Place(prefixes.Length == 0 ? ["parks"] : prefixes), identity, _ => store, clock, ended);
    }

    public WriterIdentity Identified { get; }

    public PlaceClaims Claims { get; }

    /// <summary>How it stands with its first prefix.</summary>
    public Claim Parks => Claims.Claims[0];

    public ClaimState State => Parks.State;

    public static WriterIdentity Identity(string host, TestClock clock, int process = 7) =>
        new(Guid.NewGuid(), host, new ProcessIdentity(process, 1, $"boot of {host}", "pid:[1]"), clock.Now);

    public static WritersPlace Place(params string[] prefixes)
    {
        var replica = Plans.FromReplica("file:///backup/parks").Plan.Databases[0].Replicas[0];
        return new WritersPlace(
            "/backup",
            replica, "/backup", [.. prefixes.Select(prefix => new ClaimedDestination($"file|/backup/{prefix}", prefix, prefix, $"/srv/{prefix}.db", $"/backup/{prefix}"))]);
    }

    /// <summary>Has it look once, and its Litestream begin to write what it may.</summary>
    public async Task<ClaimState> LookAsync()
    {
        await Claims.LookAsync(CancellationToken.None);
        Claims.TakeForbidden();
        return State;
    }

    /// <summary>Has it look after a time.</summary>
    public Task<ClaimState> LookAfterAsync(double seconds)
    {
        _clock.Advance(TimeSpan.FromSeconds(seconds));
        return LookAsync();
    }

    /// <summary>Has its Litestream end for what it may not write.</summary>
    public void EndLitestream() => Claims.Release(Claims.TakeForbidden());

    public override string ToString() => $"{Identified.Host}: {string.Join(", ", Claims.Claims.Select(claim => $"{claim.Destination.Prefix} {claim.State}"))}";
}
