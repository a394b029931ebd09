namespace Datasette.Litestream.Locking;

/// <summary>
/// Litestream cannot work with a database, which concerns that one alone. The message is for people, and complete.
/// </summary>
internal sealed class DatabaseUnusableException(string message, Exception? innerException = null) : Exception(message, innerException);
