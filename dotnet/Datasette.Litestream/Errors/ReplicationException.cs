namespace Datasette.Litestream.Errors;

/// <summary>
/// An error meant for the person who runs Datasette. Its message is complete: what is wrong, where, and what to do.
/// It never contains a secret.
/// </summary>
public class ReplicationException(string message, Exception? innerException = null)
    : Exception(message, innerException);
