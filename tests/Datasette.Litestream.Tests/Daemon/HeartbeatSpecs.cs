using Datasette.Litestream.Daemon;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Daemon;

/// <summary>Tests with a control socket that no process listens on.</summary>
[TestClass]
public sealed class HeartbeatSpecs : IDisposable
{
    private readonly TestClock _clock = new();
    private readonly ControlSocket _socket = new(Path.Combine(Path.GetTempPath(), Path.GetRandomFileName()));

    public void Dispose() => _socket.Dispose();

    [TestMethod]
    public async Task One_that_neither_writes_nor_answers_is_given_up()
    {
        var watching = Heartbeat.WatchAsync(_socket, () => 7, _clock, CancellationToken.None);
        await _clock.PassAsync(seconds: 2);
        await watching.InTimeAsync();
    }

    [TestMethod]
    public async Task One_that_writes_is_not_asked()
    {
        var outputs = 0;
        var watching = Heartbeat.WatchAsync(_socket, () => outputs, _clock, CancellationToken.None);
        while (outputs < 100)
        {
            await _clock.IsAwaitedAsync(TimeSpan.FromSeconds(2));
            Assert.IsFalse(watching.IsCompleted);
            outputs++;
            _clock.Advance(TimeSpan.FromSeconds(2));
        }

        await _clock.PassAsync(seconds: 2);
        await watching.InTimeAsync();
    }
}
