using System.Collections.Concurrent;
using System.Text;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Litestream;

/// <summary>Checks the table of Litestream's messages with every available Litestream.</summary>
[TestClass]
public sealed class LogMessageSpecs
{
    [TestMethod]
    [DataRow(3)]
    [DataRow(5)]
    public async Task Each_Litestream_has_the_texts_that_were_seen_in_it(int minor)
    {
        var (binary, version) = await FindAsync(minor);
        var texts = LogMessage.All.Where(text => text.SeenIn.Contains(version)).ToList();
        Assert.IsNotEmpty(texts, $"no text was seen in {version}: try it, and add it to LogMessage.All");
        var image = await File.ReadAllBytesAsync(binary);
        foreach (var text in LogMessage.All)
        {
            Assert.AreEqual(texts.Contains(text), image.AsSpan().IndexOf(Encoding.UTF8.GetBytes(text.Start)) >= 0, $"{version}: {text.Start}");
        }
    }

    /// <summary>One database is replicated; the other one cannot be, since its destination is below a file.</summary>
    [TestMethod]
    [DataRow(5, "initialized db, sync error")]
    [DataRow(3, "initialized db, snapshot written, wal segment written")]
    public async Task Each_Litestream_logs_them(int minor, string expected)
    {
        var (binary, version) = await FindAsync(minor);
        using var folder = new TemporaryFolder();
        await File.WriteAllTextAsync(folder["file"], "");
        foreach (var name in new[] { "good", "bad" })
        {
            await File.WriteAllBytesAsync(folder[$"{name}.db"], []);
        }

        var (key, open, close) = version.StartsWith("0.3", StringComparison.Ordinal) ? ("replicas", "[", "]") : ("replica", "", "");
        var configuration =
            $$"""
            logging: {level: info, type: json, stderr: true}
            dbs:
              - {path: '{{folder["good.db"]}}', {{key}}: {{open}}{path: '{{folder["backup"]}}'}{{close}}}
              - {path: '{{folder["bad.db"]}}', {{key}}: {{open}}{path: '{{folder["file"]}}/below'}{{close}}}
            """;
        var missing = new ConcurrentDictionary<string, bool>(expected.Split(", ").Select(text => KeyValuePair.Create(text, true)));
        var all = new TaskCompletionSource();
        var log = new LitestreamLog(TimeProvider.System);
        var process = ChildProcess.Start(
            binary,
            ["replicate", "-config", "/dev/stdin"],
            new Dictionary<string, string>(),
            Encoding.UTF8.GetBytes(configuration),
            log.CreateSink(Look),
            log.CreateSink(Look));
        try
        {
            await all.Task.WaitAsync(TimeSpan.FromSeconds(30));
        }
        catch (TimeoutException)
        {
            Assert.Fail($"{version} did not log {string.Join(", ", missing.Keys)}, but:\n{string.Join('\n', log.Entries)}");
        }
        finally
        {
            process.SendToGroup(LibC.SIGKILL);
            await process.Exited;
        }

        void Look(LogEntry entry)
        {
            missing.TryRemove(entry.Message, out _);
            if (missing.IsEmpty)
            {
                all.TrySetResult();
            }
        }
    }

    [TestMethod]
    public void A_text_is_known_by_its_beginning()
    {
        Assert.AreEqual(LogMeaning.SyncFailed, LogMessage.MeaningOf("sync error: database is locked"));
        Assert.AreEqual(LogMeaning.None, LogMessage.MeaningOf("no sync error"));
    }

    private static async Task<(string Path, string Version)> FindAsync(int minor)
    {
        var binary = await RealLitestream.RequireAsync(minor);
        return (binary.Path, binary.Version.ToString());
    }
}
