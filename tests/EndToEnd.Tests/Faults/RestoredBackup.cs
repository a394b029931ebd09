using CliWrap;
using CliWrap.Buffered;
using Microsoft.Data.Sqlite;

namespace Datasette.Litestream.EndToEnd.Faults;

/// <summary>What a restore of a backup gives.</summary>
/// <param name="Rows">The ids of the written rows in it.</param>
/// <param name="Damage">Why it cannot be restored or is not a whole database; null if it is.</param>
internal sealed record RestoredBackup(IReadOnlySet<long> Rows, string? Damage)
{
    /// <summary>Restores a folder's newest state.</summary>
    public static Task<RestoredBackup> OfAsync(string litestream, string folder) => OfAsync(litestream, $"file://{folder}", []);

    /// <summary>The arguments to restore to a time.</summary>
    public static string[] At(DateTimeOffset time) => ["-timestamp", $"{time.UtcDateTime:O}"];

    /// <summary>Whether it has the first rows without a gap.</summary>
    public bool HasFirstRows(int count) => Damage is null && Rows.Count == count && Rows.Max() == count;

    public override string ToString() => Damage ?? $"{Rows.Count} rows up to {Rows.DefaultIfEmpty().Max()}";

    /// <summary>Restores a backup.</summary>
    /// <param name="litestream">The binary.</param>
    /// <param name="url">Where it is.</param>
    /// <param name="point">The arguments for the point to restore, such as <c>-txid</c>; none for the newest.</param>
    /// <param name="environment">Credentials, for S3.</param>
    public static async Task<RestoredBackup> OfAsync(
        string litestream, string url, string[] point, IReadOnlyDictionary<string, string?>? environment = null)
    {
        var target = Directory.CreateTempSubdirectory("datasette-litestream-restore-").FullName;
        try
        {
            var file = Path.Combine(target, "restored.db");
            var result = await Cli.Wrap(litestream).WithArguments(["restore", "-o", file, .. point, url])
                .WithEnvironmentVariables(environment ?? new Dictionary<string, string?>())
                .WithValidation(CommandResultValidation.None).ExecuteBufferedAsync();
            return result.ExitCode == 0
                ? Read(file)
                : new(new HashSet<long>(), $"it cannot be restored: {result.StandardError.Trim().Split('\n')[^1]}");
        }
        finally
        {
            Directory.Delete(target, recursive: true);
        }
    }

    /// <summary>Reads a database.</summary>
    public static RestoredBackup Read(string file)
    {
        try
        {
            using var database = new DatabaseConnection(file);
            var check = database.Read("pragma integrity_check")[0][0];
            var rows = database.Read("select id from written").Select(row => long.Parse(row[0])).ToHashSet();
            return new(rows, check == "ok" ? null : $"what is restored is damaged: {check}");
        }
        catch (SqliteException ex)
        {
            return new(new HashSet<long>(), $"what is restored cannot be read: {ex.Message}");
        }
    }
}
