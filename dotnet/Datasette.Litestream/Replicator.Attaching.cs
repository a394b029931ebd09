using System.Collections.Immutable;
using Datasette.Litestream.Attaching;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Locking;
using Datasette.Litestream.Logging;
using Datasette.Litestream.Manual;
using Datasette.Litestream.Observation;

namespace Datasette.Litestream;

/// <summary>What the replication of one Datasette does for databases that come and go.</summary>
internal sealed partial class Replicator : IAttachmentControl
{
    /// <summary>How long it may take to let go of the destinations of databases that were detached.</summary>
    private static readonly TimeSpan LeaveDestinationsTimeout = TimeSpan.FromSeconds(2);

    /// <summary>The last delay between the tries of a last sync.</summary>
    private static readonly TimeSpan MaxConfirmDelay = TimeSpan.FromMilliseconds(250);

    private volatile ImmutableDictionary<string, string> _unusable = ImmutableDictionary.Create<string, string>(StringComparer.Ordinal);
    private volatile ObservedDatabases? _observed;

    /// <summary>Has those databases replicated that Datasette serves now. Any thread may call it; it does not block.</summary>
    /// <param name="served">All databases of Datasette.</param>
    /// <returns>Completes when Litestream was told.</returns>
    public Task ServeAsync(IReadOnlyList<AttachedDatabase> served) => ReconfigureAsync(configuration => configuration with { Databases = served });

    /// <summary>
    /// Has other databases replicated, or in another way, than until now: what is done by hand is another configuration. Any thread may
    /// call it; it does not block.
    /// </summary>
    /// <param name="change">Makes the wanted configuration of the last one; called at once.</param>
    /// <returns>Completes when Litestream was told; what was detached may still be replicated until it is safe.</returns>
    public Task ReconfigureAsync(Func<DatasetteConfiguration, DatasetteConfiguration> change) => _attacher!.ChangeAsync(change);

    /// <inheritdoc/>
    async Task<string?> ISteeredReplication.ReplicateAsync(string name, ReplicationByHand choice)
    {
        string? problem = null;
        await ReconfigureAsync(configuration =>
        {
            var changed = configuration with { ByHand = configuration.ByHand.SetItem(name, choice) };
            problem = choice.IsReplicated ? ReplicationPlanner.FindProblem(changed, name, variable => _host.Variables.GetValueOrDefault(variable)) : null;
            return problem is null ? changed : configuration;
        }).ConfigureAwait(false);
        return problem;
    }

    /// <inheritdoc/>
    ImmutableArray<DatabasePlan> IAttachmentControl.Unusable => [.. Plan.Databases.Where(database => _unusable.ContainsKey(database.Name))];

    /// <inheritdoc/>
    ReplicationPlan IAttachmentControl.PlanFor(DatasetteConfiguration configuration)
    {
        var (known, files) = (Plan.Databases.Select(database => database.Name).ToHashSet(StringComparer.Ordinal), Plan.Databases.Select(database => database.Path).ToHashSet(StringComparer.Ordinal));
        var plan = _setup.PlanFor(configuration, known);
        foreach (var gone in _locks.Names.Except(plan.Databases.Select(database => database.Name)).Except(known))
        {
            // It was detached just when it could be taken over.
            _locks.Release(gone);
        }

        ImmutableArray<DatabasePlan> others = [.. plan.Databases.Where(database => !known.Contains(database.Name) && !files.Contains(database.Path) && IsReplicatedElsewhere(database))];
        _others = others;
        _onOthers?.Invoke();
        return plan with { Databases = plan.Databases.RemoveAll(others.Contains) };
    }

    /// <inheritdoc/>
    void IAttachmentControl.Replan(ReplicationPlan plan)
    {
        lock (_redacting)
        {
            // Before anything is said about what is new.
            _secrets = _secrets.With(_setup.SecretsOf(plan), [.. KnownTexts.Of(plan), _socketFolder.SocketPath, _binary.Path]);
            _log.Redactor = _secrets.Redactor;
        }

        lock (_planning)
        {
            // The file of a database may have become another one meanwhile.
            var now = _plan.Databases.ToDictionary(database => (database.Name, database.Attachment));
            Publish(plan with { Databases = [.. plan.Databases.Select(database => now.GetValueOrDefault((database.Name, database.Attachment), database))] });
        }
    }

