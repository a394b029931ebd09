using System.Globalization;

namespace Datasette.Litestream.Restoring;

/// <summary>Which state of a database is wanted back.</summary>
internal abstract record RestoreTarget
{
    /// <summary>The newest state that there is.</summary>
    public static RestoreTarget Newest { get; } = new NewestState();

    private RestoreTarget()
    {
    }

    /// <summary>The newest state that there is.</summary>
    public sealed record NewestState : RestoreTarget;

    /// <summary>The newest state that is not after a time.</summary>
    /// <param name="Time">The time.</param>
    public sealed record AtTime(DateTimeOffset Time) : RestoreTarget;

    /// <summary>The state after a transaction of Litestream 0.5.</summary>
    /// <param name="Txid">Its id.</param>
    public sealed record AfterTransaction(ulong Txid) : RestoreTarget;

    /// <summary>
    /// Reads a transaction id as Litestream writes it: up to 16 hexadecimal digits, as in the names of files, with or without <c>0x</c>.
    /// </summary>
    /// <returns>Null if it is none.</returns>
    public static ulong? ParseTxid(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var digits = text.Trim();
        digits = digits.StartsWith("0x", StringComparison.OrdinalIgnoreCase) ? digits[2..] : digits;
        return digits.Length is > 0 and <= 16 && ulong.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var txid) && txid > 0 ? txid : null;
    }
}
