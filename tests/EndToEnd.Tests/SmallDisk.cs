using CliWrap;

namespace Datasette.Litestream.EndToEnd;

/// <summary>A file system of a few megabytes that can be filled and emptied; needs Linux and root.</summary>
internal sealed class SmallDisk : IDisposable
{
    private readonly string _ballast;
    private bool _isMounted = true;

    private SmallDisk(string folder)
    {
        Folder = folder;
        _ballast = Path.Combine(folder, "ballast");
    }

    public string Folder { get; }

    public static async Task<SmallDisk> MountAsync(string folder)
    {
        Directory.CreateDirectory(folder);
        var mounted = await Cli.Wrap("mount").WithArguments(["-t", "tmpfs", "-o", "size=8m", "tmpfs", folder])
            .WithValidation(CommandResultValidation.None).ExecuteAsync();
        if (mounted.ExitCode != 0)
        {
            throw Skip.Because("a small file system cannot be mounted; run the tests as root on Linux");
        }

        return new SmallDisk(folder);
    }

    /// <summary>Fills the disk, except for some bytes.</summary>
    /// <param name="roomLeft">Bytes; a multiple of 4096.</param>
    public void Fill(int roomLeft = 0)
    {
        using var ballast = new FileStream(_ballast, FileMode.Append, FileAccess.Write, FileShare.None, bufferSize: 0);
        var block = new byte[4096];
        try
        {
            while (true)
            {
                ballast.Write(block);
            }
        }
        catch (IOException)
        {
            ballast.SetLength(ballast.Length - roomLeft);
        }
    }

    /// <summary>Makes room again.</summary>
    public void Empty() => File.Delete(_ballast);

    /// <summary>Lets nobody write to it, or everybody again.</summary>
    public async Task RemountAsync(bool isReadOnly) =>
        await Cli.Wrap("mount").WithArguments(["-o", isReadOnly ? "remount,ro" : "remount,rw", Folder]).ExecuteAsync();

    /// <summary>Takes it away; an empty folder is left.</summary>
    public void Unmount()
    {
        if (_isMounted)
        {
            Cli.Wrap("umount").WithArguments(["--lazy", Folder]).ExecuteAsync().GetAwaiter().GetResult();
            _isMounted = false;
        }
    }

    public void Dispose() => Unmount();
}
