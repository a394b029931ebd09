using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Processes;

namespace Datasette.Litestream.Proving;

/// <summary>
/// The drills of a database of the last 90 days, kept over restarts in <c>datasette-litestream-drills.json</c> in <c>.NAME-litestream</c>
/// beside it, whatever <c>meta-path</c> says. It contains no secret. The process that replicates the database writes it; any may read it.
/// </summary>
internal sealed record DrillLog(ImmutableDictionary<string, ImmutableArray<DrillResult>> Drills)
{
    /// <summary>How long drills are kept.</summary>
    public static readonly TimeSpan Kept = TimeSpan.FromDays(90);

    /// <summary>So many are kept for each destination: one for each hour.</summary>
    private const int MaxDrills = 90 * 24;

    private const string FileName = "datasette-litestream-drills.json";

    /// <summary>The drills of a destination, oldest first.</summary>
    public ImmutableArray<DrillResult> Of(ReplicaPlan replica) => Drills.GetValueOrDefault(replica.Destination, []);

    /// <summary>Reads the log of a database; it is empty if there is none, or it cannot be read.</summary>
    public static DrillLog Read(DatabasePlan database) => AtomicFile.ReadJson(
        PathOf(database), json => new DrillLog(json.Deserialize(DrillLogJson.Default.ImmutableDictionaryStringImmutableArrayDrillResult)!))
        ?? new DrillLog(ImmutableDictionary<string, ImmutableArray<DrillResult>>.Empty);

    /// <summary>A copy with one more drill, and without those that are too old.</summary>
    private DrillLog With(ReplicaPlan replica, DrillResult result) => new(Drills.SetItem(
        replica.Destination,
        [.. Of(replica).Where(drill => drill.At != result.At).Append(result).Where(drill => result.At - drill.At < Kept).TakeLast(MaxDrills)]));

    /// <summary>When the log of a database was last written; null if there is none.</summary>
    public static DateTimeOffset? WrittenAt(DatabasePlan database) => FileStatus.Look(PathOf(database)).Status?.ModifiedAt;

    /// <summary>Adds a drill to the log of a database, or replaces what was known of it before it was over. Who does so at the same time may lose one.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be written.</exception>
    public static void Add(DatabasePlan database, ReplicaPlan replica, DrillResult result) => AtomicFile.Write(
        PathOf(database),
        JsonSerializer.SerializeToUtf8Bytes(Read(database).With(replica, result).Drills, DrillLogJson.Default.ImmutableDictionaryStringImmutableArrayDrillResult));

    private static string PathOf(DatabasePlan database) => Path.Combine(LitestreamFolder.Of(database.Path), FileName);
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ImmutableDictionary<string, ImmutableArray<DrillResult>>))]
internal sealed partial class DrillLogJson : JsonSerializerContext;
