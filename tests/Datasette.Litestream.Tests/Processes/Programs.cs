using System.Diagnostics;

namespace Datasette.Litestream.Tests.Processes;

/// <summary>Programs that a machine may have.</summary>
internal static class Programs
{
    /// <summary>The first program of a name on PATH; null if there is none.</summary>
    public static string? Find(string name) => Environment.GetEnvironmentVariable("PATH")!.Split(':')
        .Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);

    /// <summary>The same; the test is skipped if there is none.</summary>
    public static string Require(string name) => Find(name) ?? throw Skip.Because($"there is no {name} on PATH");

    /// <summary>
    /// Python itself, not a script that finds it, such as one of pyenv's: that one takes twenty times as long to start. The test is skipped
    /// if there is none.
    /// </summary>
    public static string Python => Executable.Value;

    private static readonly Lazy<string> Executable = new(() =>
    {
        using var process = Process.Start(new ProcessStartInfo(Require("python3"), ["-c", "import sys; print(sys.executable)"]) { RedirectStandardOutput = true })!;
        return process.StandardOutput.ReadToEnd().Trim();
    });
}
