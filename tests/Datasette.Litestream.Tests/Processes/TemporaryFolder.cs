namespace Datasette.Litestream.Tests.Processes;

/// <summary>A folder for one test, which Dispose removes.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("litestream-test-").FullName;

    public string this[string name] => System.IO.Path.Combine(Path, name);

    /// <summary>Writes a file, and returns its path.</summary>
    public string Write(string name, string content)
    {
        File.WriteAllText(this[name], content);
        return this[name];
    }

    /// <summary>Writes a program for <c>/bin/sh</c>, and returns its path.</summary>
    public string WriteScript(string name, string script)
    {
        var path = Write(name, $"#!/bin/sh\n{script}\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return path;
    }

    /// <summary>Deletes it. What a test has broken off may write into it for a moment more.</summary>
    public void Dispose() => Assert.IsTrue(SpinWait.SpinUntil(TryDelete, TimeSpan.FromSeconds(10)), $"{Path} is written to all the time");

    private bool TryDelete()
    {
        try
        {
            Directory.Delete(Path, recursive: true);
            return true;
        }
        catch (IOException)
        {
            return !Directory.Exists(Path);
        }
    }
}
