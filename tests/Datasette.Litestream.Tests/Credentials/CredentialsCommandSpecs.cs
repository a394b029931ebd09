using System.Globalization;
using Datasette.Litestream.Credentials;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Credentials;

[TestClass]
public sealed class CredentialsCommandSpecs : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly TestClock _clock = new();

    public void Dispose() => _folder.Dispose();

    [TestMethod]
    public async Task What_it_prints_is_read()
    {
        Script("""echo '{"access-key-id":"AKIA1","secret-access-key":"'$1'"}'; echo chatter >&2""");
        Assert.AreEqual(new IssuedCredentials(new S3Credentials("AKIA1", "s3cr3t", null)), await ReadAsync("keys s3cr3t"));
        Assert.AreEqual("the command keys", Command("keys --password=s3cr3t").Description, "its arguments may be secret");
    }

    /// <summary>As <c>aws configure export-credentials</c> does.</summary>
    [TestMethod]
    public async Task What_AWS_tools_print_is_read_until_it_has_expired()
    {
        Script("""echo '{"Version":1,"AccessKeyId":"ASIA1","SecretAccessKey":"s3cr3t","SessionToken":"t","Expiration":"2000-01-01T01:00:00+00:00"}'""");
        var expiresAt = new DateTimeOffset(2000, 1, 1, 1, 0, 0, TimeSpan.Zero);
        _clock.SetUtcNow(expiresAt.AddSeconds(-1));
        Assert.AreEqual(new IssuedCredentials(new S3Credentials("ASIA1", "s3cr3t", "t"), expiresAt), await ReadAsync("keys"));
        _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.AreEqual(
            "credentials-command: the output of keys has credentials that expired at 2000-01-01 01:00:00Z; have new ones issued.", await FaultAsync("keys"));
    }

    [TestMethod]
    public async Task No_shell_reads_its_arguments()
    {
        Script("""printf '%s|' "$@" > $0.arguments; exit 1""");
        await FaultAsync("keys $HOME ; 'a b' `id` > file");
        Assert.AreEqual("$HOME|;|a b|`id`|>|file|", File.ReadAllText(_folder["keys.arguments"]));
    }

    [TestMethod]
    public async Task It_has_the_environment_that_was_given()
    {
        Script("""echo "{\"access-key-id\":\"$KEY\",\"secret-access-key\":\"x${USER-unset}\"}" """);
        Assert.AreEqual(new IssuedCredentials(new S3Credentials("from outside", "xunset", null)), await ReadAsync("keys"));
    }

    [TestMethod]
    public async Task A_failure_shows_its_exit_code_and_standard_error_but_never_its_output()
    {
        Script("echo hush; echo '  access denied' >&2; exit 3");
        Assert.AreEqual("credentials-command: keys failed with exit code 3. Its standard error: access denied", await FaultAsync("keys"));
    }

    [TestMethod]
    [DataRow("exit 1", "credentials-command: keys failed with exit code 1. It wrote nothing to standard error.")]
    [DataRow("kill -SEGV $$", "credentials-command: keys failed with signal 11. It wrote nothing to standard error.")]
    public async Task One_that_says_nothing_is_told_so(string script, string message)
    {
        Script(script);
        Assert.AreEqual(message, await FaultAsync("keys"));
    }

    [TestMethod]
    [DoNotParallelize]
    public async Task Where_SIGCHLD_is_ignored_and_its_exit_code_with_it_what_it_prints_tells_success()
    {
        using var ignored = new IgnoredChildSignal();
        Script("""echo '{"access-key-id":"AKIA1","secret-access-key":"s"}'""");
        Assert.AreEqual(new IssuedCredentials(new S3Credentials("AKIA1", "s", null)), await ReadAsync("keys"));
        Script("exit 1");
        StringAssert.StartsWith(await FaultAsync("keys"), "credentials-command: the output of keys");
    }

    [TestMethod]
    public async Task Output_that_is_no_JSON_is_not_shown()
    {
        Script("echo hush");
        var message = await FaultAsync("keys");
        StringAssert.StartsWith(message, "credentials-command: the output of keys is not JSON");
        Assert.DoesNotContain("hush", message);
    }

    [TestMethod]
    public async Task More_output_than_credentials_need_is_refused_and_read_to_its_end()
    {
        Script("yes hush | head -c 1000000; yes | head -c 1000000 >&2");
        Assert.AreEqual("credentials-command: keys printed more than 64 KiB; it should print one set of credentials.", await FaultAsync("keys"));
    }

    [TestMethod]
    public async Task Only_the_beginning_of_its_standard_error_is_shown()
    {
        Script("yes | head -c 1000000 >&2; exit 1");
        var message = await FaultAsync("keys");
        StringAssert.StartsWith(message, "credentials-command: keys failed with exit code 1. Its standard error: y\ny\n");
        Assert.IsInRange(1000, 3000, message.Length);
    }

    [TestMethod]
    [DataRow("sleep 1000; true", DisplayName = "waits for a child")]
    [DataRow("sleep 1000 & echo $! > $0.id; mv $0.id $0.ids; exit 0", DisplayName = "ends, and leaves a child that holds its output")]
    public async Task One_that_takes_too_long_is_ended_with_its_descendants(string script)
    {
        Script($"echo waiting for the vault >&2; sleep 1000 & echo $! > $0.id; mv $0.id $0.ids; {script}");
        var reading = FaultAsync("keys");
        await Eventually.HoldsAsync(() => File.Exists(_folder["keys.ids"]));
        var heir = ProcessIdentity.Of(int.Parse(File.ReadAllText(_folder["keys.ids"]), CultureInfo.InvariantCulture))!;
        await _clock.PassAsync(seconds: 30);
        StringAssert.StartsWith(await reading, "credentials-command: keys took longer than 30 s and was ended.");
        await Eventually.HoldsAsync(() => !heir.IsRunning);
    }

    [TestMethod]
    public async Task Giving_up_ends_it()
    {
        Script("echo $$ > $0.id; mv $0.id $0.ids; exec sleep 1000");
        using var cancellationToken = new CancellationTokenSource();
        var reading = Command("keys").ReadAsync(cancellationToken.Token);
        await Eventually.HoldsAsync(() => File.Exists(_folder["keys.ids"]));
        var process = ProcessIdentity.Of(int.Parse(File.ReadAllText(_folder["keys.ids"]), CultureInfo.InvariantCulture))!;
        await cancellationToken.CancelAsync();
        await Assert.ThrowsAsync<OperationCanceledException>(() => reading.InTimeAsync());
        await Eventually.HoldsAsync(() => !process.IsRunning);
    }

    [TestMethod]
    [DataRow("no-such-program --key=hush", "credentials-command: there is no program no-such-program on PATH; correct the command.")]
    [DataRow("/no/such/program hush", "credentials-command: there is no program /no/such/program on PATH; correct the command.")]
    public async Task A_missing_program_is_named(string commandLine, string message) => Assert.AreEqual(message, await FaultAsync(commandLine));

    [TestMethod]
    public async Task A_program_that_cannot_be_run_is_named() =>
        Assert.AreEqual($"credentials-command: {_folder.Write("keys", "")}: Permission denied; correct the command.", await FaultAsync(_folder["keys"]));

    [TestMethod]
    [DataRow(" ", "credentials-command: there is no command; write one that prints the credentials as JSON.")]
    [DataRow("keys 'hush", "credentials-command: the command has a ' that is not closed; correct it.")]
    public void A_command_line_that_is_none_is_refused(string commandLine, string message) =>
        Assert.AreEqual(message, Assert.ThrowsExactly<ReplicationException>(() => Command(commandLine)).Message);

    private void Script(string script) => _folder.WriteScript("keys", script);

    private CredentialsCommand Command(string line) =>
        new(line, new Dictionary<string, string> { ["PATH"] = $"{_folder.Path}:/usr/bin:/bin", ["KEY"] = "from outside" }, _clock, text => text.Replace("hunter2", "***", StringComparison.Ordinal));

    private Task<IssuedCredentials> ReadAsync(string line) => Command(line).ReadAsync(CancellationToken.None).InTimeAsync();

    private async Task<string> FaultAsync(string line) =>
        (await Assert.ThrowsExactlyAsync<ReplicationException>(() => ReadAsync(line))).Message;
}
