using System.Globalization;

namespace Datasette.Litestream.EndToEnd.Faults;

/// <summary>What became of what was said: each claim is held against a restore of the backup of its moment.</summary>
/// <param name="Claims">How many were judged.</param>
/// <param name="Restores">How many backups were restored for that.</param>
/// <param name="Belied">Each claim that a restore belies, in a sentence.</param>
internal sealed record Judgement(int Claims, int Restores, IReadOnlyList<string> Belied)
{
    /// <summary>Judges.</summary>
    /// <param name="claimed">What was said.</param>
    /// <param name="litestream">The binary to restore with.</param>
    /// <param name="databaseOf">The database of a name.</param>
    public static async Task<Judgement> OfAsync(IEnumerable<ClaimedBackup> claimed, string litestream, Func<string, WrittenDatabase> databaseOf)
    {
        var (claims, restores, belied) = (0, 0, new List<string>());
        foreach (var backup in claimed.GroupBy(claimed => (claimed.Claim.Database, claimed.Copy)))
        {
            restores++;
            var restored = await RestoredBackup.OfAsync(litestream, backup.Key.Copy);
            foreach (var (answer, claim, _, _) in backup)
            {
                claims++;
                var missing = databaseOf(claim.Database).MissingFrom(restored.Rows, claim.Until, answer.AnsweredAt);
                if (missing.Count > 0 || restored.Damage is not null)
                {
                    belied.Add(
                        $"{Clock(answer.AnsweredAt)} {answer.Source} said that all of {claim.Database} until {Clock(claim.Until)} is safe ({answer.Text}), "
                        + $"but {restored.Damage ?? $"{missing.Count} rows from {missing[0]} to {missing[^1]} are missing"}");
                }
            }
        }

        return new(claims, restores, belied);
    }

    private static string Clock(DateTimeOffset time) => time.UtcDateTime.ToString("HH:mm:ss.f", CultureInfo.InvariantCulture);
}
