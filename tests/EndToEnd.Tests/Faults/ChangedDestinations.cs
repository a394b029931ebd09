using System.Text.Json.Nodes;

namespace Datasette.Litestream.EndToEnd.Faults;

/// <summary>A database whose destinations are changed while Datasette is down; everything that could be restored must stay so.</summary>
internal sealed class ChangedDestinations : MirroredDatabase
{
    private readonly HashSet<string> _kept = [];

    private ChangedDestinations(string[] destinations)
        : base(destinations) => Settings = new JsonObject { ["l0-retention"] = "1h" };

    /// <summary>Replicates it to some destinations for a while, and stops.</summary>
    public static async Task<ChangedDestinations> OfAsync(params string[] destinations)
    {
        var parks = new ChangedDestinations(destinations);
        await parks.RunAsync("as it is");
        return parks;
    }

    /// <summary>Replicates it as it is now for a while, stops, and fails if anything cannot be restored that could be before.</summary>
    /// <param name="what">What was changed.</param>
    /// <param name="mayMoveAside">
    /// Whether there is something of another history, or that cannot be shown not to be: it is kept beside, and nothing else is.
    /// </param>
    public async Task RunAsync(string what, bool mayMoveAside = false)
    {
        try
        {
            await StartAsync();
            await RememberAsync();
            await StopAsync();
            var aside = await AssertCanStillBeRestoredAsync();
            Assert.IsTrue(mayMoveAside || _kept.IsSupersetOf(aside), string.Join(", ", aside));
            _kept.UnionWith(aside);
        }
        catch (AssertFailedException ex)
        {
            throw new AssertFailedException($"{what}: {ex.Message}", ex);
        }
    }

    /// <summary>Fails if any of its destinations lacks anything at the end.</summary>
    public async Task EndAsync()
    {
        await StopWritingAsync();
        await StartAsync();
        await AllCatchUpAsync();
        await StopAsync();
        await AssertAllHaveEverythingAsync();
    }
}
