namespace Datasette.Litestream.Configuration;

/// <summary>An attached database that is configured to be replicated, and cannot be.</summary>
/// <param name="Name">Datasette's name for it.</param>
/// <param name="Path">Its file, absolute with links resolved.</param>
/// <param name="Reason">Why it cannot be replicated.</param>
/// <param name="Sentence">The same for people, with what to do.</param>
internal sealed record UnreplicableDatabase(string Name, string Path, UnreplicableReason Reason, string Sentence);

/// <summary>Why a database cannot be replicated.</summary>
internal enum UnreplicableReason
{
    /// <summary>Its file has a name that opens another file.</summary>
    NameNotSupported,

    /// <summary>Another database of this Datasette is the same file, and is replicated.</summary>
    SameFile,

    /// <summary>What is configured for it is wrong, which was found out when it was attached.</summary>
    SettingsRefused,
}
