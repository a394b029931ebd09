using System.Globalization;

namespace Datasette.Litestream.Tests;

/// <summary>
/// All tests run with unusual regional settings: a time zone half an hour off the full hour of UTC, a decimal comma, a full
/// stop between hours and minutes, and a minus sign that is not a hyphen. TZ sets another time zone, and a run with the data of
/// real cultures (<c>DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=0 LANG=tr_TR.UTF-8</c>) uses that culture.
/// </summary>
[TestClass]
public sealed class TestEnvironment
{
    private const string TimeZone = "TZ";

    /// <summary>Whether the culture is a real one.</summary>
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

        // The tests run without the data of real cultures, like the plugin in its own .NET; in another .NET the plugin may run
        // with any culture.
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
