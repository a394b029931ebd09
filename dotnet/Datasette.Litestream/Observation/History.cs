using System.Runtime.InteropServices;

namespace Datasette.Litestream.Observation;

/// <summary>
/// The samples of one database: an hour's every 10 s and a day's every 10 minutes, under 16 KiB in all, and next to nothing
/// for a database to which nothing happens. The sampling task writes it, anybody reads it.
/// </summary>
internal sealed class History
{
    private readonly Lock _access = new();
    private readonly Ring _hour = new(HistoryRange.Hour);
    private readonly Ring _day = new(HistoryRange.Day);

    /// <summary>Adds what was seen at a moment to the intervals that it is in.</summary>
    public void Add(DateTimeOffset moment, Sample sample)
    {
        lock (_access)
        {
            _hour.Add(moment, sample);
            _day.Add(moment, sample);
        }
    }

    /// <summary>The samples of a range up to a moment, oldest first; <see cref="Sample.None"/> where nobody looked.</summary>
    public Sample[] Read(HistoryRange range, DateTimeOffset until)
    {
        lock (_access)
        {
            return (range == HistoryRange.Hour ? _hour : _day).Read(until);
        }
    }

    /// <summary>Equal samples of intervals that follow each other, in 32 bytes.</summary>
    [StructLayout(LayoutKind.Sequential, Pack = 2)]
    internal readonly record struct Run(Sample Sample, ushort Length);

    /// <summary>The newest intervals of a range, as runs, oldest first.</summary>
    private sealed class Ring(HistoryRange range)
    {
        private Run[] _runs = [];
        private int _count;
        private long _last = long.MinValue / 2;

        public void Add(DateTimeOffset moment, Sample sample)
        {
            var index = range.IndexOf(moment);
            if (index <= _last - range.Length)
            {
                // A clock that had been far ahead: what is there would be in the way until then.
                _count = 0;
            }
            else if (index < _last)
            {
                // A clock that was set back: what is there already stays.
                return;
            }
            else if (index == _last)
            {
                sample = TakeLast().Then(sample);
            }
            else
            {
                Append(Sample.None, (int)Math.Min(index - _last - 1, range.Length - 1));
            }

            Append(sample, 1);
            _last = index;
        }

        public Sample[] Read(DateTimeOffset until)
        {
            var samples = new Sample[range.Length];
            Array.Fill(samples, Sample.None);
            var place = _last - (range.IndexOf(until) - range.Length + 1);
            for (var i = _count - 1; i >= 0; i--)
            {
                for (var n = 0; n < _runs[i].Length; n++, place--)
                {
                    if (place >= 0 && place < samples.Length)
                    {
                        samples[place] = _runs[i].Sample;
                    }
                }
            }

            return samples;
        }

        private Sample TakeLast()
        {
            var run = _runs[_count - 1];
            _runs[_count - 1] = run with { Length = (ushort)(run.Length - 1) };
            _count -= run.Length == 1 ? 1 : 0;
            return run.Sample;
        }

        private void Append(Sample sample, int length)
        {
            if (length == 0)
            {
                return;
            }

            DropAllBut(range.Length - length);
            if (_count > 0 && _runs[_count - 1] is var run && run.Sample == sample)
            {
                _runs[_count - 1] = run with { Length = (ushort)(run.Length + length) };
                return;
            }

            if (_count == _runs.Length)
            {
                Array.Resize(ref _runs, Math.Min(Math.Max(4, 2 * _count), range.Length));
            }

            _runs[_count++] = new Run(sample, (ushort)length);
        }

        private void DropAllBut(int intervals)
        {
            var kept = 0;
            var first = _count;
            while (first > 0 && kept < intervals)
            {
                kept += _runs[--first].Length;
            }

            Array.Copy(_runs, first, _runs, 0, _count - first);
            _count -= first;
            if (kept > intervals)
            {
                _runs[0] = _runs[0] with { Length = (ushort)(_runs[0].Length - (kept - intervals)) };
            }
        }
    }
}
