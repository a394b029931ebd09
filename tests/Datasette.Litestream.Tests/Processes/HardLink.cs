using System.Runtime.InteropServices;

namespace Datasette.Litestream.Tests.Processes;

/// <summary>Gives a file a second name; .NET 10 has no API for it.</summary>
internal static partial class HardLink
{
    public static void Create(string path, string other) => Assert.AreEqual(0, link(path, other));

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int link(string path, string other);
}
