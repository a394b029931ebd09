using System.Text.RegularExpressions;
using YamlDotNet.Serialization;

namespace Datasette.Litestream.Tests.Configuration;

/// <summary>The examples on the page that says that the plugin is not configured.</summary>
[TestClass]
public sealed partial class FirstPageSpecs
{
    [TestMethod]
    public void Its_examples_are_configurations()
    {
        var page = File.ReadAllText(RepositoryRoot.Find("python/datasette_litestream/templates/litestream_unconfigured.html"));
        var examples = Examples().Matches(page).Select(match => match.Groups["yaml"].Value).ToList();
        Assert.HasCount(2, examples);
        string[] destinations = ["/mnt/backup/parks", "s3://my-bucket/parks"];
        foreach (var (example, destination) in examples.Zip(destinations))
        {
            var settings = (IDictionary<object, object>)new Deserializer().Deserialize<Dictionary<string, Dictionary<string, object>>>(example)["plugins"]["datasette-litestream"];

            // Datasette resolves {$env: NAME} before.
            var json = EnvironmentVariable().Replace(new SerializerBuilder().JsonCompatible().Build().Serialize(settings), "\"fake\"");
            Assert.AreEqual(destination, Plans.From(json).Sound.Databases.Single().Replicas.Single().Destination);
        }
    }

    [GeneratedRegex("<pre[^>]*>(?<yaml>plugins:.*?)</pre>", RegexOptions.Singleline)]
    private static partial Regex Examples();

    [GeneratedRegex("""\{"\$env": "[A-Z0-9_]+"\}""")]
    private static partial Regex EnvironmentVariable();
}
