namespace Datasette.Litestream.Stores;

/// <summary>Something that could not be done at a store.</summary>
/// <param name="message">
/// The cause, finished and short, in the words of Go and S3, as Litestream has them: <c>127.0.0.1:9000: connection refused</c>,
/// <c>AccessDenied: …</c>, <c>no space left on device</c>. It contains no secret.
/// </param>
/// <param name="fault">What kind of fault it is.</param>
/// <param name="innerException">What it was found by.</param>
internal sealed class StoreException(string message, StoreFault fault = StoreFault.Other, Exception? innerException = null)
    : Exception(message, innerException)
{
    /// <summary>What kind of fault it is.</summary>
    public StoreFault Fault { get; } = fault;
}

/// <summary>A kind of fault, as far as the callers of a store act on it.</summary>
internal enum StoreFault
{
    /// <summary>Any other one: it may pass.</summary>
    Other,

    /// <summary>The file does not exist.</summary>
    Missing,

    /// <summary>The store refused the key.</summary>
    Refused,

    /// <summary>The content that was to be written could not be read; the store itself did not fail.</summary>
    Source,

    /// <summary>The store cannot write on a condition.</summary>
    Unconditional,
}
