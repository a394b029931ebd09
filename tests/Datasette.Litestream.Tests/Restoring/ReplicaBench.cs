using System.Globalization;
using System.Text.Json;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Restoring;
using Datasette.Litestream.Stores;
using Datasette.Litestream.Tests.Configuration;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Restoring;

/// <summary>A destination with empty files of certain names and times, all of which lie after <see cref="Start"/>, in seconds.</summary>
internal sealed class ReplicaBench : IDisposable
{
    /// <summary>A full minute long ago.</summary>
    public static readonly DateTimeOffset Start = new(2026, 5, 1, 12, 0, 0, TimeSpan.Zero);

    private readonly StoreFactory _stores = new(() => new Dictionary<string, string>(), TimeProvider.System);

    public ReplicaBench()
    {
        Directory.CreateDirectory(Folder["replica"]);
        Plan = Plans.Of(new DatasetteConfiguration(
            Folder.Path,
            JsonElement.Parse(new Dictionary<string, string> { ["all-replicate"] = $"file://{Folder["replica"]}" }.ToJson()),
            new Dictionary<string, JsonElement>(),
            [new AttachedDatabase("parks", Folder["parks.db"], IsMutable: true)])).Sound;
    }

    public TemporaryFolder Folder { get; } = new();

    public ReplicationPlan Plan { get; }

    public DatabasePlan Database => Plan.Databases.Single();

    /// <summary>Adds a file of Litestream 0.5.</summary>
    public void Ltx(int level, ulong min, ulong max, double at) =>
        Write(string.Create(CultureInfo.InvariantCulture, $"ltx/{level}/{min:x16}-{max:x16}.ltx"), at);

    /// <summary>Adds a file of Litestream 0.3.</summary>
    /// <param name="generation">The last digit of its generation.</param>
    /// <param name="name">Its name in there.</param>
    /// <param name="at">Its time.</param>
    public void Segment(int generation, string name, double at) => Write($"generations/000000000000000{generation}/{name}.lz4", at);

    /// <summary>The state that is found for a time in seconds after <see cref="Start"/>; the newest without one.</summary>
    public Task<RestorePoint> FindAsync(double? at, ReleaseLine releaseLine = ReleaseLine.V05) =>
        FindAsync(at is { } seconds ? new RestoreTarget.AtTime(Start.AddSeconds(seconds)) : RestoreTarget.Newest, releaseLine);

    public async Task<RestorePoint> FindAsync(RestoreTarget target, ReleaseLine releaseLine = ReleaseLine.V05)
    {
        var command = new LitestreamCommand("/none", () => new Dictionary<string, string>(), text => text, TimeProvider.System, releaseLine);
        using var destination = new Destination(Database, Database.Primary, _stores, command, releaseLine, TimeProvider.System);
        return await new PointFinder(destination, releaseLine).FindAsync((await destination.ListAsync(CancellationToken.None))!, target, CancellationToken.None);
    }

    public void Dispose()
    {
        _stores.Dispose();
        Folder.Dispose();
    }

    private void Write(string name, double at)
    {
        var path = Path.Combine(Folder["replica"], name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, "");
        File.SetLastWriteTimeUtc(path, Start.AddSeconds(at).UtcDateTime);
    }
}
