using Datasette.Litestream.Processes;
using Datasette.Litestream.SqliteFiles;

namespace Datasette.Litestream.Observation;

/// <summary>
/// Notices that a database file was overwritten from outside of SQLite: whenever a file has changed, a child process examines it
/// and its write-ahead log, and compares them with its last look. One child at a time examines all files that have changed. The
/// sampling task owns it.
/// </summary>
/// <param name="program">The program that reads SQLite files.</param>
/// <param name="comparesRuns">
/// Whether looks from two runs of Litestream are compared. In between, a log's index can be made anew, and have the marks of a checkpoint that
/// was done once more. Litestream 0.3 is restarted whenever a database comes or goes.
/// </param>
internal sealed class OverwritingWatch(SqliteProgram program, bool comparesRuns)
{
    /// <summary>How long after its start Litestream 0.3 may still have to open databases: it does so at its first tick, if no writer keeps it from it.</summary>
    private static readonly TimeSpan OpeningTime = TimeSpan.FromSeconds(15);

    private (Task<IReadOnlyList<HeaderLook>> Looks, ExaminedFile[] Files, DateTimeOffset At)? _running;

    /// <summary>Takes the results of the last child, and starts another one if a file has changed.</summary>
    /// <param name="now">The time of the look.</param>
    /// <param name="run">Which run of Litestream it is; null while it is not running.</param>
    /// <param name="all">The databases, with what was just seen of their files.</param>
    /// <param name="cancellationToken">Kills the child.</param>
    public void Advance(DateTimeOffset now, DateTimeOffset? run, IEnumerable<(ExaminedFile Database, string Path, FileStatus? File)> all, CancellationToken cancellationToken)
    {
        run = comparesRuns || now - run >= OpeningTime ? run : null;
        if (_running is { Looks.IsCompleted: true } done)
        {
            _running = null;
            if (done.Looks.IsCompletedSuccessfully)
            {
                for (var n = 0; n < done.Files.Length; n++)
                {
                    done.Files[n].Take(done.Looks.Result[n], done.At, run, comparesRuns);
                }
            }
        }

        if (_running is not null)
        {
            return;
        }

        var changed = all
            .Where(one => one.File is { } file && (one.Database.Examination.File != file || (!comparesRuns && run is not null && one.Database.BelongsToAnother(run))))
            .ToList();
        if (changed.Count > 0)
        {
            changed.ForEach(one => one.Database.Begin(one.File, run));
            _running = (program.LookAsync([.. changed.Select(one => one.Path)], cancellationToken), [.. changed.Select(one => one.Database)], now);
        }
    }
}

/// <summary>One database file as <see cref="OverwritingWatch"/> knows it. The sampling task owns it.</summary>
internal sealed class ExaminedFile
{
    private (HeaderLook Look, DateTimeOffset? Run)? _last;
    private bool _isForgotten;
    private FileStatus? _looked;
    private DateTimeOffset? _run;

    /// <summary>What is known of it.</summary>
    public Examination Examination { get; private set; }

    /// <summary>Forgets it: the database is replicated anew with whatever its file holds now.</summary>
    public void Forget() => (Examination, _last, _isForgotten) = (default, null, true);

    /// <summary>Notes how the file was seen before a look at its content.</summary>
    /// <param name="file">How.</param>
    /// <param name="run">Which run of Litestream it is; null while it is not running.</param>
    public void Begin(FileStatus? file, DateTimeOffset? run) => (_looked, _run, _isForgotten) = (file, run, false);

    /// <summary>Whether the last look was taken in another run of Litestream.</summary>
    public bool BelongsToAnother(DateTimeOffset? run) => _last is { } last && last.Run != run;

    /// <summary>Takes the result of that look.</summary>
    /// <param name="look">The result.</param>
    /// <param name="at">When the file was seen before it.</param>
    /// <param name="run">Which run of Litestream it is now.</param>
    /// <param name="comparesRuns">See <see cref="OverwritingWatch"/>.</param>
    public void Take(HeaderLook look, DateTimeOffset at, DateTimeOffset? run, bool comparesRuns)
    {
        if (_isForgotten)
        {
            // It was looked at before that.
            return;
        }

        var problem = Examination.Problem;
        if (problem is null && _last is { } before)
        {
            var isOneRun = run is not null && before.Run == run && _run == run;
            problem = FileOverwriting.Judge(before.Look, look, isOneRun, comparesRuns);
        }

        Examination = new Examination(look.Error is null ? _looked : null, at, problem, look.Error);
        _last = look.Error is null ? (look, _run) : _last;
    }
}

/// <summary>What the last examination of a file showed.</summary>
/// <param name="File">The file as it was seen before; null if it could not be examined.</param>
/// <param name="At">When it was seen so.</param>
/// <param name="Problem">Why it must have been overwritten, in a clause; null if nothing indicates that.</param>
/// <param name="Error">Why it could not be examined; null if it was.</param>
internal readonly record struct Examination(FileStatus? File, DateTimeOffset At, string? Problem, string? Error)
{
    /// <summary>Whether a file with that look, at that time, is known not to have been overwritten.</summary>
    public bool Covers(FileStatus? file, DateTimeOffset at) => Problem is null && File is { } examined && (examined == file || At >= at);
}
