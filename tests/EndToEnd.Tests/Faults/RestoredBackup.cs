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
    public static async Task<RestoredBackup> OfAsync(string litestream, string folder)
    {
        var target = Directory.CreateTempSubdirectory("datasette-litestream-restore-").FullName;
        try
        {
            var file = Path.Combine(target, "restored.db");
            var result = await Cli.Wrap(litestream).WithArguments(["restore", "-o", file, $"file://{folder}"])
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

    private static RestoredBackup Read(string file)
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
