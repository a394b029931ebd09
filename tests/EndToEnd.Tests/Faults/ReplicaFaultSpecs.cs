using System.Globalization;
using CliWrap;
using CliWrap.Buffered;

namespace Datasette.Litestream.EndToEnd.Faults;

/// <summary>What lies at a destination is lost, damaged or another's, and that is seen and healed.</summary>
[TestClass]
public sealed class ReplicaFaultSpecs
{
    private const string Damaged = "backup_damaged|replicated_anew|upload_failed|compaction_failed|error_logged";

    /// <summary>Litestream merges files every 30 s, and a failure lasts until it has.</summary>
    private const double UntilMerged = 45;

    [TestMethod]
    [DataRow("1.0a41")]
    [DataRow("0.65.5")]
    public Task The_backup_is_deleted(string datasette) => FaultRun.RunAsync(
        async run =>
        {
            await run.StartGreenAsync(new() { Datasette = datasette });
            await WaitForSnapshotAsync(run);
            await DamageAsync(run, "rm -rf backup/parks");
        },
        $"{nameof(The_backup_is_deleted)} of Datasette {datasette}");

    [TestMethod]
    public Task One_file_of_the_backup_is_deleted() => FaultRun.RunAsync(async run =>
    {
        await run.StartGreenAsync();
        await DamageOnlyCopyAsync(run, file => $"rm '{file}'");
    });

    [TestMethod]
    public Task The_newest_files_of_the_backup_are_deleted() => FaultRun.RunAsync(async run =>
    {
        await run.StartGreenAsync();
        await DamageOnlyCopyAsync(run, _ => "rm -r backup/parks/ltx/0");
    });

    /// <summary>The backup may be whole without them.</summary>
    [TestMethod]
    public Task The_snapshots_of_the_backup_are_deleted() => FaultRun.RunAsync(async run =>
    {
        await run.StartGreenAsync();
        await WaitForSnapshotAsync(run);
        await run.BreakAsync(() => run.ShellAsync("rm -r backup/parks/ltx/9"), destroysBackup: true);
        await run.LastAsync(6);
        await run.ExpectGreenAsync();
        await run.ExpectRestoredAsync();
    });

    /// <summary>By renaming, since the copies of the backup are links to its files.</summary>
    [TestMethod]
    public Task One_file_of_the_backup_is_cut_short() => FaultRun.RunAsync(async run =>
    {
        await run.StartGreenAsync();
        await DamageOnlyCopyAsync(run, file => $"head -c 100 '{file}' > short && mv short '{file}'");
    });

    [TestMethod]
    public Task One_byte_of_the_backup_is_changed() => FaultRun.RunAsync(async run =>
    {
        await run.StartGreenAsync();
        await DamageOnlyCopyAsync(
            run,
            file => $"cp '{file}' changed && byte=$(od -An -tu1 -j150 -N1 changed) && printf \"\\\\$(printf %o $((byte ^ 255)))\" | dd of=changed bs=1 seek=150 conv=notrunc 2>/dev/null && mv changed '{file}'");
    });

    [TestMethod]
    public Task The_backup_is_put_back_to_an_older_one() => FaultRun.RunAsync(async run =>
    {
        await run.StartGreenAsync();
        await WaitForSnapshotAsync(run);
        await run.ShellAsync("cp -a backup/parks older");
        await OnlyCopyAsync(run, above: Highest(run.Workspace.Path("older")));
        await DamageAsync(run, "rm -rf backup/parks && mv older backup/parks");
    });

    [TestMethod]
    public Task The_disk_of_the_backup_is_unmounted() => FaultRun.RunAsync(async run =>
    {
        var disk = run.Own(await SmallDisk.MountAsync(run.Workspace.Path("backup")));
        await run.StartGreenAsync();
        await WaitForSnapshotAsync(run);
        await run.BreakAsync(disk.Unmount, destroysBackup: true);
        await run.ExpectRedAsync(Damaged);
        await run.ExpectGreenAsync();
        await run.ExpectRestoredAsync();
    });