    /// <inheritdoc/>
    void IAttachmentControl.LeaveOut(LeaveOutReason reason, IEnumerable<string> names)
    {
        lock (_restarting)
        {
            _leftOut.Set(reason, names);
        }
    }

    /// <inheritdoc/>
    async Task IAttachmentControl.PrepareAsync(IReadOnlyList<DatabasePlan> databases, CancellationToken cancellationToken)
    {
        var usable = databases.Where(TryTakeLock).ToList();
        foreach (var (record, path) in usable.Select(database => _locks.PreviousOf(database.Name)).OfType<(LockRecord, string)>().DistinctBy(one => one.Item1))
        {
            await CleanUpAsync(record, path).ConfigureAwait(false);
        }

        await UseLogsAsync(usable).ConfigureAwait(false);
        lock (_restarting)
        {
            _leftOut.Set(LeaveOutReason.Admission, _leftOut.Of(LeaveOutReason.Admission).Union(usable.Select(database => database.Name)));
        }

        IReadOnlySet<string>? heldBack = null, continued = null;
        if (_claims is not null)
        {
            (heldBack, continued) = await _admissions.JudgeAsync(usable, isOurs: false).WaitAsync(cancellationToken).ConfigureAwait(false);
            await ClaimAsync(usable.FindAll(database => !heldBack.Contains(database.Name))).WaitAsync(cancellationToken).ConfigureAwait(false);
        }

        IReadOnlySet<string> toFill = ImmutableHashSet<string>.Empty;
        if (_mirroring is not null)
        {
            _mirroring.Add(usable);
            toFill = await _mirroring.PrepareAsync(usable, cancellationToken).ConfigureAwait(false);
            usable.FindAll(database => !toFill.Contains(database.Name)).ForEach(database => _mirroring.Start(database.Name));
        }

        lock (_restarting)
        {
            _leftOut.Set(LeaveOutReason.Filling, _leftOut.Of(LeaveOutReason.Filling).Union(toFill));
        }

        var eligible = usable.FindAll(IsEligible);
        var late = await _admissions.AdmitAsync(eligible, continued: continued).WaitAsync(cancellationToken).ConfigureAwait(false);
        lock (_restarting)
        {
            _leftOut.Set(LeaveOutReason.Admission, _leftOut.Of(LeaveOutReason.Admission).Except(eligible.Select(database => database.Name).Except(late)));
        }

        if (toFill.Count > 0)
        {
            _ = FillAsync(toFill);
        }
    }

