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
internal sealed class DrillLog(Dictionary<string, List<DrillResult>> drills)
{
    /// <summary>How long drills are kept.</summary>
    public static readonly TimeSpan Kept = TimeSpan.FromDays(90);

    /// <summary>So many are kept for each destination: one for each hour.</summary>
    private const int MaxDrills = 90 * 24;

    private const string FileName = "datasette-litestream-drills.json";

    /// <summary>The drills of a destination, oldest first.</summary>
    public IReadOnlyList<DrillResult> Of(ReplicaPlan replica) => drills.GetValueOrDefault(replica.Destination, []);

    /// <summary>Reads the log of a database; it is empty if there is none, or it cannot be read.</summary>
    public static DrillLog Read(DatabasePlan database) => AtomicFile.ReadJson(
        PathOf(database), json => new DrillLog(json.Deserialize(DrillLogJson.Default.DictionaryStringListDrillResult)!)) ?? new DrillLog([]);

    /// <summary>When the log of a database was last written; null if there is none.</summary>
    public static DateTimeOffset? WrittenAt(DatabasePlan database) => FileStatus.Look(PathOf(database)).Status?.ModifiedAt;

    /// <summary>Adds a drill to the log of a database, or replaces what was known of it before it was over. Who does so at the same time may lose one.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be written.</exception>
    public static void Add(DatabasePlan database, ReplicaPlan replica, DrillResult result) => Read(database).Write(database, replica, result);

    private void Write(DatabasePlan database, ReplicaPlan replica, DrillResult result)
    {
        drills[replica.Destination] = [.. Of(replica).Where(drill => drill.At != result.At && result.At - drill.At < Kept).Append(result).TakeLast(MaxDrills)];
        AtomicFile.Write(PathOf(database), JsonSerializer.SerializeToUtf8Bytes(drills, DrillLogJson.Default.DictionaryStringListDrillResult));
    }

    private static string PathOf(DatabasePlan database) => Path.Combine(LitestreamFolder.Of(database.Path), FileName);
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(Dictionary<string, List<DrillResult>>))]
internal sealed partial class DrillLogJson : JsonSerializerContext;
