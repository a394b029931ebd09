using System.Runtime.InteropServices;

namespace Datasette.Litestream.Processes;

/// <summary>Finds the file that a path leads to: realpath(3), since .NET follows only a link that is the last part.</summary>
internal static partial class RealPath
{
    /// <summary>The path of the file without any link; null if there is none, or it cannot be found.</summary>
    public static string? Of(string path)
    {
        var resolved = realpath(path, 0);
        if (resolved == 0)
        {
            return null;
        }

        try
        {
            return Marshal.PtrToStringUTF8(resolved);
        }
        finally
        {
            free(resolved);
        }
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint realpath(string path, nint buffer);

    [LibraryImport("libc")]
    private static partial void free(nint memory);
}
