using System.Text.Json;

namespace Datasette.Litestream.Processes;

/// <summary>A small file of which a reader finds either the new content or the previous one.</summary>
internal static class AtomicFile
{
    /// <summary>Reads one that holds JSON.</summary>
    /// <param name="path">The file.</param>
    /// <param name="parse">Reads what it holds; what is missing or wrong there may throw as <see cref="JsonElement"/> does.</param>
    /// <returns>Null if there is no file, or it cannot be read.</returns>
    public static T? ReadJson<T>(string path, Func<JsonElement, T> parse)
        where T : class
    {
        // The first exception of a process is slow, and mostly there is no file.
        if (!File.Exists(path))
        {
            return null;
        }

        try
        {
            return parse(JsonElement.Parse(File.ReadAllBytes(path)));
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException or JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            return null;
        }
    }

    /// <summary>Writes it.</summary>
    /// <param name="path">The file.</param>
    /// <param name="content">Its content.</param>
    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">It cannot be written.</exception>
    public static void Write(string path, byte[] content)
    {
        var draft = $"{path}.new";
        File.WriteAllBytes(draft, content);
        File.Move(draft, path, overwrite: true);
    }
}
