using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Tests.Configuration;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Litestream;

/// <summary>
/// <c>Golden/NAME.json</c> is Datasette's configuration, and <c>NAME.0.3.yml</c> and <c>NAME.0.5.yml</c> are the configurations
/// for each release line of Litestream. If a release line does not support it, <c>NAME.0.3.txt</c> or <c>NAME.0.5.txt</c> lists
/// the refused key paths instead.
/// </summary>
[TestClass]
public sealed partial class GoldenSpecs
{
    private static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "Golden");

    public static IEnumerable<object[]> Cases =>
        from path in Directory.EnumerateFiles(Folder, "*.json").Order()
        from releaseLine in new[] { "0.3", "0.5" }
        select new object[] { Path.GetFileNameWithoutExtension(path), releaseLine };

    public static IEnumerable<object[]> Documents =>
        from path in Directory.EnumerateFiles(Folder, "*.yml").Order()
        select new object[] { Path.GetFileNameWithoutExtension(path) };

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Litestream_gets_what_Datasette_says(string name, string releaseLine)
    {
        var planned = Plan(name, releaseLine);
        Assert.AreEqual(Read($"{name}.{releaseLine}.txt") ?? "", string.Concat(planned.Problems.Select(problem => $"{problem.Key}\n")));
        Assert.AreEqual(Read($"{name}.{releaseLine}.yml"), planned.Problems.Count == 0 ? planned.Yaml(VersionOf(releaseLine).ReleaseLine!.Value) : null);
    }

    [TestMethod]
    public void Each_file_belongs_to_what_Datasette_says()
    {
        var cases = Cases.Select(parts => $"{parts[0]}.{parts[1]}").ToHashSet();
        Assert.IsEmpty(Directory.EnumerateFiles(Folder).Where(path => !path.EndsWith(".json", StringComparison.Ordinal) && !cases.Contains(Path.GetFileNameWithoutExtension(path))));
        Assert.IsNotEmpty(cases);
    }

    [TestMethod]
    [DynamicData(nameof(Documents))]
    public async Task Litestream_reads_it(string document)
    {
        var (name, releaseLine) = (document[..^4], document[^3..]);
        var litestream = await RealLitestream.RequireAsync(releaseLine == "0.3" ? 3 : 5);
        using var listing = new StartedChild(litestream.Path, ["databases", "-config", Path.Combine(Folder, $"{document}.yml"), "-no-expand-env"]);
        Assert.AreEqual(0, (await listing.EndsAsync()).Code, listing.Errors);

        // One line per database with its path and the names of its replicas, or from 0.5 on the type of its only one.
        var version = VersionOf(releaseLine);
        var databases = LitestreamConfiguration.Create(Plan(name, releaseLine).Plan, version.ReleaseLine!.Value, "/run/litestream.sock")["dbs"]!.AsArray();
        CollectionAssert.AreEqual(
            databases.Select(database => $"{database!["path"]} {Replicas(database)}").ToArray(),
            listing.Output.TrimEnd('\n').Split('\n')[1..].Select(line => Columns().Replace(line, " ")).ToArray());

        static string Replicas(JsonNode database) => database["replica"] is { } replica
            ? TypeOf(replica)
            : string.Join(',', database["replicas"]!.AsArray().Select((replica, index) => (string?)replica!["name"] ?? $"replica-{index}"));
    }

    private static LitestreamVersion VersionOf(string releaseLine) => releaseLine == "0.3" ? Planned.V03 : Planned.V05;

    private static string TypeOf(JsonNode replica) => (string?)replica["type"] ?? ((string)replica["url"]!).Split(':')[0].Replace("webdavs", "webdav", StringComparison.Ordinal);

    private static string? Read(string file) => File.Exists(Path.Combine(Folder, file)) ? File.ReadAllText(Path.Combine(Folder, file)) : null;

    private static Planned Plan(string name, string releaseLine)
    {
        var planned = Plans.Of(Plans.Read(File.ReadAllText(Path.Combine(Folder, $"{name}.json"))));
        planned.AssertProblems();
        planned.Check(VersionOf(releaseLine));
        return planned;
    }

    [GeneratedRegex("  +")]
    private static partial Regex Columns();
}
