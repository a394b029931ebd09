namespace Datasette.Litestream.EndToEnd.Faults;

/// <summary>What lies at a destination is lost or damaged, and that is seen and healed.</summary>
[TestClass]
public sealed class ReplicaFaultSpecs
{
    private const string Damaged = "backup_damaged|replicated_anew";

    [TestMethod]
    public Task The_backup_is_deleted() => FaultRun.RunAsync(async run =>
    {
        await run.StartGreenAsync();
        await run.BreakAsync(() => Directory.Delete(run.Workspace.Backup("parks"), recursive: true), destroysBackup: true);
        await run.ExpectRedAsync(Damaged);
        await run.ExpectGreenAsync();
        await run.ExpectRestoredAsync();
    });
}
