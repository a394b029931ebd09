using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Datasette.Litestream.EndToEnd.Faults;

/// <summary>
/// A database with 50 transactions a second, replicated to several destinations, and restored from each of them again and again: each
/// restore must be the database at some moment of the last seconds. One thread writes; the test starts and stops Datasette.
/// </summary>
internal class MirroredDatabase : IAsyncDisposable
{
    private static readonly TimeSpan WriteInterval = TimeSpan.FromMilliseconds(20), RestoreInterval = TimeSpan.FromSeconds(Scale.IsFull ? 10 : 2);

    /// <summary>What the names of destinations begin with that are buckets, each at a server of its own; all others are folders.</summary>
    private const string S3 = "s3";

    /// <summary>How often a restore is tried while one waits for it.</summary>
    private static readonly TimeSpan CatchUpInterval = TimeSpan.FromSeconds(0.5);

    /// <summary>A restore must have everything that was committed this long before it began.</summary>
    private static readonly TimeSpan MaxAge = TimeSpan.FromSeconds(5);

    private readonly CancellationTokenSource _stopping = new();
    private readonly ConcurrentQueue<(long Id, DateTimeOffset At)> _rows = new();
    private readonly List<string> _problems = [];
    private readonly Task _writing;
    private readonly Dictionary<string, Bucket> _buckets = [];
    private readonly List<Moment> _moments = [];

    /// <param name="destinations">Their names, of which those that begin with <c>s3</c> are buckets.</param>
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

    /// <summary>Further settings of the plugin.</summary>
    public JsonObject Settings { get; init; } = [];

    /// <summary>How many restores were made.</summary>
    public int Restores { get; private set; }

    /// <summary>The greatest age of a restore.</summary>
    public TimeSpan Oldest { get; private set; }

    private long LastId => _rows.Select(row => row.Id).LastOrDefault();

    public static bool IsBucket(string destination) => destination.StartsWith(S3, StringComparison.Ordinal);

    public string Folder(string destination) => Workspace.Path(destination);

    /// <summary>What is between Datasette and a bucket, after the start.</summary>
    public TcpProxy ProxyOf(string destination) => _buckets[destination].Proxy;

    /// <summary>Deletes all that is at a destination.</summary>
    public async Task DeleteAsync(string destination)
    {
        if (IsBucket(destination))
        {
            await _buckets[destination].Server.DeleteAsync("parks");
        }
        else
        {
            // In one step, while files are written there.
            var gone = Workspace.Path($"gone-{destination}");
            Directory.Move(Folder(destination), gone);
            Directory.Delete(gone, recursive: true);
        }
    }

    /// <summary>Deletes what Litestream and the plugin remember beside the database, as a new container does.</summary>
    public void ForgetBesideDatabase() => Directory.Delete(Workspace.Path(".parks.db-litestream"), recursive: true);

