using Datasette.Litestream.Processes;
using Datasette.Litestream.SqliteFiles;

namespace Datasette.Litestream.Observation;

/// <summary>
/// Notices that a database file was overwritten from outside of SQLite: whenever a file has changed, a child process examines it
/// and its write-ahead log, and compares them with its last look. One child at a time examines all files that have changed. The
/// sampling task owns it.
/// </summary>
/// <param name="program">The program that reads SQLite files.</param>
/// <param name="count">The number of databases.</param>
internal sealed class OverwritingWatch(SqliteProgram program, int count)
{
    private readonly Examination[] _examinations = new Examination[count];
    private readonly HeaderLook?[] _headers = new HeaderLook?[count];
    private readonly bool[] _isForgotten = new bool[count];
    private (Task<IReadOnlyList<HeaderLook>> Looks, int[] Indexes, FileStatus?[] Files, DateTimeOffset At)? _running;

    /// <summary>What is known of a database.</summary>
    public Examination this[int index] => _examinations[index];

    /// <summary>Takes the results of the last child, and starts another one if a file has changed.</summary>
    /// <param name="now">The time of the look.</param>
    /// <param name="paths">The paths of the files.</param>
    /// <param name="files">What was just seen of them.</param>
    /// <param name="cancellationToken">Kills the child.</param>
    public void Advance(DateTimeOffset now, Func<int, string> paths, DatabaseFiles[] files, CancellationToken cancellationToken)
    {
        if (_running is { Looks.IsCompleted: true } done)
        {
            _running = null;
            if (done.Looks.IsCompletedSuccessfully)
            {
                TakeResults(done.Looks.Result, done.Indexes, done.Files, done.At);
            }
        }

        if (_running is not null)
        {
            return;
        }

        var changed = new List<int>();
        for (var i = 0; i < count; i++)
        {
            if (files[i].Database is { } file && _examinations[i].File != file)
            {
                changed.Add(i);
            }
        }

        if (changed.Count > 0)
        {
            int[] indexes = [.. changed];
            Array.Clear(_isForgotten);
            _running = (program.LookAsync([.. indexes.Select(paths)], cancellationToken), indexes, Array.ConvertAll(indexes, i => files[i].Database), now);
        }
    }

    /// <summary>Forgets a database, which is replicated anew with whatever its file holds now.</summary>
    public void Forget(int index) => (_examinations[index], _headers[index], _isForgotten[index]) = (default, null, true);

    private void TakeResults(IReadOnlyList<HeaderLook> looks, int[] indexes, FileStatus?[] files, DateTimeOffset at)
    {
        for (var n = 0; n < indexes.Length; n++)
        {
            var (i, look) = (indexes[n], looks[n]);
            if (_isForgotten[i])
            {
                // It was looked at before that.
                continue;
            }

            var problem = _examinations[i].Problem ?? (_headers[i] is { } before ? FileOverwriting.Judge(before, look) : null);
            _examinations[i] = new Examination(look.Error is null ? files[n] : null, at, problem, look.Error);
            _headers[i] = look.Error is null ? look : _headers[i];
        }
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
