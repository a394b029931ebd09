using System.Collections.Immutable;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Replicas;
using Datasette.Litestream.Stores;

namespace Datasette.Litestream.Mirrors;

/// <summary>
/// The files that this machine's Litestream makes of one database, one for each transaction. Looks take turns; any thread may read
/// <see cref="Current"/>. A look at a folder that did not change takes about a microsecond.
/// </summary>
/// <param name="time">The clock.</param>
internal sealed class LocalHistory(TimeProvider time)
{
    /// <summary>A folder that changed this recently may change again without another time.</summary>
    private static readonly TimeSpan TimeResolution = TimeSpan.FromSeconds(2);

    private static readonly ImmutableDictionary<string, string> Nothing = ImmutableDictionary<string, string>.Empty;

    private readonly Lock _turn = new();
    private FileStatus? _status;
    private bool _isSettled;
    private LtxSeal? _top;
    private volatile LocalFilesLook _current = new("", [], 0, 0);

    /// <summary>What was there at the last look.</summary>
    public LocalFilesLook Current => _current;

    /// <summary>Looks whether anything changed.</summary>
    /// <param name="stateFolder">Litestream's folder of the database.</param>
    /// <returns>Whether there are other files than at the last look.</returns>
    /// <exception cref="IOException">It cannot be looked at.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be looked at.</exception>
    public bool Look(string stateFolder)
    {
        using var turn = _turn.EnterScope();
        var folder = stateFolder == _current.StateFolder ? _current.Folder : LocalFiles.FolderOf(stateFolder);
        var look = FileStatus.Look(folder);
        if (look.Error is { } error)
        {
            throw new IOException($"{folder}: {error}");
        }

        if (stateFolder == _current.StateFolder && _isSettled && look.Status == _status)
        {
            return false;
        }

        var before = _current;
        var names = look.Status is null ? [] : List(folder);

        // The last file stays until there is a later one. If it is gone or another one, the transactions begin anew.
        var continues = stateFolder == before.StateFolder && before.Names is [.., var last] && names.Contains(last)
            && ReadSeal(folder, last) is { } seal && seal == _top;
        _top = names is [.., var top] ? ReadSeal(folder, top) : null;
        (_status, _isSettled) = (look.Status, look.Status is not { } status || status.ModifiedAt < time.GetUtcNow() - TimeResolution);
        if (continues && names.AsSpan().SequenceEqual(before.Names.AsSpan()))
        {
            return false;
        }

        _current = new LocalFilesLook(stateFolder, names, continues || (names.IsEmpty && before.Names.IsEmpty && before.Epoch > 0) ? before.Epoch : before.Epoch + 1, before.Version + 1)
        {
            Remembered = continues ? before.Remembered : stateFolder == before.StateFolder ? Nothing : Recall(stateFolder, folder, names),
        };
        return before.Epoch != _current.Epoch || !names.AsSpan().SequenceEqual(before.Names.AsSpan());
    }

    /// <summary>Remembers the last files of mirrors that are behind, for the time after a restart.</summary>
    /// <param name="tails">What <see cref="MirrorMemory.TextOf"/> says of them, by the identities of their replicas.</param>
    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be written.</exception>
    public void Remember(ImmutableDictionary<string, string> tails)
    {
        using var turn = _turn.EnterScope();
        if (_top is { } top && !tails.IsEmpty)
        {
            new MirrorMemory(MirrorMemory.TextOf(top), tails).Write(_current.StateFolder);
        }
    }

    /// <summary>Opens the files of a database.</summary>
    public static LtxStore Open(string stateFolder, TimeProvider time) => new(new FolderStore(stateFolder, FileRights.Private, time), time);

    /// <summary>What was remembered of the mirrors, if the transactions go on from there.</summary>
    private static ImmutableDictionary<string, string> Recall(string stateFolder, string folder, ImmutableArray<LtxName> names) =>
        MirrorMemory.Read(stateFolder) is { } memory && names.FirstOrDefault(memory.IsOf) is { Max: > 0 } name
        && ReadSeal(folder, name) is { } seal && MirrorMemory.TextOf(seal) == memory.Top ? memory.Tails : Nothing;

    private static ImmutableArray<LtxName> List(string folder)
    {
        var names = ImmutableArray.CreateBuilder<LtxName>();
        try
        {
            using var files = new LtxFolder(folder, 0, _ => { });
            while (files.MoveNext())
            {
                names.Add(files.Current);
            }
        }
        catch (DirectoryNotFoundException)
        {
            return [];
        }

        names.Sort(static (one, other) => one.Max.CompareTo(other.Max));
        return names.DrainToImmutable();
    }

    private static LtxSeal? ReadSeal(string folder, LtxName name)
    {
        try
        {
            return LtxSeal.Read(Path.Combine(folder, name.FileName), name);
        }
        catch (Exception ex) when (ex is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }
}

/// <summary>What a look at the local files found.</summary>
/// <param name="StateFolder">Litestream's folder of the database; empty before the first look.</param>
/// <param name="Names">The files, by their transactions.</param>
/// <param name="Epoch">Another number means that the transactions may have begun anew, so that an id may mean another one.</param>
/// <param name="Version">Another number means that something changed.</param>
internal sealed record LocalFilesLook(string StateFolder, ImmutableArray<LtxName> Names, int Epoch, int Version)
{
    /// <summary>The folder of the files.</summary>
    public string Folder { get; } = StateFolder.Length == 0 ? "" : LocalFiles.FolderOf(StateFolder);

    /// <summary>The last files of mirrors of this history, as remembered from before a restart, by the identities of their replicas.</summary>
    public ImmutableDictionary<string, string> Remembered { get; init; } = ImmutableDictionary<string, string>.Empty;

    /// <summary>The first transaction; 0 if there is no file.</summary>
    public ulong Lowest => Names is [var first, ..] ? first.Min : 0;

    /// <summary>The last transaction; 0 if there is no file.</summary>
    public ulong Highest => Names is [.., var last] ? last.Max : 0;

    /// <summary>The file that follows a transaction; null if there is none.</summary>
    public LtxName? After(ulong txid)
    {
        var next = new LtxName(0, txid + 1, txid + 1);
        return Has(next) ? next : null;
    }

    /// <summary>Whether there was a file of that name.</summary>
    public bool Has(LtxName name) => Names.BinarySearch(name, ByLast) >= 0;

    /// <summary>The size of a file now; null if it is not there any more.</summary>
    public long? SizeOf(LtxName name) => FileStatus.Look(Path.Combine(Folder, name.FileName)).Status?.Size;

    /// <summary>When a file was made; null if it is not there any more.</summary>
    public DateTimeOffset? TimeOf(LtxName name) => FileStatus.Look(Path.Combine(Folder, name.FileName)).Status?.ModifiedAt;

    /// <summary>The seal of a file now.</summary>
    /// <returns>Null if it is not there any more, or not complete.</returns>
    public LtxSeal? ReadSeal(LtxName name)
    {
        try
        {
            return LtxSeal.Read(Path.Combine(Folder, name.FileName), name);
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static readonly IComparer<LtxName> ByLast = Comparer<LtxName>.Create(static (one, other) => one.Max.CompareTo(other.Max));
}
