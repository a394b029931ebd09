using Datasette.Litestream.Stores;
using Datasette.Litestream.Tests.Processes;
using Datasette.Litestream.Writers;

namespace Datasette.Litestream.Tests.Writers;

/// <summary>
/// Up to four machines with one destination, whose looks, Litestreams, networks and lives interleave at random: whatever
/// happens, no two write at once, and when nothing happens any more, one of those that live writes unless all were replaced.
/// </summary>
[TestClass]
public sealed class ClaimInterleavingSpecs
{
    private const int Runs = 200, Steps = 150;

    [TestMethod]
    public async Task No_two_write_at_once()
    {
        var first = Random.Shared.Next();
        var (handOvers, forced, written) = (0, 0, 0);
        for (var seed = first; seed != first + Runs; seed++)
        {
            using var run = new Run(seed);
            await run.GoAsync();
            handOvers += run.HandOvers;
            forced += run.Forced;
            written += run.StepsWritten;
        }

        Assert.IsGreaterThan(Runs / 4, handOvers, "there is something to see");
        Assert.IsGreaterThan(Runs / 8, forced);
        Assert.IsGreaterThan(Runs * Steps / 4, written);
    }

    private sealed class Run(int seed) : IDisposable
    {
        private readonly Random _random = new(seed);
        private readonly TestClock _clock = new();
        private readonly MemoryStore _files = new();
        private readonly List<Actor> _actors = [];
        private readonly List<string> _history = [];

        public int HandOvers { get; private set; }

        public int Forced { get; private set; }

        public int StepsWritten { get; private set; }

        public async Task GoAsync()
        {
            for (var step = 0; step < Steps; step++)
            {
                Happen();
                await PassAsync();
            }

            // Then it becomes quiet.
            foreach (var actor in _actors)
            {
                actor.IsCutOff = false;
            }

            var living = _actors.Where(actor => !actor.IsDead).ToList();
            for (var step = 0; step < 400 && !IsSettled(); step++)
            {
                await PassAsync();
            }

            Assert.IsTrue(
                IsSettled(),
                $"seed {seed}: {string.Join("; ", living.Select(actor => actor.Machine))}\n{string.Join('\n', _history)}");

            bool IsSettled() => living.All(actor => actor.IsWriting || actor.Machine.State == ClaimState.Lost);
        }

        public void Dispose() => _files.Dispose();

        private void Happen()
        {
            if (_actors.Count(actor => !actor.IsDead) is var living && (living == 0 || (living < 4 && _random.Next(40) == 0)))
            {
                var actor = new Actor($"{(char)('a' + _actors.Count)}", _clock, _files, _random);
                _actors.Add(actor);
                Note($"{actor.Machine.Identified.Host} starts");
            }

            foreach (var actor in _actors.Where(actor => !actor.IsDead))
            {
                if (_random.Next(150) == 0)
                {
                    actor.Die();
                    Note($"{actor.Machine.Identified.Host} is killed");
                }
                else if (_random.Next(25) == 0)
                {
                    actor.IsCutOff = !actor.IsCutOff;
                    Note($"{actor.Machine.Identified.Host} is {(actor.IsCutOff ? "" : "not ")}cut off");
                }
            }
        }

        private async Task PassAsync()
        {
            _clock.Advance(TimeSpan.FromMilliseconds(_random.Next(1, 2500)));
            foreach (var actor in _actors.Where(actor => !actor.IsDead).OrderBy(_ => _random.Next()).ToList())
            {
                var before = actor.Machine.Parks;
                await actor.ActAsync();
                var after = actor.Machine.Parks;
                if (before.State != after.State)
                {
                    Note($"{actor.Machine}");
                    HandOvers += after is { IsHeld: true, TakenFrom: not null } ? 1 : 0;
                    Forced += after is { IsHeld: true, IsForced: true, TakenFrom: not null } ? 1 : 0;
                }
            }

            var writing = _actors.Where(actor => actor.IsWriting).Select(actor => actor.Machine.Identified.Host).ToList();
            StepsWritten += writing.Count;
            Assert.IsLessThan(2, writing.Count, $"seed {seed}: {string.Join(" and ", writing)} write at once\n{string.Join('\n', _history)}");
        }

        private void Note(string what) => _history.Add($"{_clock.Now:mm:ss.fff} {what}");
    }

    /// <summary>A machine with what <see cref="DestinationClaims"/> and Litestream do there.</summary>
    private sealed class Actor(string host, TestClock clock, MemoryStore files, Random random)
    {
        private long? _endsAt;

        public Machine Machine { get; } = new(clock, host, new CutOffStore(files, () => false));

        public bool IsDead { get; private set; }

        public bool IsCutOff { get; set; }

        /// <summary>Whether its Litestream runs with the database.</summary>
        public bool IsWriting { get; private set; }

        public void Die() => (IsDead, IsWriting) = (true, false);

        public async Task ActAsync()
        {
            var claims = Machine.Claims;
            if (claims.TrustedUntil <= clock.GetTimestamp())
            {
                claims.StopTrusting();
            }

            if (claims.NextLookAt <= clock.GetTimestamp())
            {
                files.OnRequest = () =>
                {
                    // Requests take their time, in which nobody else acts; seldom a write arrives whose answer does not.
                    clock.Advance(TimeSpan.FromMilliseconds(random.Next(300)));
                    if (IsCutOff)
                    {
                        throw new StoreException("no route to host");
                    }
                };
                files.OnAnswer = () =>
                {
                    if (random.Next(20) == 0)
                    {
                        throw new StoreException("connection reset by peer");
                    }
                };
                await Machine.LookAsync();
            }

            ActLitestream(claims);
        }

        private void ActLitestream(PlaceClaims claims)
        {
            var now = clock.GetTimestamp();
            if (Machine.Parks.IsHeld)
            {
                if (_endsAt is null && !IsWriting && claims.TakeForbidden().IsEmpty)
                {
                    IsWriting = true;
                }

                // A stop that was begun is made first.
            }
            else if (IsWriting && _endsAt is null)
            {
                var isUrgent = Machine.State is ClaimState.Unproven or ClaimState.Lost;
                _endsAt = now + (long)((isUrgent ? random.NextDouble() * 4 : random.NextDouble() * 40) * clock.TimestampFrequency);
            }
            else if (IsWriting && Machine.State == ClaimState.Unproven)
            {
                _endsAt = Math.Min(_endsAt!.Value, now + (4 * clock.TimestampFrequency));
            }

            if (IsWriting && _endsAt <= now)
            {
                (IsWriting, _endsAt) = (false, null);
                if (!Machine.Parks.IsHeld)
                {
                    Machine.EndLitestream();
                }
            }
            else if (!IsWriting && !Machine.Parks.IsHeld)
            {
                Machine.EndLitestream();
            }
        }
    }
}