    /// <inheritdoc/>
    async Task<IReadOnlyDictionary<string, string>> IAttachmentControl.ConfirmAsync(IReadOnlyList<DatabasePlan> databases, TimeSpan timeout, CancellationToken cancellationToken)
    {
        if (_supervisor!.Status is not { State: DaemonState.Running } running)
        {
            return databases.ToDictionary(database => database.Name, _ => "Litestream is not running", StringComparer.Ordinal);
        }

        if (running.Socket is not { } socket)
        {
            // Litestream 0.3 makes its last sync when it ends.
            return ImmutableDictionary<string, string>.Empty;
        }

        using var deadline = new CancellationTokenSource(timeout, _host.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        var open = await DatabaseSync.ConfirmAsync(socket, [.. databases.Select(database => database.Path)], _ => false, MaxConfirmDelay, _host.Time, either.Token).ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        var errors = databases.Where(database => open.Contains(database.Path)).ToDictionary(
            database => database.Name,
            database => _observed?.Databases.FirstOrDefault(one => one.Plan.Name == database.Name)?.Error ?? $"they have not arrived at {database.Primary.Destination}",
            StringComparer.Ordinal);
        foreach (var database in databases.Where(database => !errors.ContainsKey(database.Name)))
        {
            foreach (var lack in await (_mirroring?.FinishAsync(database, timeout) ?? Task.FromResult<IReadOnlyList<Mirrors.MirrorLack>>([])).ConfigureAwait(false))
            {
                errors[database.Name] = $"they have not arrived at {lack.Replica.Destination}{(lack.Error is { } error ? $": {error}" : "")}";
            }
        }

        return errors;
    }

    /// <inheritdoc/>
    Task<StopResult> IAttachmentControl.ApplyAsync(string message)
    {
        // The last request counts, so nothing may come between the settings and the request.
        lock (_restarting)
        {
            return _supervisor!.ChangeAsync(Settings(), RestartReason.Databases, message);
        }
    }

    /// <inheritdoc/>
    bool IAttachmentControl.IsNotOurs(DatabasePlan database) =>
        _unusable.ContainsKey(database.Name) || _leftOut.Of(LeaveOutReason.OtherWriter).Contains(database.Name) || _leftOut.Of(LeaveOutReason.Paused).Contains(database.Name)
        || _leftOut.Of(LeaveOutReason.Admission).Contains(database.Name);

    /// <inheritdoc/>
    DateTimeOffset? IAttachmentControl.SafeUntil(string name) =>
        _observed?.Databases.FirstOrDefault(database => database.Plan.Name == name)?.Evidence.ReplicatedUntil;

    /// <inheritdoc/>
    async Task IAttachmentControl.RemoveAsync(IReadOnlyList<DatabasePlan> databases)
    {
        var names = databases.Select(database => database.Name).ToHashSet(StringComparer.Ordinal);
        lock (_planning)
        {
            Publish(_plan with { Databases = _plan.Databases.RemoveAll(database => names.Contains(database.Name)) });
        }

        lock (_recording)
        {
            if (_litestream is not null)
            {
                // Reports may be left beside another database from now on.
                RecordInTurn();
            }
        }

        foreach (var name in names)
        {
            _mirroring?.Remove(name);
        }

        await _claiming.WaitAsync().ConfigureAwait(false);
        try
        {
            await (_claims?.RemoveAsync(databases, LeaveDestinationsTimeout) ?? Task.CompletedTask).ConfigureAwait(false);
        }
        finally
        {
            _claiming.Release();
        }

        lock (_restarting)
        {
            foreach (var name in names)
            {
                _leftOut.Forget(name);
                _locks.Release(name);
            }
        }

        _unusable = _unusable.RemoveRange(names);
        _steering.Forget(names);
        var fileNames = Plan.Databases.Select(database => Path.GetFileName(database.Path)).ToHashSet(StringComparer.Ordinal);
        _log.Forget(databases.SelectMany(database => new[] { database.Path, Path.GetFileName(database.Path) }).Where(name => !fileNames.Contains(name)));
    }

    /// <inheritdoc/>
    void IAttachmentControl.Tell(string sentence, bool isWarning) => OperatorLog.Write(isWarning ? LogLevel.Warning : LogLevel.Info, sentence);

    /// <summary>Takes the lock on a database; where Litestream cannot work beside it, or in its own folder, it is left out, and that is shown.</summary>
    private bool TryTakeLock(DatabasePlan database)
    {
        var (name, unusable) = (database.Name, _unusable);
        try
        {
            _locks.Take(name, database.Path);
            unusable = Preflight.FindStateFolderFault(database) is { } fault ? unusable.SetItem(name, fault) : unusable.Remove(name);
        }
        catch (Exception ex) when (ex is DatabaseUnusableException or ReplicationException)
        {
            unusable = unusable.SetItem(name, ex.Message);
        }

        _unusable = unusable;
        lock (_restarting)
        {
            _leftOut.Set(LeaveOutReason.FolderUnusable, unusable.Keys);
        }

        return !unusable.ContainsKey(name);
    }

    private bool IsReplicatedElsewhere(DatabasePlan database)
    {
        try
        {
            return !_locks.TryTake(database.Name, database.Path);
        }
        catch (DatabaseUnusableException)
        {
            // It is shown why it is not replicated here.
            return false;
        }
    }

    // Under the lock of planning.
    private void Publish(ReplicationPlan plan)
    {
        _plan = plan;
        _reportFolder = plan.Databases.Any(database => LitestreamFolder.Of(database.Path) == _reportFolder) ? _reportFolder : FindReportFolder(plan);
        _document = LitestreamConfiguration.Create(plan, _binary.Version.ReleaseLine!.Value, _socketFolder.SocketPath);
    }

    private static string? FindReportFolder(ReplicationPlan plan) => plan.Databases.IsEmpty ? null : LitestreamFolder.Of(plan.Databases.Min(database => database.Path)!);
}