    [TestMethod]
    public Task A_file_is_in_the_place_of_the_backup() => FaultRun.RunAsync(async run =>
    {
        await run.StartGreenAsync();

        // Litestream may make the folder again in between.
        await run.BreakAsync(() => run.ShellAsync("touch empty && mv backup/parks away && until mv -T empty backup/parks; do rm -r backup/parks; done"), destroysBackup: true);
        await run.ExpectRedAsync(Damaged);
        await run.LastAsync(5);
        await run.MendAsync(() => run.ShellAsync("rm backup/parks && mv away backup/parks"));
        await run.ExpectGreenAsync(within: UntilMerged);
        await run.ExpectRestoredAsync();
    });

    [TestMethod]
    public Task The_files_cannot_be_merged() => FaultRun.RunAsync(async run =>
    {
        // Nothing can be written to the folder of the first level, into which Litestream merges every 30 s.
        var merged = run.Own(await SmallDisk.MountAsync(Path.Combine(run.Workspace.Backup("parks"), "ltx/1")));
        await merged.RemountAsync(isReadOnly: true);
        await run.StartAsync(new());
        await run.BreakAsync(() => { });
        await run.ExpectRedAsync("compaction_failed", within: UntilMerged);
        await run.MendAsync(() => merged.RemountAsync(isReadOnly: false));
        await run.ExpectGreenAsync(within: UntilMerged);
        await run.ExpectRestoredAsync();
    });

    /// <summary>A later snapshot makes everything restorable, but Litestream would try to merge the files before it for ever.</summary>
    [TestMethod]
    public Task A_file_before_the_newest_snapshot_was_lost_while_Datasette_was_down() => FaultRun.RunAsync(async run =>
    {
        var (file, backup) = (run.Workspace.Path("parks.db"), run.Workspace.Backup("parks"));
        using (var database = new DatabaseConnection(file))
        {
            database.Execute("pragma journal_mode = wal");
            database.Execute("create table written (id integer primary key, at text not null)");
            for (var transaction = 1; transaction <= 4; transaction++)
            {
                database.Execute($"create table other_{transaction} (id integer primary key)");
                await ReplicateOnceAsync();
            }
        }

        File.Delete(Directory.GetFiles(Path.Combine(backup, "ltx/0")).Order(StringComparer.Ordinal).ElementAt(2));
        await ReplicateOnceAsync("-force-snapshot");
        await run.StartAsync(new() { Create = _ => [] });

        // What was safe before is then in the folder beside.
        await run.BreakAsync(() => run.WaitForAsync("failing"), destroysBackup: true);
        await run.ExpectGreenAsync();
        Assert.HasCount(1, Directory.GetDirectories(run.Workspace.Path("backup"), "parks.replaced-*"), "it was made anew once");
        await run.ExpectRestoredAsync();

        async Task ReplicateOnceAsync(params string[] options) =>
            await Cli.Wrap(RealParts.Litestream05).WithArguments(["replicate", "-once", .. options, file, $"file://{backup}"]).ExecuteBufferedAsync();
    });

    /// <summary>What is at S3 then is not touched by Litestream, which takes up the position of level 0.</summary>
    [TestMethod]
    public Task A_bucket_has_nothing_but_the_snapshot_of_another_machine() => FaultRun.RunAsync(async run =>
    {
        var server = run.Own(await S3Server.StartAsync());
        var key = await server.CreateKeyAsync();
        var other = run.Workspace.Path("other.db");
        using (var database = new DatabaseConnection(other))
        {
            database.Execute("pragma journal_mode = wal");
            database.Execute("create table other (id integer primary key)");
            await Cli.Wrap(RealParts.Litestream05).WithArguments(["replicate", "-once", "-force-snapshot", other, server.Url("parks")])
                .WithEnvironmentVariables(key.Environment).ExecuteBufferedAsync();
        }

        await server.DeleteAsync("parks/0000");
        await run.StartAsync(
            new() { Destination = server.Url("$DB_NAME"), Arguments = S3Key.Options, Environment = key.Variables, IsLookedAt = false },
            (name, copies) => new S3Copies(server, name, copies));
        await run.BreakAsync(() => run.WaitForAsync("replicating"));
        await run.LastAsync(5);
        await run.ExpectGreenAsync();
        await run.ExpectRestoredAsync();
        Assert.HasCount(1, (await server.PrefixesAsync()).Where(prefix => prefix.StartsWith("parks.replaced-", StringComparison.Ordinal)).ToList());
    });

