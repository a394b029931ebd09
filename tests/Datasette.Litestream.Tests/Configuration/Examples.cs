using System.Globalization;
using Datasette.Litestream.Configuration;

namespace Datasette.Litestream.Tests.Configuration;

/// <summary>Example values for settings, as JSON, derived from the <see cref="SettingsTable"/>.</summary>
internal static class Examples
{
    /// <summary>Two valid values other than its default.</summary>
    public static (string First, string Second) Right(Setting setting) => setting.Kind switch
    {
        // Both are types whose place is a bucket.
        SettingKind.Text when setting.Key == "type" => ("\"s3\"", "\"abs\""),
        SettingKind.Text or SettingKind.Secret => ("\"one\"", "\"two\""),
        SettingKind.SecretUrl => ("\"https://chat.example/hook/one\"", "\"https://chat.example/hook/two\""),
        SettingKind.Url => ("\"s3://maps/one\"", "\"s3://maps/two\""),
        SettingKind.Choice => ($"\"{setting.Choices[0]}\"", $"\"{setting.Choices[1]}\""),
        // No shorter than the interval of snapshots.
        SettingKind.Duration when setting.Key == "retention" => ("\"72h\"", "\"96h\""),
        SettingKind.DurationList => ("[\"17s\"]", "[18, {\"interval\": \"1h\"}]"),
        SettingKind.Duration => ("\"17s\"", "\"18s\""),
        SettingKind.Count => ("7", "8"),
        SettingKind.Flag => ("true", "false"),
        SettingKind.Size => ("\"7MiB\"", "8000000"),
        SettingKind.Address => ("\"127.0.0.1:9090\"", "\"[::1]:9090\""),
        // Databases that may be attached.
        SettingKind.TextList when setting.Key == "exclude" => ("[\"parks\"]", "[\"roads\"]"),
        SettingKind.TextList or SettingKind.SecretList => ("[\"one\"]", "[\"two\"]"),
        // Everything at once would be several sources of credentials.
        SettingKind.Mapping when setting.Key == "credentials" => (
            """{"file": "one", "refresh-interval": 60}""", """{"file": "two", "refresh-interval": 60}"""),
        SettingKind.Mapping => (MappingOf(setting, values => values.First), MappingOf(setting, values => values.Second)),
        SettingKind.Replicas => ("\"file:///one\"", "[\"file:///two\"]"),
        _ => throw new ArgumentOutOfRangeException(nameof(setting)),
    };

    /// <summary>An invalid value.</summary>
    public static string Wrong(Setting setting) => setting.Kind switch
    {
        SettingKind.Flag => "\"true\"",
        SettingKind.Duration => "\"soon\"",
        SettingKind.Count => (setting.Min - 1).ToString(CultureInfo.InvariantCulture),
        SettingKind.Size => "0",
        SettingKind.Choice => "\"other\"",
        _ => "7",
    };

    private static string MappingOf(Setting setting, Func<(string First, string Second), string> choose) =>
        $$"""{ {{string.Join(", ", setting.Members!.All.Select(member => $"\"{member.Key}\": {choose(Right(member))}"))}} }""";
}
