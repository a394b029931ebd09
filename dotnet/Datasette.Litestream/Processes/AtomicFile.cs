namespace Datasette.Litestream.Processes;

/// <summary>A small file of which a reader finds either the new content or the previous one.</summary>
internal static class AtomicFile
{
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
