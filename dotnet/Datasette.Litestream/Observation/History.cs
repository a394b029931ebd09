using System.Runtime.InteropServices;

namespace Datasette.Litestream.Observation;

/// <summary>
/// The samples of one database: one every 10 s for the last hour and one every 10 minutes for the last day. They take less than
/// 16 KiB, and very little for a database that does not change. The sampling task writes the history; any thread may read it.
/// </summary>
internal sealed class History
{
    private readonly Lock _access = new();
    private readonly Ring _hour = new(HistoryRange.Hour);
    private readonly Ring _day = new(HistoryRange.Day);

    /// <summary>Adds a sample to the intervals that contain its time.</summary>
    public void Add(DateTimeOffset moment, Sample sample)
    {
        lock (_access)
        {
            _hour.Add(moment, sample);
            _day.Add(moment, sample);
        }
    }

    /// <summary>
    /// The samples of a range up to a given time, oldest first; <see cref="Sample.None"/> for an interval without a sample.
    /// </summary>
    public Sample[] Read(HistoryRange range, DateTimeOffset until)
    {
        lock (_access)
        {
            return (range == HistoryRange.Hour ? _hour : _day).Read(until);
        }
    }

    /// <summary>Consecutive intervals with equal samples, in 32 bytes.</summary>
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
                // The clock had been far ahead: the samples from the future would block new ones until that time.
                _count = 0;
            }
            else if (index < _last)
            {
                // The clock was set back a little: keep the existing samples.
                return;
            }
            else if (index == _last)
            {
                sample = RemoveLast().MergeWith(sample);
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

        private Sample RemoveLast()
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

            KeepNewest(range.Length - length);
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

        private void KeepNewest(int intervals)
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
