using System.Runtime.InteropServices;

namespace Datasette.Litestream.Processes;

/// <summary>
/// The library of the system that .NET on Linux encrypts and signs with. .NET ends the whole process when it needs the library and
/// does not find it, so it is looked for before.
/// </summary>
internal static class OpenSsl
{
    /// <summary>Why there is no encryption, to go on with "which needs OpenSSL, and …".</summary>
    public const string Missing = "libssl.so.3 is not on this machine; install the package libssl3";

    private static readonly string[] Libraries = ["libssl.so.3", "libssl.so.1.1"];

    /// <summary>Whether it is there.</summary>
    /// <param name="canLoad">Whether a library of that name can be loaded; null for this machine.</param>
    public static bool IsThere(Func<string, bool>? canLoad = null) =>
        !OperatingSystem.IsLinux() || Libraries.Any(canLoad ?? (static library => NativeLibrary.TryLoad(library, out _)));
}
