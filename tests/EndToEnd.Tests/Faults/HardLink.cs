using System.Runtime.InteropServices;

namespace Datasette.Litestream.EndToEnd.Faults;

/// <summary>Second names of files.</summary>
internal static partial class HardLink
{
    /// <returns>False if that is not possible, such as to another file system.</returns>
    public static bool TryCreate(string file, string name) => Link(file, name) == 0;

    [LibraryImport("libc", EntryPoint = "link", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Link(string file, string name);
}
