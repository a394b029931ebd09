using System.Runtime.InteropServices;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Credentials;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Secrets;

namespace Datasette.Litestream;

/// <summary>What one Datasette is to replicate, and with what: all that can be known and checked before anything is started.</summary>
/// <param name="Configuration">What it follows from.</param>
/// <param name="Plan">What is replicated where.</param>
/// <param name="Binary">The Litestream.</param>
/// <param name="Host">Datasette's environment.</param>
/// <param name="Warnings">One sentence each.</param>
internal sealed record ReplicationSetup(
    DatasetteConfiguration Configuration, ReplicationPlan Plan, LitestreamBinary Binary, HostEnvironment Host, IReadOnlyList<string> Warnings)
{
    /// <summary>The databases that would be in the plan too, and that other processes replicate.</summary>
    public IReadOnlyList<DatabasePlan> Others { get; init; } = [];

    /// <summary>The secrets that are known before the start.</summary>
    public SecretValues Secrets => SecretsOf(Plan);

    /// <summary>The same for some of its databases; others replicate the rest.</summary>
    /// <param name="names">Their names.</param>
    public ReplicationSetup For(IReadOnlySet<string> names) => this with
    {
        Plan = Plan with { Databases = [.. Plan.Databases.Where(database => names.Contains(database.Name))] },
        Others = [.. Plan.Databases.Where(database => !names.Contains(database.Name))],
    };

    /// <summary>The same for the databases that Datasette serves now.</summary>
    /// <param name="served">All of them.</param>
    public ReplicationSetup Serving(IReadOnlyList<AttachedDatabase> served)
    {
        var configuration = Configuration with { Databases = served };
        return this with { Configuration = configuration, Plan = PlanFor(configuration, Plan.Databases.Select(database => database.Name).ToHashSet(StringComparer.Ordinal)) };
    }

    /// <summary>Plans while Datasette serves: what is wrong with one database concerns that one alone.</summary>
    /// <param name="configuration">The configuration.</param>
    /// <param name="known">The names of the databases that were planned before, which come first, and are not checked again.</param>
    public ReplicationPlan PlanFor(DatasetteConfiguration configuration, IReadOnlySet<string> known)
    {
        var served = configuration with { Databases = [.. configuration.Databases.OrderBy(database => !known.Contains(database.Name))] };
        var plan = SharedFiles.LeaveOut(ReplicationPlanner.PlanServed(served, name => Host.Variables.GetValueOrDefault(name)));
        var refused = plan.Databases.Where(database => !known.Contains(database.Name))
            .Select(database => (Database: database, Problem: FindProblem(plan, database)))
            .Where(one => one.Problem is not null)
            .ToDictionary(one => one.Database, one => one.Problem!);
        return (plan with
        {
            Databases = plan.Databases.RemoveAll(refused.ContainsKey),
            Unreplicable = [.. plan.Unreplicable, .. refused.Select(one => ReplicationPlanner.Refuse(one.Key.Name, one.Key.Path, one.Value))],
        }).For(Binary.Version.ReleaseLine!.Value);
    }

    /// <summary>The secrets of a plan, and those that Datasette's environment has.</summary>
    public SecretValues SecretsOf(ReplicationPlan plan) => SecretsOf(plan, Host);

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
        var warnings = new List<string>();
        redactor.SetResult(new SecretCollection(SecretsOf(plan, host), []).Redactor);
        var unwritable = Preflight.CheckDestinations(plan).ToLookup(fault => fault.Problem, fault => fault.Database);
        if (unwritable.SelectMany(fault => fault).Distinct().Count() == plan.Databases.Length)
        {
            problems.AddRange(unwritable.Select(fault => fault.Key));
        }
        else
        {
            // The others are replicated.
            warnings.AddRange(unwritable.Select(fault => fault.Key.ToString()));
        }

        problems.AddRange(Preflight.CheckStateFolders(plan, plan.Databases));
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

        return new ReplicationSetup(configuration, plan, binary!, host, warnings);
    }

    private static SecretValues SecretsOf(ReplicationPlan plan, HostEnvironment host) => new(
        [.. plan.Secrets, .. InheritedSecrets.SecretsIn(host.Variables)], [.. plan.AccessKeyIds, .. InheritedSecrets.AccessKeyIdsIn(host.Variables)]);

    /// <summary>What keeps a database of a plan from being replicated, in a sentence; null if nothing is known to.</summary>
    private string? FindProblem(ReplicationPlan plan, DatabasePlan database)
    {
        var problems = new List<Problem>();
        var alone = plan with { Databases = [database] };
        VersionCompatibility.Check(alone, Binary.Version, problems);
        problems.AddRange(Preflight.CheckStateFolders(plan, alone.Databases));
        problems.AddRange(Preflight.CheckEncryptionKeys(alone));
        return problems.Count == 0 ? null : problems[0].ToString();
    }

    /// <summary>Errors as one message.</summary>
    public static string Join(IReadOnlyList<string> errors) => errors.Count == 1
        ? errors[0]
        : $"{errors.Count} problems:\n{string.Join('\n', errors.Select(problem => $"  - {problem}"))}";

    // The ToString that the compiler generates would print the plan, including secrets.
    public override string ToString() => nameof(ReplicationSetup);
}
