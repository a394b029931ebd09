namespace Datasette.Litestream.Configuration;

/// <summary>The two release lines of Litestream in the field; they differ in configuration, on disk and in control.</summary>
[Flags]
internal enum ReleaseLine
{
    None = 0,

    /// <summary>0.3.x: shadow WAL in <c>generations/</c>, many replicas a database, no control socket.</summary>
    V03 = 1,

    /// <summary>0.5.x: LTX files, one replica a database, a control socket.</summary>
    V05 = 2,

    Both = V03 | V05,
}
