namespace Datasette.Litestream.Status;

/// <summary>
/// The samples of one database: an hour's every 10 s and a day's every 10 minutes, under 16 KiB in all. The sampling task
/// writes it, anybody reads it.
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

    private sealed class Ring(HistoryRange range)
    {
        private readonly Sample[] _samples = [.. Enumerable.Repeat(Sample.None, range.Length)];
        private long _last = long.MinValue / 2;

        public void Add(DateTimeOffset moment, Sample sample)
        {
            var index = range.IndexOf(moment);
            if (index <= _last - range.Length)
            {
                // A clock that had been far ahead: what is there would be in the way until then.
                Array.Fill(_samples, Sample.None);
                _last = index;
            }
            else if (index < _last)
            {
                // A clock that was set back: what is there already stays.
                return;
            }

            ClearUpTo(index);
            ref var slot = ref _samples[SlotOf(index)];
            slot = slot.Then(sample);
        }

        public Sample[] Read(DateTimeOffset until)
        {
            var end = range.IndexOf(until);
            return [.. Enumerable.Range(0, range.Length).Select(i => At(end - range.Length + 1 + i))];
        }

        private Sample At(long index) =>
            index <= _last && index > _last - range.Length ? _samples[SlotOf(index)] : Sample.None;

        // A machine without a battery wakes up in 1970, and looks back to before.
        private long SlotOf(long index) => ((index % range.Length) + range.Length) % range.Length;

        private void ClearUpTo(long index)
        {
            for (var i = Math.Max(_last + 1, index - range.Length + 1); i <= index; i++)
            {
                _samples[SlotOf(i)] = Sample.None;
            }

            _last = index;
        }
    }
}
