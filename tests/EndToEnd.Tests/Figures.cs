using System.Globalization;

namespace Datasette.Litestream.EndToEnd;

/// <summary>
/// The measurements of a run, one line each in <c>TestResults/figures.txt</c>; they are for people, not for assertions.
/// </summary>
internal static class Figures
{
    private static readonly string Path = System.IO.Path.Combine(PluginEnvironment.RepositoryRoot, "TestResults", "figures.txt");

    private static readonly Lock Lock = new();

    public static void Record(string name, IEnumerable<TimeSpan> times)
    {
        var sorted = times.Order().ToList();
        var median = sorted[sorted.Count / 2].TotalSeconds.ToString("0.000", CultureInfo.InvariantCulture);
        var longest = sorted[^1].TotalSeconds.ToString("0.000", CultureInfo.InvariantCulture);
        Record($"{name}: median {median} s, longest {longest} s of {sorted.Count}");
    }

    public static void Record(string line)
    {
        // Some tests run at the same time.
        lock (Lock)
        {
            Directory.CreateDirectory(System.IO.Path.GetDirectoryName(Path)!);
            File.AppendAllText(Path, line + "\n");
        }
    }
}
