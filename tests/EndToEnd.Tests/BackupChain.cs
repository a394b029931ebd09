using System.Globalization;

namespace Datasette.Litestream.EndToEnd;

/// <summary>The files of a backup in a folder that a restore of its newest state reads: what no restore reads can be wrong without harm.</summary>
internal static class BackupChain
{
    private const string SnapshotLevel = "9";

    /// <summary>Finds them.</summary>
    /// <param name="folder">The destination.</param>
    /// <returns>Their paths, the snapshot first; empty if there is none.</returns>
    public static IReadOnlyList<string> Of(string folder) => Directory.Exists(Path.Combine(folder, "ltx")) ? Of05(folder) : Of03(folder);

    /// <summary>Which kind of file one is: its level with Litestream 0.5; with 0.3 <c>snapshots</c> or <c>wal</c>.</summary>
    public static string KindOf(string file) => Path.GetFileName(Path.GetDirectoryName(file)!);

    /// <summary>A file, and those of the same backup that have some of its transactions, too: without it, a restore would read them.</summary>
    public static IReadOnlyList<string> WithSubstitutes(string file)
    {
        if (Path.GetExtension(file) != ".ltx")
        {
            return [file];
        }

        var (min, max) = TransactionsOf(file);
        return [.. Ltx(Path.GetDirectoryName(Path.GetDirectoryName(file))!).Where(other => TransactionsOf(other) is var its && its.Min <= max && its.Max >= min)];
    }

    /// <summary>The newest snapshot, then always the file that reaches farthest of those that follow without a gap: <c>CalcRestorePlan</c> in
    /// Litestream's replica.go, v0.5.17.</summary>
    private static List<string> Of05(string folder)
    {
        var files = Ltx(Path.Combine(folder, "ltx"));
        var chain = files.Where(file => KindOf(file) == SnapshotLevel).OrderBy(file => TransactionsOf(file).Max).TakeLast(1).ToList();
        while (chain is [.., var last])
        {
            var reach = TransactionsOf(last).Max;
            var next = files.Where(file => KindOf(file) != SnapshotLevel && TransactionsOf(file) is var its && its.Min <= reach + 1 && its.Max > reach)
                .OrderByDescending(file => TransactionsOf(file).Max)
                .ThenBy(file => TransactionsOf(file).Min)
                .ThenByDescending(KindOf, StringComparer.Ordinal)
                .FirstOrDefault();
            if (next is null)
            {
                break;
            }

            chain.Add(next);
        }

        return chain;
    }

    /// <summary>All that is there, if it is of one generation: a snapshot and what follows. Names are in the order of the log.</summary>
    private static List<string> Of03(string folder) => Directory.Exists(folder)
        ? [.. Directory.GetFiles(folder, "*.lz4", SearchOption.AllDirectories).Order(StringComparer.Ordinal)]
        : [];

    private static string[] Ltx(string folder) => Directory.GetFiles(folder, "*.ltx", SearchOption.AllDirectories);

    /// <summary>The first and the last transaction of a file: it is named MIN-MAX.</summary>
    private static (ulong Min, ulong Max) TransactionsOf(string file)
    {
        var names = Path.GetFileNameWithoutExtension(file).Split('-');
        return (Parse(names[0]), Parse(names[1]));
    }

    private static ulong Parse(string txid) => ulong.Parse(txid, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
}
