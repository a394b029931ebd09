using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;

namespace Datasette.Litestream.Replicas;

/// <summary>
/// The LTX files at a destination, as Litestream lists them. What it says of a restore comes from the names alone: a cheap first
/// look. Litestream's own judgement is that of the probe.
/// </summary>
internal sealed class LtxInventory
{
    private readonly IReadOnlyList<LtxName>[] _levels;

    private LtxInventory(ImmutableArray<LtxFileInfo> files)
    {
        Files = files;
        _levels = [.. Enumerable.Range(0, LtxName.LevelCount)
            .Select(level => files.Where(file => file.Level == level).Select(file => file.Name).OrderBy(name => name.Min).ThenBy(name => name.Max).ToList())];
        var chain = new RestoreChain();
        chain.Find(_levels);
        RestorableUpTo = chain.Reach > 0 ? chain.Reach : null;
        Snapshot = chain.Snapshot;
        HasGap = chain.ResumesAt is not null;
        HighestTxid = files.Select(file => file.MaxTxid).DefaultIfEmpty().Max();
    }

    /// <summary>The files in the order of the list, which is that of the levels.</summary>
    public ImmutableArray<LtxFileInfo> Files { get; }

    /// <summary>The highest transaction of all levels; 0 if there is no file.</summary>
    public ulong HighestTxid { get; }

    /// <summary>The last transaction that a restore of the newest point gives; null if nothing can be restored.</summary>
    public ulong? RestorableUpTo { get; }

    /// <summary>The last transaction of the snapshot that the restore begins with; 0 if there is none.</summary>
    public ulong Snapshot { get; }

    /// <summary>Whether there is a later file that does not follow, so that Litestream refuses to restore the newest point.</summary>
    public bool HasGap { get; }

    /// <summary>The highest transaction of a level; 0 if it has no file.</summary>
    public ulong HighestOf(int level) => Files.Where(file => file.Level == level).Select(file => file.MaxTxid).DefaultIfEmpty().Max();

    /// <summary>
    /// Whether the files of level 0 that wait for being merged follow each other: where one is missing, Litestream merges none of them
    /// ever, even where a later snapshot makes everything restorable. Source: <c>Compact</c> in Litestream's compactor.go, v0.5.17.
    /// </summary>
    public bool CanBeMerged
    {
        get
        {
            var merged = HighestOf(1);
            var waiting = _levels[0].Where(file => file.Min > merged).ToList();
            return waiting.Zip(waiting.Skip(1)).All(pair => pair.First.Max + 1 == pair.Second.Min);
        }
    }

    /// <summary>How far back and how finely one can go; null if nothing can be restored.</summary>
    /// <param name="at">When it was listed.</param>
    public RestorePoints? FindPoints(DateTimeOffset at)
    {
        var times = Files.DistinctBy(file => file.Name).ToDictionary(file => file.Name, file => file.At);
        return RestorePoints.Find(_levels, RestorableUpTo ?? 0, name => times[name], at);
    }

    /// <summary>Reads the answer of <c>litestream ltx -level all -json</c>. Source: cmd/litestream/ltx.go, v0.5.17.</summary>
    /// <param name="json">UTF-8.</param>
    /// <exception cref="JsonException">It is not such an answer.</exception>
    public static LtxInventory Parse(ReadOnlyMemory<byte> json)
    {
        using var document = JsonDocument.Parse(json);
        return Parse(document.RootElement);
    }

    /// <summary>Reads a list of files, of which <c>litestream restore -dry-run -json</c> has one too.</summary>
    /// <inheritdoc cref="Parse(ReadOnlyMemory{byte})"/>
    public static LtxInventory Parse(JsonElement list)
    {
        try
        {
            return new LtxInventory([.. list.EnumerateArray().Select(ParseFile)]);
        }
        catch (Exception ex) when (ex is InvalidOperationException or KeyNotFoundException or FormatException)
        {
            throw new JsonException("This is no list of LTX files.", ex);
        }
    }

    private static LtxFileInfo ParseFile(JsonElement file) => new(
        file.GetProperty("level").GetInt32() is var level and >= 0 and < LtxName.LevelCount ? level : throw new FormatException("level"),
        ReadTxid(file, "min_txid"),
        ReadTxid(file, "max_txid"),
        file.GetProperty("size").GetInt64(),
        DateTimeOffset.Parse(file.GetProperty("timestamp").GetString()!, CultureInfo.InvariantCulture));

    /// <summary>Reads a transaction id of an answer.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public static ulong ReadTxid(JsonElement answer, string property) =>
        LtxName.TryParse(answer.GetProperty(property).GetString(), out var txid) ? txid : throw new FormatException(property);
}
