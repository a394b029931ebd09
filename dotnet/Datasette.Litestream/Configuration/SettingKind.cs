namespace Datasette.Litestream.Configuration;

/// <summary>The kind of a setting's value, which determines how it is read and its .NET type.</summary>
internal enum SettingKind
{
    /// <summary>Text, in which variables are expanded if there are any.</summary>
    Text,

    /// <summary>A replica's URL, in which the values of variables are percent-encoded.</summary>
    Url,

    /// <summary>Text that is never shown, and in which a variable is expanded only if it is the whole value.</summary>
    Secret,

    /// <summary>A secret that is an address of http or https; a <see cref="Uri"/>.</summary>
    SecretUrl,

    /// <summary>One of <see cref="Setting.Choices"/>.</summary>
    Choice,

    /// <summary>A duration in Go's format, or a number of seconds; a <see cref="TimeSpan"/>.</summary>
    Duration,

    /// <summary>A whole number; a <see cref="long"/>.</summary>
    Count,

    /// <summary>True or false; a <see cref="bool"/>.</summary>
    Flag,

    /// <summary>A size in bytes: a number, or text with a unit such as <c>5MiB</c>.</summary>
    Size,

    /// <summary><c>HOST:PORT</c>; a <see cref="MetricsAddress"/>.</summary>
    Address,

    /// <summary>A list of durations, each also as a mapping of <see cref="Setting.Members"/> as in Litestream.</summary>
    DurationList,

    TextList,

    SecretList,

    /// <summary>A mapping of <see cref="Setting.Members"/>.</summary>
    Mapping,

    /// <summary>One replica or a list of replicas, each a URL or a mapping of <see cref="SettingsTable.Replica"/>.</summary>
    Replicas,
}
