namespace Datasette.Litestream.Configuration;

/// <summary>
/// The two release lines of Litestream in use; they differ in their configuration, their files and their control socket.
/// </summary>
[Flags]
internal enum ReleaseLine
{
    None = 0,

    /// <summary>0.3.x: shadow WAL in <c>generations/</c>, several replicas per database, no control socket.</summary>
    V03 = 1,

    /// <summary>0.5.x: LTX files, one replica per database, a control socket.</summary>
    V05 = 2,

    Both = V03 | V05,
}
