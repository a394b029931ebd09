using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Datasette.Litestream.Stores;

/// <summary>Puts the errors of files into the words of the system, as Go has them: .NET's have a path and no fixed form.</summary>
internal static class FolderFault
{
    /// <summary>An error of the system has one of these numbers; .NET's own are negative.</summary>
    private const int MaxErrorNumber = 4095;

    /// <summary>The fault that an exception means; null if it is not one of a file.</summary>
    public static StoreException? Explain(Exception? exception) => exception switch
    {
        null => new StoreException("the file system does not answer"),
        FileNotFoundException or DirectoryNotFoundException => new StoreException("no such file or directory", StoreFault.Missing, exception),
        UnauthorizedAccessException => new StoreException(Describe(exception.InnerException) ?? "permission denied", innerException: exception),
        IOException => new StoreException(Describe(exception) ?? exception.Message.TrimEnd('.'), innerException: exception),
        Win32Exception locking => new StoreException(
            $"the file system has no locks ({Lower(locking.Message)})", StoreFault.Unconditional, exception),
        _ => null,
    };

    private static string? Describe(Exception? exception) =>
        exception?.HResult is > 0 and <= MaxErrorNumber and var number ? Lower(Marshal.GetPInvokeErrorMessage(number)) : null;

    /// <summary>The words of the system as Go has them.</summary>
    public static string Lower(string text) => char.ToLowerInvariant(text[0]) + text[1..];
}
