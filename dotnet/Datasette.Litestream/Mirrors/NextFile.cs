using Datasette.Litestream.Replicas;

namespace Datasette.Litestream.Mirrors;

/// <summary>Which file a mirror needs next, so that it can be restored at every moment: a snapshot first, and then only what follows.</summary>
internal static class NextFile
{
    /// <summary>Finds the file that brings a place farthest.</summary>
    /// <param name="source">What another place has.</param>
    /// <param name="reach">The last transaction that can be restored; 0 if nothing can be.</param>
    /// <returns>Null if it has nothing that helps.</returns>
    public static LtxName? Find(LtxSet source, ulong reach)
    {
        if (source.Reach <= reach)
        {
            return null;
        }

        if (reach == 0)
        {
            return source.Chain.Files[0];
        }

        LtxName? best = null;
        for (var level = LtxName.SnapshotLevel - 1; level >= 0; level--)
        {
            foreach (var name in source.Level(level))
            {
                if (name.Min > reach + 1)
                {
                    break;
                }

                if (name.Max > reach && (best is not { } known || name.Max > known.Max))
                {
                    best = name;
                }
            }
        }

        return best ?? source.Level(LtxName.SnapshotLevel).Where(name => name.Max > reach).Select(name => (LtxName?)name).LastOrDefault();
    }
}