    /// <summary>Starts Datasette.</summary>
    public async Task StartAsync()
    {
        foreach (var destination in Destinations.Where(destination => IsBucket(destination) && !_buckets.ContainsKey(destination)))
        {
            var server = await S3Server.StartAsync();
            _buckets[destination] = new Bucket(server, await server.CreateKeyAsync("TESTKEY", "a-secret-of-the-tests"), new TcpProxy(server.Endpoint));
        }

        var key = _buckets.Values.FirstOrDefault()?.Key;
        var environment = new Dictionary<string, string?>(key?.Variables ?? []) { ["DATASETTE_LITESTREAM_BINARY"] = RealParts.Litestream05 };
        var settings = new JsonObject(Settings.Concat(key is null ? [] : S3Key.Settings).Select(setting => KeyValuePair.Create(setting.Key, setting.Value?.DeepClone())));
        settings["shutdown-timeout"] = "5s";
        settings["all-replicate"] = new JsonArray([.. Destinations.Select(name =>
            (JsonNode)(IsBucket(name) ? S3Server.Url("parks", ProxyOf(name).Endpoint) : $"file://{Folder(name)}"))]);
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
                within ?? TimeSpan.FromSeconds(45),
                CatchUpInterval);
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
            var restored = await RestoreAsAnyoneAsync(destination, []);
            Assert.IsNull(restored.Damage, destination);
            Assert.IsTrue(restored.Rows.Contains(LastId), $"{destination} has {restored.Rows.Count} rows and not the last one, {LastId}");
            Assert.AreEqual(restored.Rows.Count, (int)restored.Rows.Max());
        }
    }

    /// <summary>Notes what can be restored of this moment, with everything that is committed now.</summary>
    public async Task RememberAsync()
    {
        await AllCatchUpAsync();
        var txid = Path.GetFileNameWithoutExtension(Directory.GetFiles(Workspace.Path(".parks.db-litestream/ltx/0"), "*.ltx").Max(StringComparer.Ordinal)!)[^16..];

        // Litestream restores no time that is after its last upload.
        var (at, known) = (DateTimeOffset.UtcNow, LastId);
        await Wait.UntilAsync(() => LastId > known, "another row is written");
        await AllCatchUpAsync();
        var (ofTime, ofTxid) = (await RestoreAsAnyoneAsync(Destinations[0], RestoredBackup.At(at)), await RestoreAsAnyoneAsync(Destinations[0], ["-txid", txid]));
        var moment = new Moment(at, txid, ofTime.Rows.Count, ofTxid.Rows.Count);
        Assert.IsGreaterThan(0, Math.Min(moment.Rows, moment.RowsOfTxid), $"{moment}; {ofTime}; {ofTxid}");
        _moments.Add(moment);
    }

    /// <summary>
    /// Asserts that each moment that could be restored before can be restored from a destination, or from what is kept beside one. Of a
    /// bucket Litestream restores no time from before its first upload there, and so that is done by the transaction.
    /// </summary>
    /// <returns>What is kept beside the destinations.</returns>
    public async Task<IReadOnlyList<string>> AssertCanStillBeRestoredAsync()
    {
        var places = new List<string>();
        foreach (var destination in Destinations)
        {
            places.AddRange(IsBucket(destination)
                ? (await _buckets[destination].Server.PrefixesAsync()).Where(prefix => prefix.StartsWith("parks", StringComparison.Ordinal)).Select(prefix => _buckets[destination].Server.Url(prefix))
                : Directory.GetDirectories(Workspace.Folder, $"{destination}*").Select(folder => $"file://{folder}"));
        }

        foreach (var moment in _moments)
        {
            var restored = await Task.WhenAll(places.Select(place => RestoreAsync(place, moment)));
            Assert.IsTrue(restored.Any(one => one.IsAsBefore), $"{moment}: {string.Join("; ", places.Zip(restored, (place, one) => $"{place}: {one.Backup}"))}");
        }

        return [.. places.Where(place => place.Contains(".replaced-", StringComparison.Ordinal))];

        async Task<(bool IsAsBefore, RestoredBackup Backup)> RestoreAsync(string place, Moment moment)
        {
            var environment = _buckets.Values.FirstOrDefault()?.Key.Environment;
            var backup = await RestoredBackup.OfAsync(RealParts.Litestream05, place, RestoredBackup.At(moment.At), environment);
            if (backup.Damage is null || place.StartsWith("file:", StringComparison.Ordinal))
            {
                return (backup.HasFirstRows(moment.Rows), backup);
            }

            backup = await RestoredBackup.OfAsync(RealParts.Litestream05, place, ["-txid", moment.Txid], environment);
            return (backup.HasFirstRows(moment.RowsOfTxid), backup);
        }
    }

    public async Task<RestoredBackup> RestoreAsync(string destination) => await RestoredBackup.OfAsync(
        RealParts.Litestream05,
        IsBucket(destination) ? await _buckets[destination].Server.CopyAsync("parks", Workspace.Path($"copies/{destination}")) : Folder(destination));

    /// <summary>Restores with Litestream alone, from the bucket itself if it is one.</summary>
    /// <param name="destination">The destination.</param>
    /// <param name="point">The arguments for the point to restore; none for the newest.</param>
    private Task<RestoredBackup> RestoreAsAnyoneAsync(string destination, string[] point) => IsBucket(destination)
        ? RestoredBackup.OfAsync(RealParts.Litestream05, _buckets[destination].Server.Url("parks"), point, _buckets[destination].Key.Environment)
        : RestoredBackup.OfAsync(RealParts.Litestream05, $"file://{Folder(destination)}", point);

    public async ValueTask DisposeAsync()
    {
        await StopWritingAsync();
        if (Datasette is not null)
        {
            await Datasette.DisposeAsync();
        }

        foreach (var (server, _, proxy) in _buckets.Values)
        {
            proxy.Dispose();
            server.Dispose();
        }

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
                    _problems.Add(string.Create(CultureInfo.InvariantCulture, $"{began:HH:mm:ss.f} {destination}: {age.TotalSeconds:0.0} s old (load {File.ReadAllText("/proc/loadavg").Split(' ')[0]})"));
                }
            }
        }
    }

    private void Write()
    {
        using var database = Workspace.Open("parks.db");
        var started = Stopwatch.GetTimestamp();
        for (var id = 1L; ; id++)
        {
            // Late rows are caught up.
            var due = (id * WriteInterval) - Stopwatch.GetElapsedTime(started);
            if (_stopping.Token.WaitHandle.WaitOne(due > TimeSpan.Zero ? due : TimeSpan.Zero))
            {
                return;
            }

            database.Execute($"insert into written (id, at) values ({id}, '{DateTimeOffset.UtcNow:O}')");
            _rows.Enqueue((id, DateTimeOffset.UtcNow));
        }
    }

    /// <summary>What could be restored at a time, and of the last transaction that had arrived just before.</summary>
    private sealed record Moment(DateTimeOffset At, string Txid, int Rows, int RowsOfTxid);

    /// <summary>A bucket at a server of its own.</summary>
    private sealed record Bucket(S3Server Server, S3Key Key, TcpProxy Proxy);
}
