using NetArchTest.Rules;

namespace Datasette.Litestream.Tests;

/// <summary>
/// Checks the dependencies between namespaces, which point in one direction only, so that a change of one affects few others.
/// </summary>
[TestClass]
public sealed class ArchitectureSpecs
{
    private const string Root = "Datasette.Litestream";

    /// <summary>
    /// Each namespace, and the namespaces that it may use. Types outside of them, such as the bridge, may use all and be used
    /// by none.
    /// </summary>
    private static readonly Dictionary<string, string[]> Layers = new()
    {
        ["Errors"] = [],
        ["Logging"] = [],
        ["Processes"] = ["Errors"],
        ["SqliteFiles"] = ["Processes"],
        ["Secrets"] = ["Errors"],
        ["Configuration"] = ["Errors", "Logging", "Secrets"],
        ["Credentials"] = ["Errors", "Processes"],
        ["Locking"] = ["Errors", "Processes", "Litestream"],
        ["Litestream"] = ["Errors", "Processes", "Secrets", "Configuration"],
        ["Replicas"] = ["Errors", "Processes", "Secrets", "Configuration", "Litestream"],
        ["Writers"] = ["Errors", "Processes", "Configuration", "Stores"],
        ["Stores"] = ["Errors", "Processes", "Secrets", "Configuration", "Locking", "Litestream", "Replicas"],
        ["Mirrors"] = ["Errors", "Processes", "Secrets", "Configuration", "Litestream", "Replicas", "Stores"],
        ["Proving"] = ["Errors", "Processes", "SqliteFiles", "Configuration", "Litestream", "Replicas", "Restoring"],
        ["Daemon"] = ["Errors", "Processes", "SqliteFiles", "Configuration", "Litestream"],
        ["Notification"] = ["Errors", "Logging"],
        ["Observation"] = ["Errors", "Processes", "SqliteFiles", "Secrets", "Configuration", "Credentials", "Litestream", "Replicas", "Mirrors", "Proving", "Daemon", "Writers"],
        ["Manual"] = ["Errors", "Configuration", "Litestream", "Replicas", "Restoring", "Proving", "Daemon", "Observation"],
        ["Admission"] = ["Errors", "Processes", "SqliteFiles", "Configuration", "Litestream", "Replicas", "Restoring", "Observation"],
        ["Attaching"] = ["Errors", "Configuration", "Daemon", "Observation"],
        ["Commands"] =
        [
            "Errors", "Processes", "SqliteFiles", "Secrets", "Configuration", "Credentials", "Locking", "Litestream", "Replicas", "Stores", "Restoring",
            "Admission", "Proving", "Standby", "Observation", "Reporting",
        ],
        ["Restoring"] = ["Errors", "Processes", "SqliteFiles", "Configuration", "Locking", "Litestream", "Replicas", "Stores"],
        ["Healing"] = ["Errors", "SqliteFiles", "Configuration", "Litestream", "Replicas", "Stores", "Daemon", "Observation"],
        ["Standby"] = ["Errors", "Processes", "Configuration", "Locking", "Litestream", "Daemon", "Observation", "Reporting"],
        ["Reporting"] = ["Logging", "Secrets", "Configuration", "Credentials", "Litestream", "Replicas", "Restoring", "Proving", "Daemon", "Observation", "Mirrors", "Writers", "Manual"],
    };

    public static IEnumerable<object[]> Names => Layers.Keys.Select(layer => new object[] { layer });

    [TestMethod]
    [DynamicData(nameof(Names))]
    public void A_namespace_uses_only_the_ones_below_it(string layer)
    {
        string[] forbidden = [.. Layers.Keys.Except([layer, .. Layers[layer]]).Select(other => $"{Root}.{other}"), .. TypesOutside()];
        var result = Types.InAssembly(typeof(Bridge).Assembly)
            .That().ResideInNamespace($"{Root}.{layer}")
            .ShouldNot().HaveDependencyOnAny(forbidden)
            .GetResult();
        Assert.IsTrue(result.IsSuccessful, string.Join('\n', result.FailingTypes.Select(type => $"{type.FullName}: {type.Explanation}")));
    }

    [TestMethod]
    public void Every_namespace_is_in_the_table()
    {
        var namespaces = typeof(Bridge).Assembly.GetTypes()
            .Select(type => type.Namespace).OfType<string>().Where(name => name.StartsWith($"{Root}.", StringComparison.Ordinal))
            .Select(name => name[(Root.Length + 1)..].Split('.')[0]).Distinct().Order(StringComparer.Ordinal).ToList();
        CollectionAssert.AreEqual(Layers.Keys.Order(StringComparer.Ordinal).ToList(), namespaces);
    }

    private static IEnumerable<string> TypesOutside() =>
        typeof(Bridge).Assembly.GetTypes().Where(type => type.Namespace == Root && !type.IsNested).Select(type => type.FullName!);
}
