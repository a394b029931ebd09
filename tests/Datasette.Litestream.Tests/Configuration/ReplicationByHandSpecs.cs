using System.Text.Json;
using Datasette.Litestream.Configuration;

namespace Datasette.Litestream.Tests.Configuration;

/// <summary>What is replicated by hand goes where the configuration says, and elsewhere only where that is allowed.</summary>
[TestClass]
public sealed class ReplicationByHandSpecs
{
    private const string Excluded = """{"all-replicate": "s3://maps/$DB_NAME", "exclude": ["parks"]}""";
    private const string Anywhere = """{"all-replicate": "s3://maps/$DB_NAME", "exclude": ["parks"], "runtime-replicas": true}""";

    [TestMethod]
    [DataRow(null)]
    [DataRow("s3://maps/$DB_NAME")]
    [DataRow("s3://maps/parks")]
    [DataRow("s3://maps/x/../parks/")]
    public void What_the_configuration_names_is_allowed(string? replica) =>
        Assert.AreEqual("maps/parks", Plan(Excluded, replica).Databases.Single().Primary.Place);

    [TestMethod]
    [DataRow(Excluded, "s3://elsewhere/parks", "is no destination that the configuration names for this database; runtime-replicas: true")]
    [DataRow(Anywhere, "s3://elsewhere/$SECRET", "names an environment variable")]
    [DataRow(Anywhere, "s3://elsewhere/${BUCKET}", "names an environment variable")]
    [DataRow(Anywhere, "parks", "")]
    [DataRow("{}", null, "the configuration names no destination for this database")]
    public void What_it_does_not_name_is_refused(string settings, string? replica, string words)
    {
        var refused = Plan(settings, replica);
        Assert.IsEmpty(refused.Databases);
        StringAssert.Contains(refused.Unreplicable.Single().Sentence, words);
        Assert.IsFalse(refused.Unreplicable.Single().Sentence.Contains("fake-secret", StringComparison.Ordinal));
    }

    [TestMethod]
    public void Where_that_is_allowed_any_destination_can_be_named()
    {
        var plan = Plan(Anywhere, "s3://KEY:hush-hush@elsewhere/$DB_NAME?endpoint=minio.example");
        Assert.AreEqual("elsewhere/parks", plan.Databases.Single().Primary.Place);
        Assert.Contains("hush-hush", plan.Secrets);
    }

    [TestMethod]
    public void What_is_ended_by_hand_is_not_replicated()
    {
        var plan = ReplicationPlanner.PlanServed(
            Configuration("""{"all-replicate": "s3://maps/$DB_NAME"}""", new ReplicationByHand(isReplicated: false)), Plans.Environment.GetValueOrDefault);
        Assert.IsEmpty(plan.Databases);
        Assert.AreEqual(new SkippedDatabase("parks", "its replication was ended by hand") { Registration = Registration.ToConfigured }, plan.Skipped.Single());
    }

    private static ReplicationPlan Plan(string settings, string? replica) => ReplicationPlanner.PlanServed(
        Configuration(settings, new ReplicationByHand(isReplicated: true, replica is null ? null : JsonSerializer.SerializeToElement(replica))), Plans.Environment.GetValueOrDefault);

    private static DatasetteConfiguration Configuration(string settings, ReplicationByHand byHand)
    {
        var configuration = new DatasetteConfiguration("/srv", JsonElement.Parse(settings), new Dictionary<string, JsonElement>(), [Plans.Attached("parks")]);
        return configuration with { ByHand = configuration.ByHand.Add("parks", byHand) };
    }
}
