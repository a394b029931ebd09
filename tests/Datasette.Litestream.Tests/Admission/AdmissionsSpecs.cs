using System.Collections.Concurrent;
using Datasette.Litestream.Admission;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Restoring;
using Datasette.Litestream.SqliteFiles;
using Datasette.Litestream.Stores;
using Datasette.Litestream.Tests.Processes;
using Datasette.Litestream.Tests.Restoring;

namespace Datasette.Litestream.Tests.Admission;

/// <summary>How databases are admitted, each for itself. The clock passes only where a test has it pass.</summary>
[TestClass]
public sealed class AdmissionsSpecs : IDisposable
{
    private readonly ReplicaBench _held = new(), _free = new();
    private readonly StoreFactory _stores = new(() => new Dictionary<string, string>(), TimeProvider.System);
    private readonly TestClock _clock = new();
    private readonly StubControl _control = new();
    private readonly Admissions _admissions;

    public AdmissionsSpecs()
    {
        var command = new LitestreamCommand("/none", () => new Dictionary<string, string>(), text => text, TimeProvider.System);
        var rule = new FileRule(
            new Restorer(command, ReleaseLine.V05, _stores, TimeProvider.System), ReleaseLine.V05, new SqliteProgram([], new Dictionary<string, string>(), TimeProvider.System));
        _admissions = new Admissions(rule, _control, _clock);
        foreach (var bench in new[] { _held, _free })
        {
            Directory.CreateDirectory(LitestreamFolder.Of(bench.Database.Path));
        }

        _held.Folder.Write("parks.db", "");
        _held.Ltx(9, 1, 5, 0);
        _free.Folder.Write("parks.db", "content");
    }

    private DatabasePlan Held => _held.Database with { Name = "held" };

    public void Dispose()
    {
        _admissions.StopAsync().InTimeAsync().GetAwaiter().GetResult();
        _stores.Dispose();
        _held.Dispose();
        _free.Dispose();
    }

    /// <summary>The clock stands still.</summary>
    [TestMethod]
    public async Task Nobody_waits_for_one_that_is_held_back()
    {
        var late = await _admissions.AdmitAsync([Held, _free.Database with { Name = "free" }]).InTimeAsync();
        CollectionAssert.AreEqual(new[] { "held" }, late.ToArray());
        Assert.IsTrue(_admissions.Pending.Single().Value.HeldBack!.IsEmpty);
        Assert.AreEqual(FileRecord.Of(FileStatus.Look(_free.Database.Path).Status!.Value), FileRecord.Read(_free.Database.Path));
        Assert.IsNull(FileRecord.Read(_held.Database.Path));
        StringAssert.StartsWith(_control.Warnings.Single(), "held is held back, and nothing of it is sent: the file holds nothing, and ");
    }

    [TestMethod]
    public async Task One_that_is_accepted_is_prepared_and_then_Litestream_has_it()
    {
        _ = await _admissions.AdmitAsync([Held]).InTimeAsync();
        MeantFile.Accepted(FileStatus.Look(_held.Database.Path).Status!.Value, _clock.Now, "alice").Write(_held.Database.Path);
        _control.Faults.Enqueue("the destination refused");
        await _clock.PassAsync(1);
        await Eventually.HoldsAsync(() => _admissions.Pending["held"] is { Error: "the destination refused", Renewal: not null });
        await _clock.PassAsync(1);
        _ = await _control.Late.Task.InTimeAsync();
        await Eventually.HoldsAsync(() => _admissions.Pending.IsEmpty);
        Assert.AreEqual(2, _control.Prepared, "it is tried again");
        Assert.AreEqual("held", (await _control.Late.Task).Single());
        Assert.IsNull(MeantFile.Read(_held.Database.Path));
        Assert.IsNotNull(FileRecord.Read(_held.Database.Path));
        Assert.Contains("since it was accepted by alice", _control.Warnings[^1]);
        CollectionAssert.AreEqual(new[] { "held", "held" }, _control.Claimed, "nobody was asked to let go before, and to ask again is harmless");
    }

    [TestMethod]
    public async Task What_is_written_into_one_that_is_held_back_makes_no_other_of_it_but_another_file_does()
    {
        _ = await _admissions.AdmitAsync([Held]).InTimeAsync();
        await _clock.IsAwaitedAsync(TimeSpan.FromSeconds(1));
        File.WriteAllText(_held.Database.Path, "content");
        await _clock.PassAsync(1);
        await _clock.IsAwaitedAsync(TimeSpan.FromSeconds(1));
        Assert.AreEqual(0, _control.Prepared);
        _held.Folder.Write("other.db", "content");
        File.Move(_held.Folder["other.db"], _held.Database.Path, overwrite: true);
        await _clock.PassAsync(1);
        _ = await _control.Late.Task.InTimeAsync();
        Assert.AreEqual(1, _control.Prepared);
    }

