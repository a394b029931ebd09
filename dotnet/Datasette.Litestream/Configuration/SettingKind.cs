namespace Datasette.Litestream.Configuration;

/// <summary>What the value of a setting is, and with it how it is read, and what it reads as.</summary>
internal enum SettingKind
{
    /// <summary>Text, in which variables are expanded where there are any.</summary>
    Text,

    /// <summary>A replica's URL, in which what variables stand for is percent-encoded.</summary>
    Url,

    /// <summary>Text that is never shown, and in which a variable is read only where it is the whole value.</summary>
    Secret,

    /// <summary>One of <see cref="Setting.Choices"/>.</summary>
    Choice,

    /// <summary>Go's, or a number of seconds; a <see cref="TimeSpan"/>.</summary>
    Duration,

    /// <summary>A <see cref="long"/>.</summary>
    Count,

    /// <summary>A <see cref="bool"/>.</summary>
    Flag,

    /// <summary>Bytes: a number, or text with a unit such as <c>5MiB</c>.</summary>
    Size,

    /// <summary>A <see cref="MetricsAddress"/>.</summary>
    Address,

    TextList,

    SecretList,

    /// <summary>A mapping of <see cref="Setting.Members"/>.</summary>
    Mapping,

    /// <summary>Replicas, each a URL or a mapping of <see cref="SettingsTable.Replica"/>; one alone, or a list.</summary>
    Replicas,
}
