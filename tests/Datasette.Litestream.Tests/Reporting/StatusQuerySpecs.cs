using Datasette.Litestream.Observation;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Tests.Observation;

namespace Datasette.Litestream.Tests.Reporting;

[TestClass]
public sealed class StatusQuerySpecs
{
    private static readonly DatabaseObservation[] Databases =
    [
        Observations.Database("b", DatabaseState.Behind, lag: 90, bytes: 3),
        Observations.Database("A", DatabaseState.Failing, lag: null, bytes: null),
        Observations.Database("d", lag: 1, bytes: 1),
        Observations.Database("c", DatabaseState.Stopped, lag: 5, bytes: 2) with { LastSyncAt = null },
    ];

    [TestMethod]
    [DataRow(null, "state", "A c b d")]
    [DataRow("name", "name", "A b c d")]
    [DataRow("NAME; drop table", "state", "A c b d")]
    [DataRow("state", "state", "A c b d")]
    [DataRow("lag", "lag", "A d c b")]
    [DataRow("last_sync", "last_sync", "c A b d")]
    [DataRow("size", "size", "A d c b")]
    public void Databases_are_sorted_either_way(string? sort, string order, string names)
    {
        var query = new StatusQuery(Sort: sort);
        Assert.AreEqual(order, query.Order);
        Assert.AreEqual(names, Names(query));
        Assert.AreEqual(new string([.. names.Reverse()]), Names(query with { Descending = true }));
    }

    [TestMethod]
    [DataRow(null, "A c b d")]
    [DataRow("", "A c b d")]
    [DataRow("a.DB", "A")]
    [DataRow("/srv/data/B", "b")]
    [DataRow("S3://maps/", "A c b d")]
    [DataRow("maps/c", "c")]
    [DataRow("<script>", "")]
    public void A_search_finds_parts_of_names_paths_and_destinations(string? search, string names) =>
        Assert.AreEqual(names, Names(new StatusQuery(search)));

    [TestMethod]
    [DataRow(int.MinValue, 1)]
    [DataRow(0, 1)]
    [DataRow(200, 200)]
    [DataRow(int.MaxValue, 200)]
    public void A_page_has_from_one_to_two_hundred_databases(int size, int meant) =>
        Assert.AreEqual(meant, new StatusQuery(Size: size).PageSize);

    [TestMethod]
    [DataRow("", "?")]
    [DataRow("search=a+b%26&sort=lag&descending=1&page=3&size=20", "?search=a%20b%26&sort=lag&descending=1&size=20&page=3")]
    [DataRow("sort=state&descending=0&page=1&size=50&search=", "?")]
    [DataRow("sort=nonsense&page=-1&size=two&page=2", "?")]
    [DataRow("page=99999999999&size=999", "?size=200")]
    [DataRow("&&=&x&search", "?")]
    [DataRow("search=first&search=second", "?search=first")]
    [DataRow("database=parks&at=10+minutes+ago&history=day", "?database=parks&history=day&at=10%20minutes%20ago")]
    [DataRow("database=%3Cimg+src%3Dx%3E%F0%9F%98%80&history=day", "?database=%3Cimg%20src%3Dx%3E%F0%9F%98%80&history=day")]
    [DataRow("search=100%&sort=%zz", "?search=100%25")]
    public void An_address_is_read_and_written(string queryString, string link) => Assert.AreEqual(link, StatusQuery.Parse(queryString).Link);

    [TestMethod]
    [DataRow("history=day", "day")]
    [DataRow("history=hour", "hour")]
    [DataRow("history=year", "hour")]
    [DataRow("", "hour")]
    public void A_history_is_of_an_hour_or_a_day(string queryString, string range) => Assert.AreEqual(range, StatusQuery.Parse(queryString).Range.Name);

    private static string Names(StatusQuery query) => string.Join(' ', query.Select(Databases, DatabaseListing.Of).Select(database => database.Plan.Name));
}
