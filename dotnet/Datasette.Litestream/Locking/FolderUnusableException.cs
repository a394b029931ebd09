namespace Datasette.Litestream.Locking;

/// <summary>
/// Litestream cannot work beside a database, which concerns that one alone. The message is for people, and complete.
/// </summary>
internal sealed class FolderUnusableException(string message, Exception? innerException = null) : Exception(message, innerException);