    [TestMethod]
    public async Task A_file_that_is_missing_is_waited_for()
    {
        File.Delete(_free.Database.Path);
        CollectionAssert.AreEqual(new[] { "parks" }, (await _admissions.AdmitAsync([_free.Database]).InTimeAsync()).ToArray());
        Assert.IsNull(_admissions.Pending["parks"].HeldBack);
        _free.Folder.Write("parks.db", "");
        await _clock.PassAsync(1);
        _ = await _control.Late.Task.InTimeAsync();
        Assert.AreEqual(0, _control.Prepared);
    }

    /// <summary>Another machine possibly writes there.</summary>
    [TestMethod]
    public async Task One_that_was_held_back_is_not_replicated_while_its_destination_does_not_answer()
    {
        _ = await _admissions.AdmitAsync([Held]).InTimeAsync();
        _held.Folder.Write("other.db", "content");
        _control.ServedFault = "no answer";
        File.Move(_held.Folder["other.db"], _held.Database.Path, overwrite: true);
        await _clock.PassAsync(1);
        await Eventually.HoldsAsync(() => _admissions.Pending["held"].Error == "no answer");
        Assert.IsFalse(_control.Late.Task.IsCompleted);
        _control.ServedFault = null;
        _control.ClaimFault = "no claim";
        await _clock.PassAsync(1);
        await Eventually.HoldsAsync(() => _admissions.Pending["held"].Error == "no claim");
        Assert.IsFalse(_control.Late.Task.IsCompleted);
        _control.ClaimFault = null;
        await _clock.PassAsync(2);
        _ = await _control.Late.Task.InTimeAsync();
    }

    [TestMethod]
    public async Task For_one_that_was_held_back_and_is_gone_nobody_is_asked_to_let_go()
    {
        _ = await _admissions.AdmitAsync([Held]).InTimeAsync();
        File.Delete(_held.Database.Path);
        await _clock.PassAsync(1);
        await Eventually.HoldsAsync(() => _admissions.Pending["held"].HeldBack is null);
        Assert.IsEmpty(_control.Claimed);
    }

    [TestMethod]
    public async Task One_that_is_detached_meanwhile_is_given_up()
    {
        _ = await _admissions.AdmitAsync([Held]).InTimeAsync();
        _control.IsDetached = true;
        File.Delete(_held.Database.Path);
        await _clock.PassAsync(1);
        await Eventually.HoldsAsync(() => _admissions.Pending.IsEmpty);
        Assert.IsFalse(_control.Late.Task.IsCompleted);
    }

    [TestMethod]
    public async Task One_that_may_not_be_written_any_more_is_given_up()
    {
        _ = await _admissions.AdmitAsync([Held]).InTimeAsync();
        await _control.Writing.CancelAsync();
        await Eventually.HoldsAsync(() => _admissions.Pending.IsEmpty);
        Assert.IsFalse(_control.Late.Task.IsCompleted);
    }

    private sealed class StubControl : IAdmissionControl
    {
        public CancellationTokenSource Writing { get; } = new();

        public bool IsDetached { get; set; }

        public int Prepared { get; private set; }

        public ConcurrentQueue<string> Faults { get; } = new();

        public List<string> Warnings { get; } = [];

        public TaskCompletionSource<IReadOnlySet<string>> Late { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public string? ServedFault { get; set; }

        public string? ClaimFault { get; set; }

        public DatabasePlan? FindServed(DatabasePlan database) => ServedFault is { } fault ? throw new ReplicationException(fault) : IsDetached ? null : database;

        public CancellationToken WhileWriting(DatabasePlan database) => Writing.Token;

        public List<string> Claimed { get; } = [];

        public Task ClaimAsync(DatabasePlan database)
        {
            Claimed.Add(database.Name);
            return ClaimFault is { } fault ? Task.FromException(new ReplicationException(fault)) : Task.CompletedTask;
        }

        public Task AdmitLateAsync(IReadOnlySet<string> names)
        {
            Late.SetResult(names);
            return Task.CompletedTask;
        }

        public Task<string?> PrepareAnewAsync(DatabasePlan database, CancellationToken cancellationToken)
        {
            Prepared++;
            return Task.FromResult(Faults.TryDequeue(out var fault) ? fault : null);
        }

        public void Warn(string sentence) => Warnings.Add(sentence);
    }
}
