namespace Datasette.Litestream.Tests.Processes;

/// <summary>Programs that a machine may have.</summary>
internal static class Programs
{
    /// <summary>The first of a name on PATH; null for none.</summary>
    public static string? Find(string name) => Environment.GetEnvironmentVariable("PATH")!.Split(':')
        .Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);

    /// <summary>The same, without which the test is skipped.</summary>
    public static string Require(string name) => Find(name) ?? throw Skip.Because($"there is no {name} on PATH");
}
