using System.Globalization;

namespace Datasette.Litestream.Tests;

/// <summary>
/// All tests run where nothing is as in most places: half an hour off the full hour of UTC, with a comma in numbers, a full stop
/// between hours and minutes, and a minus that is no hyphen. Whoever sets TZ has that time zone instead, and whoever runs them with
/// the data of real cultures (<c>DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=0 LANG=tr_TR.UTF-8</c>) has that culture.
/// </summary>
[TestClass]
public sealed class Surroundings
{
    private const string TimeZone = "TZ";

    /// <summary>Whether the culture is one of a place.</summary>
    private static bool IsReal => CultureInfo.CurrentCulture.Name.Length > 0;

    [AssemblyInitialize]
    public static void Move(TestContext context)
    {
        _ = context;
        if (Environment.GetEnvironmentVariable(TimeZone) is null)
        {
            Environment.SetEnvironmentVariable(TimeZone, "Asia/Kolkata");
            TimeZoneInfo.ClearCachedData();
        }

        if (IsReal)
        {
            return;
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
        var shown = IsReal ? Show() : "−1,5";
        Assert.AreEqual(shown, Show());
        Assert.AreEqual(shown, await Task.Run(Show));

        static string Show() => string.Create(null, $"{-1.5}");
    }
}
