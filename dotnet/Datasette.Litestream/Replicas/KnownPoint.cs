namespace Datasette.Litestream.Replicas;

/// <summary>
/// One state that a destination can be restored to, as its files were listed. There are
/// thousands of a database that is written to all day, so it is small.
/// </summary>
internal readonly record struct KnownPoint
{
    private readonly long _since, _until;

    /// <param name="txid">The last transaction of the state.</param>
    /// <param name="since">The state is not older than this.</param>
    /// <param name="until">It is not newer than this.</param>
    public KnownPoint(ulong txid, DateTimeOffset since, DateTimeOffset until) => (Txid, _since, _until) = (txid, since.UtcTicks, until.UtcTicks);

    /// <summary>The last transaction of the state.</summary>
    public ulong Txid { get; }

    /// <summary>The state is not older than this; in UTC.</summary>
    public DateTimeOffset Since => new(_since, TimeSpan.Zero);

    /// <summary>It is not newer than this; in UTC.</summary>
    public DateTimeOffset Until => new(_until, TimeSpan.Zero);
}
