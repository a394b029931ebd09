using System.Globalization;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Replicas;
using Datasette.Litestream.Restoring;

namespace Datasette.Litestream.Admission;

/// <summary>Up to where the Litestream of this machine has read a database, by what it keeps beside it.</summary>
internal abstract record LocalPosition
{
    /// <summary>Reads it.</summary>
    /// <param name="stateFolder">Litestream's folder of the database.</param>
    /// <param name="releaseLine">Which Litestream that is.</param>
    /// <returns>Null if Litestream has no state of the database.</returns>
    /// <exception cref="IOException">It cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    public static LocalPosition? Read(string stateFolder, ReleaseLine releaseLine) =>
        releaseLine == ReleaseLine.V03 ? InGeneration.Read(stateFolder)
        : LocalFiles.FindHighest(LocalFiles.FolderOf(stateFolder)) is > 0 and var highest ? new AfterTransaction(highest)
        : null;

    /// <summary>What a destination has that this machine's Litestream did not send; null if there is nothing.</summary>
    /// <returns>A clause.</returns>
    public abstract string? FindBeyond(DestinationListing listing);

    /// <summary>With Litestream 0.5.</summary>
    /// <param name="Txid">The last transaction.</param>
    public sealed record AfterTransaction(ulong Txid) : LocalPosition
    {
        /// <inheritdoc/>
        public override string? FindBeyond(DestinationListing listing) => FindBeyond(listing.Files.Select(file => file.MaxTxid).DefaultIfEmpty().Max());

        /// <summary>The same by the highest transaction there, of all levels.</summary>
        public string? FindBeyond(ulong highest) => highest > Txid ? $"goes on to transaction {RestorePoint.NameOf(highest)}, and what was sent from here ends with {RestorePoint.NameOf(Txid)}" : null;
    }

    /// <summary>
    /// With Litestream 0.3, which begins a new generation where it cannot follow the log. Source: db.go, v0.3.13.
    /// </summary>
    /// <param name="Generation">The generation.</param>
    /// <param name="BegunAt">When it began it.</param>
    /// <param name="Index">The number of the log that it reads.</param>
    /// <param name="Offset">Up to where, in bytes.</param>
    public sealed record InGeneration(string Generation, DateTimeOffset BegunAt, int Index, long Offset) : LocalPosition
    {
        /// <summary>Reads it; null if there is none.</summary>
        public static InGeneration? Read(string stateFolder)
        {
            var file = new FileInfo(Path.Combine(stateFolder, "generation"));
            if (!file.Exists)
            {
                return null;
            }

            var generation = File.ReadAllText(file.FullName).Trim();
            var logs = new DirectoryInfo(Path.Combine(stateFolder, WalSegment.Folder, generation, "wal"));
            var last = logs.Exists
                ? logs.EnumerateFiles("*.wal").Select(log => (log.Length, HasIndex: int.TryParse(log.Name[..^4], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var index), Index: index))
                    .Where(log => log.HasIndex).OrderBy(log => log.Index).LastOrDefault()
                : default;
            return new InGeneration(generation, file.LastWriteTimeUtc, last.Index, last.Length);
        }

        /// <inheritdoc/>
        public override string? FindBeyond(DestinationListing listing)
        {
            var (own, others) = (listing.Segments.Where(segment => segment.Generation == Generation).ToList(), listing.Segments.Where(segment => segment.Generation != Generation).ToList());
            if (own.Find(segment => !segment.IsSnapshot && (segment.Index > Index || (segment.Index == Index && segment.Offset >= Offset))) is { } beyond)
            {
                return $"has {beyond.Position} of generation {Generation}, which was not sent from here";
            }

            // A generation that is not there yet is newer than those that are, unless one of them was written to since.
            var lastSent = own.Count > 0 ? own.Max(segment => segment.At) : BegunAt;
            return others.MaxBy(segment => segment.At) is { } last && last.At > lastSent
                ? $"has a newer generation, {last.Generation}, which was not written from here"
                : null;
        }
    }
}
