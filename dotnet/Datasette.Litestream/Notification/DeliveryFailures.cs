namespace Datasette.Litestream.Notification;

/// <summary>
/// Tells once of requests to one address that fail, and not of one that succeeds when it is repeated. The task that sends the
/// requests owns it; any thread can read <see cref="Warning"/>.
/// </summary>
/// <param name="what">What does not work, as the start of a sentence.</param>
/// <param name="tell">Called with the sentence.</param>
internal sealed class DeliveryFailures(string what, Action<string> tell)
{
    /// <summary>The failures in a row of which the last is told.</summary>
    private const int ToldAfter = 3;

    private int _count;
    private volatile string? _warning;

    /// <summary>The sentence, until a request succeeds; null before and after.</summary>
    public string? Warning => _warning;

    /// <summary>Notes a failure.</summary>
    /// <param name="failure">The failure.</param>
    /// <param name="isLast">Whether the request is not repeated.</param>
    public void Add(SendFailure failure, bool isLast)
    {
        _count++;
        if (_warning is null && (isLast || _count >= ToldAfter))
        {
            _warning = $"{what}: {failure.Words}.{(failure.IsFinal ? " Check the address." : "")}";
            tell(_warning);
        }
    }

    /// <summary>Notes a success.</summary>
    public void Reset() => (_count, _warning) = (0, null);
}
