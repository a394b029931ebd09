using System.Runtime.CompilerServices;

namespace Datasette.Litestream.EndToEnd.Faults;

/// <summary>A destination that cannot be reached, or refuses what is sent to it.</summary>
[TestClass]
public sealed class DestinationFaultSpecs
{
    private const string Unreachable = "upload_failed|waiting_too_long|no_answer|error_logged|sync_failed|destination_refused|backup_damaged|writer_unknown";

    [TestMethod]
    public Task S3_refuses_connections() => AtS3Async(s3 => s3.Refuse());

    [TestMethod]
    public Task S3_answers_nothing() => AtS3Async(s3 => s3.Freeze());

    [TestMethod]
    [DataRow(503)]
    [DataRow(403)]
    public Task S3_answers_with_an_error(int status) => AtS3Async(s3 => s3.Answer(status), $"S3 answers {status}");

    [TestMethod]
    public Task S3_refuses_connections_from_the_start() => FaultRun.RunAsync(async run =>
    {
        var (_, s3) = await run.StartS3Async(prepare: proxy => proxy.Refuse());
        await run.BreakAsync(() => { });
        await run.LastAsync(10);
        run.ExpectNeverGreen();
        run.Expect(!run.Answers.Any(answer => answer.Text.Contains("is replicated", StringComparison.Ordinal)), "it was said that the database is replicated, which it never was");
        await run.ExpectRedAsync(Unreachable, within: 20);
        run.Mend(s3.Forward);
        await run.ExpectGreenAsync();
        await run.ExpectRestoredAsync();
    });

    [TestMethod]
    public Task S3_refuses_connections_twice_within_half_a_minute() => FaultRun.RunAsync(async run =>
    {
        var (_, s3) = await run.StartS3Async();
        await run.AllGreenAsync();
        for (var outage = 0; outage < 2; outage++)
        {
            await run.BreakAsync(s3.Refuse);
            await run.ExpectRedAsync(Unreachable, within: 12);
            run.Mend(s3.Forward);
            await run.ExpectGreenAsync();
        }

        await run.ExpectRestoredAsync();
    });

    [TestMethod]
    public Task The_disk_is_full() => FaultRun.RunAsync(async run =>
    {
        var disk = run.Own(await SmallDisk.MountAsync(run.Workspace.Path("backup")));
        await run.StartGreenAsync();
        await run.BreakAsync(() => disk.Fill());
        await run.ExpectRedAsync(Unreachable, within: 12);
        await run.ExpectHealthAsync("^bad", within: 15);
        run.Mend(disk.Empty);

        // A merge that failed stays an error until the next one of its level, 30 s later.
        await run.ExpectGreenAsync(within: 45);
        await run.ExpectRestoredAsync();
    });

    [TestMethod]
    public Task The_disk_can_only_be_read() => FaultRun.RunAsync(async run =>
    {
        var disk = run.Own(await SmallDisk.MountAsync(run.Workspace.Path("backup")));
        await run.StartGreenAsync();
        await run.BreakAsync(() => disk.RemountAsync(isReadOnly: true));
        await run.ExpectRedAsync(Unreachable, within: 12);
        await run.MendAsync(() => disk.RemountAsync(isReadOnly: false));
        await run.ExpectGreenAsync();
        await run.ExpectRestoredAsync();
    });

    [TestMethod]
    public Task One_of_two_with_the_same_file_name_cannot_be_sent() => FaultRun.RunAsync(async run =>
    {
        var disk = run.Own(await SmallDisk.MountAsync(run.Workspace.Backup("data")));
        await run.StartGreenAsync(SameFileNames);
        await run.BreakAsync(() => disk.RemountAsync(isReadOnly: true));
        await run.ExpectRedAsync(Unreachable, within: 12);
        await run.LastAsync(5);
        await run.MendAsync(() => disk.RemountAsync(isReadOnly: false));
        await run.ExpectGreenAsync();
        run.ExpectAlwaysGreen("data_2");
        await run.ExpectRestoredAsync("data");
        await run.ExpectRestoredAsync("data_2");
    });

    [TestMethod]
    public Task Two_with_the_same_file_name_cannot_be_sent() => FaultRun.RunAsync(async run =>
    {
        var disk = run.Own(await SmallDisk.MountAsync(run.Workspace.Backup("data")));
        var second = run.Own(await SmallDisk.MountAsync(run.Workspace.Backup("data_2")));
        await run.StartGreenAsync(SameFileNames);
        await run.BreakAsync(async () =>
        {
            await disk.RemountAsync(isReadOnly: true);
            await second.RemountAsync(isReadOnly: true);
        });
        await run.ExpectRedAsync(Unreachable, within: 12, "data");
        await run.ExpectRedAsync(Unreachable, within: 12, "data_2");
        await run.MendAsync(() => disk.RemountAsync(isReadOnly: false));
        await run.ExpectGreenAsync("data");
        await run.LastAsync(3);
        run.Expect(
            run.Answers.Last(answer => answer.Databases.Count > 0).Databases.Any(database => database is { Name: "data_2", IsGreen: false }),
            "data_2 became green with data");
        await run.MendAsync(() => second.RemountAsync(isReadOnly: false));
        await run.ExpectGreenAsync("data_2");
        await run.ExpectRestoredAsync("data");
        await run.ExpectRestoredAsync("data_2");
    });

    private static FaultOptions SameFileNames { get; } = new() { Databases = [("data", "x/data.db"), ("data_2", "y/data.db")] };

    private static Task AtS3Async(Action<TcpProxy> fault, [CallerMemberName] string name = "") => FaultRun.RunAsync(
        async run =>
        {
            var (_, s3) = await run.StartS3Async();
            await run.AllGreenAsync();
            await run.BreakAsync(() => fault(s3));
            await run.ExpectRedAsync(Unreachable, within: 12);
            await run.ExpectHealthAsync("^bad", within: 15);
            run.Mend(s3.Forward);
            await run.ExpectGreenAsync();
            await run.ExpectRestoredAsync();
        },
        name);
}
