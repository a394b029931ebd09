using System.Runtime.InteropServices;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Credentials;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Secrets;

namespace Datasette.Litestream;

/// <summary>What one Datasette is to replicate, and with what: all that can be known and checked before anything is started.</summary>
/// <param name="Plan">What is replicated where.</param>
/// <param name="Binary">The Litestream.</param>
/// <param name="Host">Datasette's environment.</param>
/// <param name="Warnings">One sentence each.</param>
internal sealed record ReplicationSetup(ReplicationPlan Plan, LitestreamBinary Binary, HostEnvironment Host, IReadOnlyList<string> Warnings)
{
    /// <summary>The secrets that are known before the start.</summary>
    public SecretValues Secrets => SecretsOf(Plan, Host);

    /// <summary>The same for some of its databases.</summary>
    /// <param name="names">Their names.</param>
    public ReplicationSetup For(IReadOnlySet<string> names) =>
        this with { Plan = Plan with { Databases = [.. Plan.Databases.Where(database => names.Contains(database.Name))] } };

    /// <summary>Checks everything that can be checked before anything is started.</summary>
    /// <param name="configuration">Datasette's configuration.</param>
    /// <param name="host">Datasette's environment.</param>
    /// <exception cref="ReplicationException">Replication cannot start.</exception>
    public static async Task<ReplicationSetup> CheckAsync(DatasetteConfiguration configuration, HostEnvironment host)
    {
        var redactor = new TaskCompletionSource<Redactor>(TaskCreationOptions.RunContinuationsAsynchronously);
        var finding = LitestreamBinary.FindAsync(
            host.BundledBinary, host.ProgramFolder, host.Variables, host.Time, async text => (await redactor.Task.ConfigureAwait(false)).Redact(text));
        var problems = new List<Problem>();
        var plan = SharedFiles.LeaveOut(ReplicationPlanner.Plan(configuration, name => host.Variables.GetValueOrDefault(name), problems));
        var warnings = plan.Warnings.ToList();
        redactor.SetResult(new SecretCollection(SecretsOf(plan, host), []).Redactor);
        problems.AddRange(Preflight.CheckDestinations(plan));
        problems.AddRange(Preflight.CheckEncryptionKeys(plan));
        problems.AddRange(Preflight.CheckSecureAddresses(plan, library => NativeLibrary.TryLoad(library, out _)));
        var errors = new List<string>();
        LitestreamBinary? binary = null;
        try
        {
            binary = await finding.ConfigureAwait(false);
            warnings.AddRange(VersionCompatibility.Check(plan, binary.Version, problems));
            plan = plan.For(binary.Version.ReleaseLine!.Value);
        }
        catch (ReplicationException ex)
        {
            errors.Add(ex.Message);
        }

        errors.AddRange(problems.Select(problem => problem.ToString()));
        if (errors.Count > 0)
        {
            throw new ReplicationException(Join(errors));
        }

        return new ReplicationSetup(plan, binary!, host, warnings);
    }

    private static SecretValues SecretsOf(ReplicationPlan plan, HostEnvironment host) => new(
        [.. plan.Secrets, .. InheritedSecrets.SecretsIn(host.Variables)], [.. plan.AccessKeyIds, .. InheritedSecrets.AccessKeyIdsIn(host.Variables)]);

    private static string Join(List<string> errors) => errors.Count == 1
        ? errors[0]
        : $"{errors.Count} problems:\n{string.Join('\n', errors.Select(problem => $"  - {problem}"))}";

    // The ToString that the compiler generates would print the plan, including secrets.
    public override string ToString() => nameof(ReplicationSetup);
}
