using System.Diagnostics;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Tests.Configuration;
using YamlDotNet.RepresentationModel;

namespace Datasette.Litestream.Tests.Litestream;

/// <summary>
/// <c>Golden/NAME.json</c> is what Datasette says, <c>NAME.0.3.yml</c> and <c>NAME.0.5.yml</c> are what each release line
/// of Litestream gets; the file is not there where the release line cannot do it.
/// </summary>
[TestClass]
public sealed class GoldenSpecs
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
        var planned = Plans.Of(Plans.Read(File.ReadAllText(Path.Combine(Folder, $"{name}.json"))));
        planned.AssertProblems();
        var version = releaseLine == "0.3" ? Planned.V03 : Planned.V05;
        planned.Check(version);
        var actual = planned.Problems.Count == 0 ? planned.Yaml(version.ReleaseLine!.Value) : null;

        var path = Path.Combine(Folder, $"{name}.{releaseLine}.yml");
        var expected = File.Exists(path) ? File.ReadAllText(path) : null;

        Assert.AreEqual(expected, actual, string.Join('\n', planned.Problems));
    }

    [TestMethod]
    [DynamicData(nameof(Documents))]
    public async Task Litestream_reads_it(string document)
    {
        var isOld = document.EndsWith("0.3", StringComparison.Ordinal);
        var name = isOld ? Environment.GetEnvironmentVariable("LITESTREAM_03_BINARY") ?? "litestream-0.3.13" : "litestream";
        var binary = SearchPath.Find(name, new Dictionary<string, string> { ["PATH"] = Environment.GetEnvironmentVariable("PATH") ?? "" });
        if (binary is null)
        {
            Assert.Inconclusive($"skipped: no {name} on PATH; install it from https://litestream.io/install/");
        }

        var path = Path.Combine(Folder, $"{document}.yml");
        using var litestream = Process.Start(new ProcessStartInfo(
            binary, ["databases", "-config", path, "-no-expand-env"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var errors = litestream.StandardError.ReadToEndAsync();
        var output = await litestream.StandardOutput.ReadToEndAsync();
        await litestream.WaitForExitAsync();

        // A Litestream may be built without the storage that it has no use for.
        if ((await errors).Contains("replica type", StringComparison.Ordinal))
        {
            Assert.Inconclusive($"skipped: this {name} lacks a replica type: {errors.Result.Trim()}");
        }

        Assert.AreEqual(0, litestream.ExitCode, errors.Result);
        var yaml = new YamlStream();
        yaml.Load(new StringReader(await File.ReadAllTextAsync(path)));
        foreach (var database in (YamlSequenceNode)yaml.Documents.Single().RootNode["dbs"])
        {
            Assert.Contains($"{database["path"]} ", output);
        }
    }
}
