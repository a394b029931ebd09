namespace Datasette.Litestream.Processes;

/// <summary>Finds programs on PATH.</summary>
internal static class SearchPath
{
    /// <summary>The absolute path of a program; null if it is not on PATH. A name with a slash is used as a path.</summary>
    public static string? Find(string name, IReadOnlyDictionary<string, string> environment)
    {
        if (name.Contains('/', StringComparison.Ordinal))
        {
            return File.Exists(name) ? Path.GetFullPath(name) : null;
        }

        return Folders(environment).Select(folder => FindIn(folder, name)).FirstOrDefault(path => path is not null);
    }

    /// <summary>The absolute path of a program in one folder; null if there is none.</summary>
    public static string? FindIn(string folder, string name)
    {
        var path = Path.GetFullPath(Path.Combine(folder, name));
        return IsExecutable(path) ? path : null;
    }

    /// <summary>Whether PATH contains a folder.</summary>
    public static bool Has(string folder, IReadOnlyDictionary<string, string> environment) =>
        Folders(environment).Any(other => Path.TrimEndingDirectorySeparator(Path.GetFullPath(other)) == Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)));

    private static string[] Folders(IReadOnlyDictionary<string, string> environment) =>
        environment.GetValueOrDefault("PATH", "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);

    private static bool IsExecutable(string path) =>
        File.Exists(path)
        && (File.GetUnixFileMode(path) & (UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute)) != 0;
}
