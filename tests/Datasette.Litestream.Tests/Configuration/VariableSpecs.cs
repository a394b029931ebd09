namespace Datasette.Litestream.Tests.Configuration;

[TestClass]
public sealed class VariableSpecs
{
    private const string Key = "plugins.datasette-litestream.all-replicate";

    [TestMethod]
    [DataRow("file:///backup/$DB_NAME", "/backup/parks")]
    [DataRow("file:///backup/${DB_NAME}2", "/backup/parks2")]
    [DataRow("file://$DB_DIRECTORY/backup", "/srv/data/backup")]
    [DataRow("file://$PWD/backup", "/srv/backup")]
    [DataRow("file://backup/$DB_NAME", "/srv/backup/parks")]
    [DataRow("file:backup", "/srv/backup")]
    [DataRow("file://localhost/backup", "/backup")]
    [DataRow("file://~/backup", "/home/ranger/backup")]
    [DataRow("file:///backup/$$DB_NAME", "/backup/$DB_NAME")]
    [DataRow("file:///backup/$$$DB_NAME", "/backup/$parks")]
    [DataRow("file:///backup/100%25", "/backup/100%")]
    [DataRow("file:///backup/a@b/c", "/backup/a@b/c")]
    [DataRow("file://ranger@home/c", "/srv/ranger@home/c")]
    [DataRow("s3://$BUCKET/$DB_NAME", "s3://maps/parks")]
    [DataRow("s3://x${EMPTY}y/${DB_NAME}_$BUCKET", "s3://xy/parks_maps")]
    [DataRow("""{"path": "$DB_DIRECTORY/$DB_NAME"}""", "/srv/data/parks")]
    [DataRow("""{"path": "backup/../$BUCKET/"}""", "/srv/maps")]
    [DataRow("""{"path": "~/backup"}""", "/home/ranger/backup")]
    [DataRow("""{"path": "~"}""", "/home/ranger")]
    [DataRow("""{"path": "~ranger"}""", "/srv/~ranger")]
    [DataRow("""{"path": "$$5%20"}""", "/srv/$5%20")]
    [DataRow("""{"type": "s3", "bucket": "$BUCKET", "path": "$DB_NAME"}""", "s3://maps/parks")]
    [DataRow("""{"url": "s3://$BUCKET/$DB_NAME"}""", "s3://maps/parks")]
    public void Variables_become_what_they_stand_for(string replica, string destination) =>
        Assert.AreEqual(destination, Plans.FromReplica(replica).Replica.Destination);

    [TestMethod]
    [DataRow("file:///x/$NOWHERE", "", "the environment variable NOWHERE is not set")]
    [DataRow("file:///x/$DB_NAMES", "", "the environment variable DB_NAMES is not set; did you mean \"DB_NAME\"?")]
    [DataRow("file:///x/${DB_DIR}", "", "the environment variable DB_DIR is not set; did you mean \"DB_DIRECTORY\"?")]
    [DataRow("file:///x/$DB_DIRECTORIES", "", "the environment variable DB_DIRECTORIES is not set; did you mean \"DB_DIRECTORY\"?")]
    [DataRow("file:///x/$", "", "has a $ that starts no variable; write $$ for a dollar")]
    [DataRow("file:///x/$5", "", "has a $ that starts no variable; write $$ for a dollar")]
    [DataRow("file:///x/${DB_NAME", "", "has a $ that starts no variable; write $$ for a dollar")]
    [DataRow("file:///x/$(pwd)", "", "has a $ that starts no variable; write $$ for a dollar")]
    [DataRow("""{"path": "$NOWHERE"}""", ".path", "the environment variable NOWHERE is not set")]
    [DataRow("""{"url": "s3://$NOWHERE/x"}""", ".url", "the environment variable NOWHERE is not set")]
    [DataRow("""{"type": "s3", "bucket": "b", "region": "$NOWHERE"}""", ".region", "the environment variable NOWHERE is not set")]
    public void What_stands_for_nothing_is_an_error(string replica, string key, string problem) =>
        Plans.FromReplica(replica).AssertProblems($"{Key}{key}: {problem}");

    [TestMethod]
    public void Every_variable_that_is_not_set_is_told() =>
        Plans.FromReplica("s3://$ONE/$FIFTH").AssertProblems(
            $"{Key}: the environment variable ONE is not set", $"{Key}: the environment variable FIFTH is not set");

    // An environment variable may contain any part of a URL, so only the plugin's own variables are encoded.
    [TestMethod]
    public void A_value_is_not_expanded_again()
    {
        Assert.AreEqual("/backup/$PWD", Plans.FromReplica("file:///backup/$DB_NAME", "$PWD").Replica.Destination);
        Assert.AreEqual("/srv/$PWD", Plans.FromReplica("""{"path": "$DB_NAME"}""", "$PWD").Replica.Destination);
    }

    [TestMethod]
    [DataRow("a b?c#d%")]
    [DataRow("a b+c&d=e$f;g'h é 😀")]
    [DataRow("100%25")]
    [DataRow("a@b:c")]
    [DataRow("$$")]
    [DataRow("back\\slash")]
    [DataRow(" ")]
    [DataRow("...")]
    [DataRow("a/b")]
    [DataRow("\"quoted\"")]
    [DataRow("‮right-to-left")]
    public void A_database_lands_at_exactly_its_name(string name)
    {
        AssertLandsAt(name, name);
        AssertLandsAt(name, $"{name}.sqlite", ".sqlite");
    }

    [TestMethod]
    public void A_long_name_lands_at_exactly_that_name() => AssertLandsAt(new string('x', 200), new string('x', 200));

    [TestMethod]
    [DataRow(".")]
    [DataRow("..")]
    [DataRow("../etc")]
    [DataRow("a/../../b")]
    [DataRow("/etc")]
    [DataRow("a/")]
    [DataRow("a//b")]
    [DataRow("line\nbreak")]
    [DataRow("nul\0")]
    public void A_name_that_would_land_elsewhere_is_an_error(string name)
    {
        foreach (var replica in new[] { "file:///backup/$DB_NAME", "s3://b/${DB_NAME}", """{"path": "/backup/$DB_NAME"}""" })
        {
            var planned = Plans.FromReplica(replica, name);
            Assert.HasCount(1, planned.Problems);
            Assert.Contains($"the database's name \"{name}\" cannot stand in a destination", planned.Problems[0].Message);
        }
    }

    [TestMethod]
    public void A_name_may_be_anything_where_the_destination_does_without_it() =>
        Assert.AreEqual("/backup", Plans.FromReplica("file:///backup", "..").Replica.Destination);

    private static void AssertLandsAt(string name, string expected, string suffix = "")
    {
        Assert.AreEqual($"/backup/{expected}", Plans.FromReplica($"file:///backup/${{DB_NAME}}{suffix}", name).Replica.Destination);
        Assert.AreEqual($"/backup/{expected}", Plans.FromReplica($$"""{"path": "/backup/${DB_NAME}{{suffix}}"}""", name).Replica.Destination);

        // Litestream parses a URL according to RFC 3986, and so does Uri if the path contains no dots.
        var url = Plans.FromReplica($"s3://bucket/_${{DB_NAME}}{suffix}", name).Replica.Settings["url"]!.GetValue<string>();
        Assert.AreEqual($"/_{expected}", Uri.UnescapeDataString(new Uri(url).AbsolutePath));
        Assert.AreEqual("", new Uri(url).Query + new Uri(url).Fragment);
    }
}
