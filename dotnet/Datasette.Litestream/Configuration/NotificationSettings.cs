namespace Datasette.Litestream.Configuration;

/// <summary>Where it is said how replication is, besides Datasette's own output. Both addresses are secrets.</summary>
/// <param name="NotifyUrl">What gets each warning and error; null for none.</param>
/// <param name="HeartbeatUrl">What is fetched while everything is safe; null for none.</param>
/// <param name="HeartbeatInterval">How often <paramref name="HeartbeatUrl"/> is fetched.</param>
internal sealed record NotificationSettings(Uri? NotifyUrl, Uri? HeartbeatUrl, TimeSpan HeartbeatInterval)
{
    // The ToString that the compiler generates would print the addresses.
    public override string ToString() => nameof(NotificationSettings);
}
