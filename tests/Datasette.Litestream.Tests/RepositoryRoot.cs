namespace Datasette.Litestream.Tests;

/// <summary>The checkout that the tests were built in.</summary>
internal static class RepositoryRoot
{
    /// <summary>The path of one of its files.</summary>
    /// <param name="file">The path below the root.</param>
    public static string Find(string file)
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Bridge.sln")))
        {
            folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("The tests run outside of their repository.");
        }

        return Path.Combine(folder, file);
    }
}
