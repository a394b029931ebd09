using Datasette.Litestream.Litestream;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Tests.Litestream;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Reporting;

[TestClass]
public sealed class ErrorCauseSpecs
{
    /// <summary>As Litestream 0.5.17 was seen to write them, shortened in the middle.</summary>
    [TestMethod]
    [DataRow("operation error S3: ListObjectsV2, https response error StatusCode: 404, NoSuchBucket: The specified bucket does not exist", "the bucket does not exist")]
    [DataRow(
        "https response error StatusCode: 403, RequestID: 4JP9, api error InvalidAccessKeyId: The AWS Access Key Id you provided does not exist in our records.",
        "the destination does not know the access key")]
    [DataRow(
        "https response error StatusCode: 403, api error SignatureDoesNotMatch: The request signature we calculated does not match the signature you provided.",
        "the secret access key is wrong")]
    [DataRow("https response error StatusCode: 403, api error AccessDenied: Access Denied", "the destination denies access")]
    [DataRow(
        "s3: cannot lookup bucket region: operation error S3: GetBucketLocation, https response error StatusCode: 403, api error AccessDenied: Access Denied",
        "the region of the bucket could not be found out")]
    [DataRow(
        "https response error StatusCode: 0, RequestID: , request send failed, Get \"http://nowhere.invalid/b?list-type=2\": dial tcp: lookup nowhere.invalid on 10.0.0.2:53: no such host",
        "the name of the destination's host is not known")]
    [DataRow(
        "cannot open store: initialize replica client for \"/srv/a.db\": dial tcp 127.0.0.1:1: connect: connection refused", "the destination refuses connections")]
    [DataRow("request send failed, Put \"https://s3.example.com/b\": dial tcp 10.0.0.1:443: i/o timeout", "the destination does not answer in time")]
    [DataRow("tls: failed to verify certificate: x509: certificate signed by unknown authority", "the certificate of the destination is not trusted")]
    [DataRow("ERROR sync error db=parks.db error=write /srv/backup/parks/ltx/0/1.ltx.tmp: no space left on device", "a disk is full")]
    [DataRow("mkdir /srv/backup/parks: permission denied", "a file or folder may not be used")]
    [DataRow("mkdir /srv/backup/parks: read-only file system", "a file system is read-only")]
    [DataRow("get replica position: open /srv/file/x/ltx/0: not a directory", "there is a file where a folder should be")]
    [DataRow("sync database /srv/bad.db: file is not a database (26)", "the file is not a SQLite database")]
    [DataRow("database disk image is malformed (11)", "the database is damaged")]
    [DataRow("begin read transaction: database is locked (5) (SQLITE_BUSY)", "another program has locked the database")]
    public void The_cause_of_an_error_is_found_by_its_text(string error, string clause) => Assert.AreEqual(clause, ErrorCauses.Find(error)?.Clause);

    [TestMethod]
    public void An_error_that_nobody_has_seen_has_no_cause()
    {
        Assert.IsNull(ErrorCauses.Find("the moon is in the wrong house"));
        Assert.IsNull(ErrorCauses.Find(null));
        Assert.AreEqual("A disk is full.", ErrorCauses.Find("no space left on device")!.Sentence);
    }

    [TestMethod]
    [DataRow("not a database", "the file is not a SQLite database")]
    [DataRow("path: FOLDER/not a folder/backup", "there is a file where a folder should be")]
    [DataRow("url: 'sftp://user:password@127.0.0.1:1/backup'", "the destination refuses connections")]
    public async Task The_real_Litestream_names_them_so(string fault, string clause)
    {
        var litestream = await RealLitestream.RequireAsync(5);
        using var folder = new TemporaryFolder();
        await File.WriteAllTextAsync(folder["not a folder"], "");
        await File.WriteAllTextAsync(folder["parks.db"], fault == "not a database" ? new string('x', 4096) : "");
        var replica = (fault == "not a database" ? "path: FOLDER/backup" : fault).Replace("FOLDER", folder[""].TrimEnd('/'), StringComparison.Ordinal);
        var configuration =
            $$"""
            logging: {level: info, type: json, stderr: true}
            dbs:
              - path: {{folder["parks.db"]}}
                replica: { {{replica}} }
            """;
        var found = new TaskCompletionSource<string?>();
        var log = new LitestreamLog(TimeProvider.System);
        var process = ChildProcess.Start(
            litestream.Path,
            ["replicate", "-no-expand-env", "-config", "/dev/stdin"],
            new Dictionary<string, string> { ["AWS_ACCESS_KEY_ID"] = "id", ["AWS_SECRET_ACCESS_KEY"] = "secret" },
            System.Text.Encoding.UTF8.GetBytes(configuration),
            log.CreateSink(Look),
            log.CreateSink(Look));
        try
        {
            Assert.AreEqual(clause, await found.Task.WaitAsync(TimeSpan.FromSeconds(60)));
        }
        catch (TimeoutException)
        {
            Assert.Fail(string.Join('\n', log.Entries));
        }
        finally
        {
            process.SendToGroup(LibC.SIGKILL);
            await process.Exited;
        }

        void Look(LogEntry entry)
        {
            if (entry.IsError && ErrorCauses.Find(entry.ToString()) is { } cause)
            {
                found.TrySetResult(cause.Clause);
            }
        }
    }
}
