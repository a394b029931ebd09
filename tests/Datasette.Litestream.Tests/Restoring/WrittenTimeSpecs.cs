using System.Globalization;
using Datasette.Litestream.Restoring;

namespace Datasette.Litestream.Tests.Restoring;

[TestClass]
public sealed class WrittenTimeSpecs
{
    private static readonly DateTimeOffset Now = new(2026, 11, 25, 12, 0, 0, TimeSpan.Zero);

    private static readonly TimeZoneInfo Zone = TimeZoneInfo.CreateCustomTimeZone("two hours ahead", TimeSpan.FromHours(2), null, null);

    [TestMethod]
    [DataRow("2026-11-25T10:00", "2026-11-25 08:00:00.000")]
    [DataRow("2026-11-25 10:00:30", "2026-11-25 08:00:30.000")]
    [DataRow("2026-11-25", "2026-11-24 22:00:00.000")]
    [DataRow("2026-11-25T10:00Z", "2026-11-25 10:00:00.000")]
    [DataRow("2026-11-25t10:00:30.25z", "2026-11-25 10:00:30.250")]
    [DataRow("2026-11-25 10:00:30 UTC", "2026-11-25 10:00:30.000")]
    [DataRow("2026-11-25T10:00:30+05:45", "2026-11-25 04:15:30.000")]
    [DataRow("2026-11-25T10:00:30-0330", "2026-11-25 13:30:30.000")]
    [DataRow("2026-11-25T10:00:30+02", "2026-11-25 08:00:30.000")]
    [DataRow("13:30", "2026-11-25 11:30:00.000")]
    [DataRow("14:00:01", "2026-11-24 12:00:01.000")]
    [DataRow("now", "2026-11-25 12:00:00.000")]
    [DataRow("10 minutes ago", "2026-11-25 11:50:00.000")]
    [DataRow(" 1h 30m ago ", "2026-11-25 10:30:00.000")]
    [DataRow("1.5 Hours ago", "2026-11-25 10:30:00.000")]
    [DataRow("2 days ago", "2026-11-23 12:00:00.000")]
    [DataRow("1 week ago", "2026-11-18 12:00:00.000")]
    [DataRow("30s ago", "2026-11-25 11:59:30.000")]
    public void A_time_is_read_as_people_write_it(string text, string expected) =>
        Assert.AreEqual(expected, WrittenTime.Parse(text, Now, Zone)!.Value.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss.fff", CultureInfo.InvariantCulture));

    [TestMethod]
    [DataRow("")]
    [DataRow("yesterday")]
    [DataRow("2026-13-01")]
    [DataRow("2026-11-25T25:00")]
    [DataRow("2026-11-25T10:00+99:00")]
    [DataRow("10 fortnights ago")]
    [DataRow("99999999999 weeks ago")]
    [DataRow("ago")]
    public void Anything_else_is_no_time(string text) => Assert.IsNull(WrittenTime.Parse(text, Now, Zone));

    [TestMethod]
    public void The_hour_that_comes_twice_is_the_first_one() => Assert.AreEqual(
        new DateTimeOffset(2026, 10, 25, 0, 30, 0, TimeSpan.Zero),
        WrittenTime.Parse("2026-10-25T02:30", Now, TimeZoneInfo.FindSystemTimeZoneById("Europe/Berlin")));
}