    /// <summary>By itself, Litestream tries the second level again after five minutes, and the third after an hour.</summary>
    [TestMethod]
    public Task The_files_of_a_level_that_is_merged_rarely_cannot_be_merged() => FaultRun.RunAsync(async run =>
    {
        var (first, second) = (Path.Combine(run.Workspace.Backup("parks"), "ltx/1"), Path.Combine(run.Workspace.Backup("parks"), "ltx/2"));
        var merged = run.Own(await SmallDisk.MountAsync(second));
        await run.StartGreenAsync();
        await merged.RemountAsync(isReadOnly: true);
        await Wait.UntilAsync(() => Directory.Exists(first) && Highest(first) > Highest(second), "there is something to be merged");

        // It merges all levels when it starts.
        await run.BreakAsync(() => run.SignalLitestream(Signals.SIGKILL));
        await run.ExpectRedAsync("compaction_failed");
        await run.MendAsync(() => merged.RemountAsync(isReadOnly: false));
        await run.ExpectGreenAsync(within: UntilMerged);
        await run.ExpectRestoredAsync();
    });

    [TestMethod]
    public Task A_file_is_in_the_place_of_a_level() => FaultRun.RunAsync(async run =>
    {
        await run.StartGreenAsync();
        await run.BreakAsync(() => File.WriteAllText(Path.Combine(run.Workspace.Backup("parks"), "ltx/5"), ""), destroysBackup: true);
        await run.ExpectRedAsync("backup_damaged");
        await run.ExpectGreenAsync();
        await run.ExpectRestoredAsync();
    });

    [TestMethod]
    public Task Two_write_to_one_folder() => FaultRun.RunAsync(async run =>
    {
        await run.StartGreenAsync();
        await using var other = StartOtherMachine(run);
        await run.BreakAsync(
            async () =>
            {
                _ = run.StartLitestream(other.Path, $"file://{run.Workspace.Backup("parks")}");
                await Wait.UntilAsync(() => HasWritten(run, other.Path, run.Workspace.Backup("parks")), "the other one has written to the destination");
            },
            destroysBackup: true);

        // Whoever is a moment later with each file wins. As long as that is this one, the backup is whole and no trace is left; a
        // test of the looks at folders has two whose traces stay.
        await run.LastAsync(20);
    });

    [TestMethod]
    public Task Two_write_to_one_prefix_of_S3() => FaultRun.RunAsync(async run =>
    {
        var (server, _) = await run.StartS3Async(CheckedOften);
        await run.AllGreenAsync();
        await using var other = StartOtherMachine(run);
        var key = await server.CreateKeyAsync();
        await run.BreakAsync(
            async () =>
            {
                _ = run.StartLitestream(other.Path, server.Url("parks"), key.Environment);
                await Wait.UntilAsync(
                    async () => HasWritten(run, other.Path, await server.CopyAsync("parks", run.Workspace.Path("seen"))),
                    "the other one has written to the destination");
            },
            destroysBackup: true);
        await run.ExpectRedAsync("other_writer|backup_damaged|replicated_anew", within: 25);
    });

    [TestMethod]
    public Task The_backup_at_S3_is_deleted() => FaultRun.RunAsync(async run =>
    {
        var (server, _) = await run.StartS3Async(CheckedOften);
        await run.AllGreenAsync();
        await run.BreakAsync(() => server.DeleteAsync("parks"), destroysBackup: true);
        await run.ExpectRedAsync(Damaged, within: 25);
        await run.ExpectGreenAsync(within: 45);
        await run.ExpectRestoredAsync();
    });

    private static FaultOptions CheckedOften { get; } = new() { IsLookedAt = false, Arguments = Settings.Set("check-interval", "10s") };

    private static async Task DamageAsync(FaultRun run, string command)
    {
        await run.BreakAsync(() => run.ShellAsync(command), destroysBackup: true);
        await ExpectDamagedAsync(run);
    }

