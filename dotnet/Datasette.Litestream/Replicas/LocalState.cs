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
    public static string? Delete(string stateFolder)
    {
        var folder = Path.Combine(stateFolder, "ltx");
        try
        {
            if (Directory.Exists(folder))
            {
                Directory.Delete(folder, recursive: true);
            }

            return null;
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            return $"{folder} could not be deleted: {ex.Message}";
        }
    }
}
