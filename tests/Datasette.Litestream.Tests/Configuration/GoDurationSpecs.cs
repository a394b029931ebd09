using System.Globalization;
using System.Text.RegularExpressions;
using Datasette.Litestream.Configuration;

namespace Datasette.Litestream.Tests.Configuration;

[TestClass]
public sealed partial class GoDurationSpecs
{
    [TestMethod]
    [DataRow("10s", "10s")]
    [DataRow("1h30m", "1h30m")]
    [DataRow("90m", "1h30m")]
    [DataRow("500ms", "0.5s")]
    [DataRow("1.5h", "1h30m")]
    [DataRow(".5s", "0.5s")]
    [DataRow("1.s", "1s")]
    [DataRow("1s1s", "2s")]
    [DataRow("100ns", "0.0000001s")]
    [DataRow("3us", "0.000003s")]
    [DataRow("3µs", "0.000003s")]
    [DataRow("3μs", "0.000003s")]
    [DataRow("5000000000ns", "5s")]
    [DataRow("24h", "24h")]
    [DataRow("8760h0m0.25s", "8760h0.25s")]
    [DataRow("60", "1m")]
    [DataRow("0.25", "0.25s")]
    public void What_Go_reads_is_written_so_that_Go_reads_the_same(string text, string written)
    {
        var duration = GoDuration.Parse(text);

        Assert.AreEqual(written, GoDuration.Format(duration!.Value));
        Assert.AreEqual(duration, GoDuration.Parse(written));
    }

    [TestMethod]
    [DataRow("")]
    [DataRow("0")]
    [DataRow("0s")]
    [DataRow("-1s")]
    [DataRow("+1s")]
    [DataRow("1 s")]
    [DataRow("1d")]
    [DataRow("s")]
    [DataRow(".s")]
    [DataRow("1S")]
    [DataRow("1,5s")]
    [DataRow("1s ")]
    [DataRow("1e3s")]
    [DataRow("10ns")]
    [DataRow("293y")]
    [DataRow("2562048h")]
    [DataRow("99999999999999999999999999999999999999h")]
    public void What_is_no_duration_above_zero_is_nothing(string text) => Assert.IsNull(GoDuration.Parse(text));

    [TestMethod]
    public void Any_number_of_ticks_comes_back()
    {
        const long most = 365 * 290 * TimeSpan.TicksPerDay;
        for (var i = 0; i < 10_000; i++)
        {
            // As many short ones as long ones.
            var duration = TimeSpan.FromTicks(Random.Shared.NextInt64(1, most >> Random.Shared.Next(55)));
            var written = GoDuration.Format(duration);
            Assert.AreEqual(duration, Read(written), $"{duration.Ticks} ticks: {written}");
            Assert.AreEqual(duration, GoDuration.Parse(written), $"{duration.Ticks} ticks: {written}");
        }
    }

    /// <summary>Parses a written duration as Go would: hours, minutes and seconds, each at most once.</summary>
    private static TimeSpan Read(string written)
    {
        var parts = Written().Match(written);
        Assert.IsTrue(parts.Success && written.Length > 0, written);
        var (hours, minutes, seconds) = (Number("h"), Number("m"), Number("s"));
        return TimeSpan.FromTicks((long)((hours * 3600 + minutes * 60 + seconds) * TimeSpan.TicksPerSecond));

        decimal Number(string unit) => parts.Groups[unit] is { Success: true } part ? decimal.Parse(part.Value, CultureInfo.InvariantCulture) : 0;
    }

    [GeneratedRegex(@"^(?:(?<h>[0-9]+)h)?(?:(?<m>[0-9]+)m)?(?:(?<s>[0-9]+(?:\.[0-9]+)?)s)?$")]
    private static partial Regex Written();
}