    /// <summary>
    /// Damages a file at the destination whose transactions are nowhere else there. If Litestream merged them in that moment, nothing
    /// was lost, and another one is damaged.
    /// </summary>
    private static async Task DamageOnlyCopyAsync(FaultRun run, Func<string, string> command)
    {
        string file;
        do
        {
            file = await OnlyCopyAsync(run);
            await run.BreakAsync(() => run.ShellAsync(command(file)), destroysBackup: true);
        }
        while (Files(run).Any(other => !IsFirstLevel(other) && Last(other) >= Last(new FileInfo(file))));

        await ExpectDamagedAsync(run);
    }

    private static async Task ExpectDamagedAsync(FaultRun run)
    {
        await run.ExpectRedAsync(Damaged);
        await run.ExpectGreenAsync();
        await run.ExpectRestoredAsync();
    }

    /// <summary>Whether a file of another machine's Litestream is at the destination, other than those that it found there.</summary>
    private static bool HasWritten(FaultRun run, string otherDatabase, string destination)
    {
        var (there, ours, theirs) = (
            Path.Combine(destination, "ltx/0"),
            run.Workspace.Path(".parks.db-litestream/ltx/0"),
            Path.Combine(Path.GetDirectoryName(otherDatabase)!, $".{Path.GetFileName(otherDatabase)}-litestream/ltx/0"));
        return Directory.Exists(theirs) && Directory.EnumerateFiles(theirs, "*.ltx").Select(Path.GetFileName).Any(file =>
            IsSame(Path.Combine(theirs, file!), Path.Combine(there, file!)) && !IsSame(Path.Combine(theirs, file!), Path.Combine(ours, file!)));

        static bool IsSame(string one, string other)
        {
            try
            {
                return File.ReadAllBytes(one).AsSpan().SequenceEqual(File.ReadAllBytes(other));
            }
            catch (IOException)
            {
                // It is not there, or not any more.
                return false;
            }
        }
    }

    /// <summary>Waits for a snapshot: one that Litestream writes soon after its start would heal what was lost before it.</summary>
    private static async Task WaitForSnapshotAsync(FaultRun run)
    {
        var snapshots = Path.Combine(run.Workspace.Backup("parks"), "ltx/9");
        await Wait.UntilAsync(() => Directory.Exists(snapshots) && Directory.EnumerateFiles(snapshots, "*.ltx").Any(), "there is a snapshot");
    }

    /// <summary>A file at the destination whose transactions are nowhere else there, and are not the last ones.</summary>
    /// <param name="run">The run.</param>
    /// <param name="above">A transaction that it comes after.</param>
    private static async Task<string> OnlyCopyAsync(FaultRun run, ulong above = 0)
    {
        var file = "";
        await WaitForSnapshotAsync(run);
        await Wait.UntilAsync(
            () =>
            {
                var merged = Files(run).Where(other => !IsFirstLevel(other)).Select(Last).Append(above).Max();
                var only = Files(run).Where(other => IsFirstLevel(other) && Last(other) > merged).OrderBy(Last).ToList();

                // What is merged a moment later is never missed: Litestream merges at each half minute of the clock.
                file = only.Count < 4 || DateTimeOffset.UtcNow.Second % 30 >= 20 ? "" : only[1].FullName;
                return file.Length > 0;
            },
            "there are some files that are not merged yet");
        return file;
    }

    /// <summary>The files of the backup, those too that Litestream writes just now.</summary>
    private static IEnumerable<FileInfo> Files(FaultRun run) =>
        new DirectoryInfo(Path.Combine(run.Workspace.Backup("parks"), "ltx")).EnumerateFiles("*.ltx*", SearchOption.AllDirectories);

    /// <summary>Whether a file is one that Litestream has not merged with others.</summary>
    private static bool IsFirstLevel(FileInfo file) => file.Directory!.Name == "0";

    /// <summary>The last transaction that is in a backup, or in one level of it; 0 if there is none.</summary>
    private static ulong Highest(string backup) => new DirectoryInfo(backup).EnumerateFiles("*.ltx", SearchOption.AllDirectories).Select(Last).DefaultIfEmpty().Max();

    private static ulong Last(FileInfo file) =>
        ulong.Parse(file.Name.Split('-', '.')[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    private static WrittenDatabase StartOtherMachine(FaultRun run)
    {
        var other = new WrittenDatabase("parks", run.Workspace.Path("other-machine.db"), lastId: 1_000_000);
        other.BeginFile(other.Create(other.Path));
        other.Start();
        return other;
    }
}
