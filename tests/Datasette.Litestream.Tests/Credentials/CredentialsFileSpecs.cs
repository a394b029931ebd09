using Datasette.Litestream.Credentials;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Credentials;

[TestClass]
public sealed class CredentialsFileSpecs : IDisposable
{
    private const string Json = """{"access-key-id":"AKIA1","secret-access-key":"s3cr3t"}""";

    private readonly TemporaryFolder _folder = new();
    private readonly TestClock _clock = new();

    public void Dispose() => _folder.Dispose();

    [TestMethod]
    public async Task It_is_read_at_once()
    {
        _folder.Write("keys.json", Json);
        Assert.AreEqual(new IssuedCredentials(new S3Credentials("AKIA1", "s3cr3t", null)), await Read().InTimeAsync());
        Assert.AreEqual($"the file {_folder["keys.json"]}", new CredentialsFile(_folder["keys.json"], _clock).Description);
    }

    [TestMethod]
    [DataRow(null)]
    [DataRow("""{"access-key-id":"AK""")]
    [DataRow("")]
    public async Task One_that_is_being_written_is_read_a_second_later(string? half)
    {
        Write(half);
        var reading = Read();
        Assert.IsFalse(reading.IsCompleted);
        Write(Json);
        await _clock.PassAsync(seconds: 1);
        Assert.AreEqual("AKIA1", (await reading.InTimeAsync()).Keys.AccessKeyId);
    }

    [TestMethod]
    [DataRow(null, "cannot be read: Could not find file")]
    [DataRow("""{"access-key-id":"hush""", "is not JSON")]
    [DataRow("TOO LARGE", "is larger than 64 KiB")]
    public async Task One_that_stays_broken_is_told(string? content, string message)
    {
        Write(content == "TOO LARGE" ? Json + new string(' ', 64 * 1024) : content);
        var reading = Read();
        await _clock.PassAsync(seconds: 1);
        var error = await Assert.ThrowsExactlyAsync<ReplicationException>(() => reading.InTimeAsync());
        StringAssert.StartsWith(error.Message, $"credentials-file: {_folder["keys.json"]} {message}");
        Assert.DoesNotContain("hush", error.ToString());
    }

    [TestMethod]
    public async Task One_that_has_expired_is_read_a_second_later_and_told()
    {
        Write($$"""{"AccessKeyId":"AKIA1","SecretAccessKey":"hush","Expiration":"{{_clock.Now:O}}"}""");
        var reading = Read();
        await _clock.PassAsync(seconds: 1);
        var error = await Assert.ThrowsExactlyAsync<ReplicationException>(() => reading.InTimeAsync());
        Assert.AreEqual($"credentials-file: {_folder["keys.json"]} has credentials that expired at {_clock.Now.AddSeconds(-1):u}; have new ones issued.", error.Message);
    }

    [TestMethod]
    public async Task Waiting_for_it_can_be_given_up()
    {
        using var cancellationToken = new CancellationTokenSource();
        var reading = new CredentialsFile(_folder["keys.json"], _clock).ReadAsync(cancellationToken.Token);
        await cancellationToken.CancelAsync();
        await Assert.ThrowsAsync<OperationCanceledException>(() => reading.InTimeAsync());
    }

    private Task<IssuedCredentials> Read() => new CredentialsFile(_folder["keys.json"], _clock).ReadAsync(CancellationToken.None);

    private void Write(string? content) => _ = content is null ? "" : _folder.Write("keys.json", content);
}
