namespace Datasette.Litestream.EndToEnd.Faults;

/// <summary>
/// Asks page, JSON, health check and metrics twice a second, records the answers, and copies the backups of which something was
/// said right after it was said. One task asks and copies; the answers are read by the test as well.
/// </summary>
internal sealed class Observer : IAsyncDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(5);
    private static readonly AnswerSource[] Sources = Enum.GetValues<AnswerSource>();

    private readonly HttpClient _http;
    private readonly IReadOnlyDictionary<string, IBackupCopies> _backups;
    private readonly Lock _lock = new();
    private readonly List<Answer> _answers = [];
    private readonly List<ClaimedBackup> _claimed = [];
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _observing;

    /// <summary>The databases in the last JSON: the page and the health check do not speak of others.</summary>
    private HashSet<string>? _listed;
    private TaskCompletionSource _round = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <param name="http">Datasette, with the permissions of root.</param>
    /// <param name="backups">The backup of each database, by its name.</param>
    public Observer(HttpClient http, IReadOnlyDictionary<string, IBackupCopies> backups)
    {
        _http = http;
        _backups = backups;
        _observing = Task.Run(ObserveAsync);
    }

    /// <summary>All answers so far.</summary>
    public IReadOnlyList<Answer> Answers
    {
        get
        {
            lock (_lock)
            {
                return [.. _answers];
            }
        }
    }

    /// <summary>All that was claimed, and where the backup of that moment is.</summary>
    public IReadOnlyList<ClaimedBackup> Claimed
    {
        get
        {
            lock (_lock)
            {
                return [.. _claimed];
            }
        }
    }

    /// <summary>Ends with the next round of answers.</summary>
    public Task NextRound
    {
        get
        {
            lock (_lock)
            {
                return _round.Task;
            }
        }
    }

    /// <summary>The requests that were not answered, or not in time.</summary>
    public int Unanswered { get; private set; }

    /// <summary>Ends the observation.</summary>
    public async Task StopAsync()
    {
        await _stopping.CancelAsync();
        await _observing;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _stopping.Dispose();
    }

    private async Task ObserveAsync()
    {
        using var timer = new PeriodicTimer(Interval);
        try
        {
            for (var round = 0; ; round++)
            {
                // Each in turn is the last, whose answer is held against a backup of the same moment.
                var answers = new List<Answer>();
                for (var i = 0; i < Sources.Length; i++)
                {
                    if (await AskAsync(Sources[(round + i) % Sources.Length]) is { } answer)
                    {
                        answers.Add(answer);
                    }
                }

                var copies = new Dictionary<string, (string Folder, DateTimeOffset At)>();
                foreach (var name in answers.SelectMany(answer => answer.Claims).Select(claim => claim.Database).Distinct().Where(_backups.ContainsKey))
                {
                    copies[name] = (await _backups[name].CopyAsync(), DateTimeOffset.UtcNow);
                }

                lock (_lock)
                {
                    _answers.AddRange(answers);
                    _claimed.AddRange(
                        from answer in answers
                        from claim in answer.Claims
                        where copies.ContainsKey(claim.Database)
                        let copy = copies[claim.Database]
                        select new ClaimedBackup(answer, claim, copy.Folder, copy.At));
                    _round.SetResult();
                    _round = new(TaskCreationOptions.RunContinuationsAsynchronously);
                }

                await timer.WaitForNextTickAsync(_stopping.Token);
            }
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            // Stopped.
        }
    }

    private async Task<Answer?> AskAsync(AnswerSource source)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token);
        deadline.CancelAfter(AnswerTimeout);
        var askedAt = DateTimeOffset.UtcNow;
        try
        {
            using var response = await _http.GetAsync(Answer.Address(source), deadline.Token);
            var body = await response.Content.ReadAsStringAsync(deadline.Token);
            if (response.IsSuccessStatusCode || source == AnswerSource.Health)
            {
                var answer = Answer.Read(source, askedAt, DateTimeOffset.UtcNow, body, [.. _backups.Keys.Where(name => _listed?.Contains(name) ?? true)]);
                _listed = source == AnswerSource.Json ? [.. answer.Databases.Select(database => database.Name)] : _listed;
                return answer;
            }
        }
        catch (Exception ex) when (ex is HttpRequestException or OperationCanceledException && !_stopping.IsCancellationRequested)
        {
            // Counted below.
        }

        Unanswered++;
        return null;
    }
}

/// <summary>Something that was said of a backup, and a copy of what was there then.</summary>
/// <param name="Answer">What was said.</param>
/// <param name="Claim">What of that is about the backup.</param>
/// <param name="Copy">The folder of the copy.</param>
/// <param name="CopiedAt">Just after the copy.</param>
internal sealed record ClaimedBackup(Answer Answer, Claim Claim, string Copy, DateTimeOffset CopiedAt);
