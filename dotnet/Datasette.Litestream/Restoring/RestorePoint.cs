using System.Globalization;

namespace Datasette.Litestream.Restoring;

/// <summary>One state of a database that a destination can be restored to.</summary>
/// <param name="Since">The state is not older than this.</param>
/// <param name="Until">It is not newer than this; null where no later file tells.</param>
/// <param name="Bytes">How much is read for it, in bytes.</param>
internal abstract record RestorePoint(DateTimeOffset Since, DateTimeOffset? Until, long Bytes)
{
    /// <summary>Which state it is, as Litestream names it.</summary>
    public abstract string Name { get; }

    /// <summary>The state after a transaction of Litestream 0.5.</summary>
    /// <param name="Txid">Its id.</param>
    /// <param name="Since">See <see cref="RestorePoint"/>.</param>
    /// <param name="Until">See <see cref="RestorePoint"/>.</param>
    /// <param name="Bytes">See <see cref="RestorePoint"/>.</param>
    public sealed record Transaction(ulong Txid, DateTimeOffset Since, DateTimeOffset? Until, long Bytes) : RestorePoint(Since, Until, Bytes)
    {
        /// <inheritdoc/>
        public override string Name => NameOf(Txid);
    }

    /// <summary>The state after a file that Litestream 0.3 wrote.</summary>
    /// <param name="Last">The file.</param>
    /// <param name="Bytes">See <see cref="RestorePoint"/>.</param>
    public sealed record Segment(WalSegment Last, long Bytes) : RestorePoint(Last.At, Last.At, Bytes)
    {
        /// <summary>Whether it is the last one of its generation.</summary>
        public bool IsEnd { get; init; }

        /// <inheritdoc/>
        public override string Name => $"{Last.Generation}/{Last.Position}";
    }

    /// <summary>What only Litestream itself can find, since what lies there cannot be listed.</summary>
    /// <param name="At">The time that it is asked for; null for the newest state.</param>
    /// <param name="Now">The time now.</param>
    public sealed record Unlisted(DateTimeOffset? At, DateTimeOffset Now) : RestorePoint(DateTimeOffset.MinValue, At ?? Now, 0)
    {
        /// <inheritdoc/>
        public override string Name => "";
    }

    /// <summary>A transaction id as Litestream writes it.</summary>
    public static string NameOf(ulong txid) => txid.ToString("x16", CultureInfo.InvariantCulture);
}
