using NetArchTest.Rules;

namespace Datasette.Litestream.Tests;

/// <summary>Who may use whom: arrows point down, so that whoever changes a room knows which others to look into.</summary>
[TestClass]
public sealed class HouseSpecs
{
    private const string Root = "Datasette.Litestream";

    /// <summary>Each room, and the rooms that it may use; whatever is in none of them, such as the bridge, uses all and is used by none.</summary>
    private static readonly Dictionary<string, string[]> Rooms = new()
    {
        ["Errors"] = [],
        ["Logging"] = [],
        ["Processes"] = ["Errors"],
        ["Secrets"] = ["Errors"],
        ["Configuration"] = ["Errors", "Logging", "Secrets"],
        ["Credentials"] = ["Errors", "Processes"],
        ["Locking"] = ["Errors", "Processes", "Litestream"],
        ["Litestream"] = ["Errors", "Processes", "Secrets", "Configuration"],
        ["Daemon"] = ["Errors", "Processes", "Configuration", "Litestream"],
        ["Observation"] = ["Secrets", "Configuration", "Credentials", "Litestream", "Daemon"],
        ["Reporting"] = ["Logging", "Secrets", "Configuration", "Credentials", "Litestream", "Daemon", "Observation"],
    };

    public static IEnumerable<object[]> Names => Rooms.Keys.Select(room => new object[] { room });

    [TestMethod]
    [DynamicData(nameof(Names))]
    public void A_room_uses_only_what_is_below_it(string room)
    {
        string[] forbidden = [.. Rooms.Keys.Except([room, .. Rooms[room]]).Select(other => $"{Root}.{other}"), .. TypesOutside()];
        var result = Types.InAssembly(typeof(Bridge).Assembly)
            .That().ResideInNamespace($"{Root}.{room}")
            .ShouldNot().HaveDependencyOnAny(forbidden)
            .GetResult();
        Assert.IsTrue(result.IsSuccessful, string.Join('\n', result.FailingTypes.Select(type => $"{type.FullName}: {type.Explanation}")));
    }

    [TestMethod]
    public void Every_namespace_is_a_room_in_the_table()
    {
        var namespaces = typeof(Bridge).Assembly.GetTypes()
            .Select(type => type.Namespace).OfType<string>().Where(name => name.StartsWith($"{Root}.", StringComparison.Ordinal))
            .Select(name => name[(Root.Length + 1)..].Split('.')[0]).Distinct().Order(StringComparer.Ordinal).ToList();
        CollectionAssert.AreEqual(Rooms.Keys.Order(StringComparer.Ordinal).ToList(), namespaces);
    }

    private static IEnumerable<string> TypesOutside() =>
        typeof(Bridge).Assembly.GetTypes().Where(type => type.Namespace == Root && !type.IsNested).Select(type => type.FullName!);
}
