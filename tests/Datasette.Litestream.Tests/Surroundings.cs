using System.Globalization;

namespace Datasette.Litestream.Tests;

/// <summary>
/// All tests run where nothing is as in most places: half an hour off the full hour of UTC, with a comma in numbers, a full stop
/// between hours and minutes, and a minus that is no hyphen. Whoever sets TZ has that time zone instead.
/// </summary>
[TestClass]
public sealed class Surroundings
{
    private const string TimeZone = "TZ";

    [AssemblyInitialize]
    public static void Move(TestContext context)
    {
        if (Environment.GetEnvironmentVariable(TimeZone) is null)
        {
            Environment.SetEnvironmentVariable(TimeZone, "Asia/Kolkata");
            TimeZoneInfo.ClearCachedData();
        }

        // The tests run without the data of real cultures, as the plugin does in its own .NET; in another's it may meet any.
        var culture = (CultureInfo)CultureInfo.InvariantCulture.Clone();
        culture.NumberFormat.NumberDecimalSeparator = ",";
        culture.NumberFormat.NumberGroupSeparator = ".";
        culture.NumberFormat.NegativeSign = "\u2212";
        culture.DateTimeFormat.TimeSeparator = ".";
        culture.DateTimeFormat.DateSeparator = "-";
        CultureInfo.DefaultThreadCurrentCulture = culture;
    }

    [TestMethod]
    public async Task Every_thread_is_there()
    {
        Assert.AreEqual("−1,5", Show());
        Assert.AreEqual("−1,5", await Task.Run(Show));

        static string Show() => string.Create(null, $"{-1.5}");
    }
}
