using System.Collections.Immutable;
using Datasette.Litestream.SqliteFiles;

namespace Datasette.Litestream.Daemon;

/// <summary>Litestream would miss a part of the write-ahead logs of some databases, since others keep these logs from being emptied.</summary>
internal sealed class LogsBlockedException(ImmutableDictionary<string, string> causes) : Exception(causes.Values.First())
{
    /// <summary>What keeps each, in a clause, by the path of the database.</summary>
    public ImmutableDictionary<string, string> Causes { get; } = causes;

    public static void ThrowIfAny(ILogHold? hold)
    {
        if (hold is { Blocked: { IsEmpty: false } causes })
        {
            throw new LogsBlockedException(causes);
        }
    }
}
