using System.IO.Enumeration;

namespace Datasette.Litestream.Replicas;

/// <summary>The names in the folder of one level, without a string for each: such a folder can have thousands of files.</summary>
/// <param name="path">The folder.</param>
/// <param name="level">Its level.</param>
/// <param name="onTemporaryFile">Receives the path of each file that is still being written.</param>
internal sealed class LtxFolder(string path, int level, Action<string> onTemporaryFile) : FileSystemEnumerator<LtxName>(path, Everything)
{
    /// <summary>Files are not to be looked at one by one, and an error must not look like an empty folder.</summary>
    private static readonly EnumerationOptions Everything = new() { AttributesToSkip = FileAttributes.None, IgnoreInaccessible = false };

    /// <summary>The file client's name for a file that it is still writing ends in this.</summary>
    private const string TemporaryExtension = ".tmp";

    private LtxName _name;

    /// <inheritdoc/>
    protected override bool ShouldIncludeEntry(ref FileSystemEntry entry)
    {
        if (LtxName.TryParse(level, entry.FileName, out _name))
        {
            return true;
        }

        if (entry.FileName.EndsWith(TemporaryExtension, StringComparison.Ordinal))
        {
            onTemporaryFile(entry.ToFullPath());
        }

        return false;
    }

    /// <inheritdoc/>
    protected override LtxName TransformEntry(ref FileSystemEntry entry) => _name;
}
