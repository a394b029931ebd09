namespace Datasette.Litestream.Replicas;

/// <summary>
/// What Litestream remembers of a database beside it. Without it, Litestream takes up the position of the destination, or starts
/// over if nothing is there. Deleting it is what <c>litestream reset</c> does (<c>ResetLocalState</c> in db.go, v0.5.17).
/// </summary>
internal static class LocalState
{
    /// <summary>Deletes it. No Litestream may replicate the database meanwhile.</summary>
    /// <param name="stateFolder">Litestream's folder of the database.</param>
    /// <returns>Why it could not be deleted, in a sentence; null if it was.</returns>
    public static string? Delete(string stateFolder) => Delete(Path.Combine(stateFolder, "ltx"), folder => Directory.Delete(folder, recursive: true));

    /// <summary>Has Litestream 0.3 begin a new generation: without this file it does not know that there is one (db.go, v0.3.13).</summary>
    /// <inheritdoc cref="Delete(string)"/>
    public static string? ForgetGeneration(string stateFolder) => Delete(Path.Combine(stateFolder, "generation"), File.Delete);

    private static string? Delete(string path, Action<string> delete)
    {
        try
        {
            if (Path.Exists(path))
            {
                delete(path);
            }

            return null;
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            return $"{path} could not be deleted: {ex.Message}";
        }
    }
}
