using System.Text;
using System.Text.RegularExpressions;
using Datasette.Litestream.Configuration;

namespace Datasette.Litestream.Tests.Configuration;

/// <summary><c>docs/settings.md</c> has the table of settings between its markers.</summary>
[TestClass]
public sealed partial class SettingsDocumentationSpecs
{
    private const string Update = "DATASETTE_LITESTREAM_UPDATE_DOCS";

    private static readonly string Document = RepositoryRoot.Find("docs/settings.md");

    [TestMethod]
    [DataRow("plugin")]
    [DataRow("database")]
    [DataRow("replica")]
    public void The_documentation_has_every_setting(string name)
    {
        var expected = Table(name switch
        {
            "plugin" => SettingsTable.Plugin,
            "database" => SettingsTable.Database,
            _ => SettingsTable.Replica,
        });
        var document = File.ReadAllText(Document);
        var written = Tables().Matches(document).SingleOrDefault(match => match.Groups["name"].Value == name)?.Groups["table"];
        Assert.IsNotNull(written, $"docs/settings.md has no <!-- settings: {name} --> that ends with <!-- end -->");
        if (written.Value != expected && Environment.GetEnvironmentVariable(Update) == "1")
        {
            File.WriteAllText(Document, string.Concat(document.AsSpan(0, written.Index), expected, document.AsSpan(written.Index + written.Length)));
            return;
        }

        Assert.AreEqual(expected, written.Value, $"docs/settings.md is not what SettingsTable.cs says; {Update}=1 writes it anew. It is to be:\n{expected}");
    }

    private static string Table(SettingsScope scope)
    {
        var hasReleaseLines = scope.All.Any(setting => setting.ReleaseLines != ReleaseLine.None);
        var table = new StringBuilder();
        foreach (var group in scope.Groups)
        {
            if (group.Title.Length > 0)
            {
                table.Append($"\n{group.Title}:\n\n");
            }

            Row("key", "value", "default", "Litestream", "meaning");
            Row("---", "---", "---", "---", "---");
            foreach (var setting in group.Settings)
            {
                Row(string.Join(" or ", setting.OtherNames.Prepend(setting.Key).Select(key => $"`{key}`")), Value(setting), Default(setting), ReleaseLines(setting), setting.Description);
            }
        }

        return table.ToString();

        void Row(string key, string value, string @default, string releaseLines, string meaning)
        {
            string[] cells = hasReleaseLines ? [key, value, @default, releaseLines, meaning] : [key, value, @default, meaning];
            table.Append('|').AppendJoin('|', cells.Select(cell => cell.Length == 0 ? " " : $" {cell.Replace("|", "\\|", StringComparison.Ordinal)} ")).Append("|\n");
        }
    }

    private static string Value(Setting setting) => setting.Kind switch
    {
        SettingKind.Text => "text",
        SettingKind.Secret => "secret",
        SettingKind.SecretUrl => "secret URL",
        SettingKind.Url => "URL",
        SettingKind.Choice => string.Join(" or ", setting.Choices.Select(choice => $"`{choice}`")),
        SettingKind.Duration when (setting.Shortest, setting.Max) is (TimeSpan shortest, TimeSpan max) => $"duration, {GoDuration.Format(shortest)} to {GoDuration.Format(max)}",
        SettingKind.Duration when setting.Max is { } max => $"duration, {GoDuration.Format(max)} at most",
        SettingKind.Duration when setting.Shortest is { } min => $"duration, {GoDuration.Format(min)} at least",
        SettingKind.Duration => "duration",
        SettingKind.Count when setting.Min > 0 => $"number, at least {setting.Min}",
        SettingKind.Count => "number",
        SettingKind.Flag => "`true` or `false`",
        SettingKind.Size => "bytes, or such as `5MiB`",
        SettingKind.Address => "`HOST:PORT`",
        SettingKind.DurationList => "list of durations",
        SettingKind.TextList => "list of text",
        SettingKind.SecretList => "list of secrets",
        SettingKind.Mapping => "mapping",
        SettingKind.Replicas => "URL, mapping, or list of them",
        _ => throw new ArgumentOutOfRangeException(nameof(setting)),
    };

    private static string Default(Setting setting) => setting.Default switch
    {
        null => "",
        TimeSpan duration => $"`{GoDuration.Format(duration)}`",
        bool flag => flag ? "`true`" : "`false`",
        var other => $"`{other}`",
    };

    private static string ReleaseLines(Setting setting) => setting switch
    {
        { ReleaseLines: ReleaseLine.V03 } => "0.3",
        { ReleaseLines: ReleaseLine.V05 } => "0.5",
        { KeyIn05: { } key } => $"both; in 0.5 `{key}`",
        { ReleaseLines: ReleaseLine.Both } => "both",
        _ => "",
    };

    [GeneratedRegex("<!-- settings: (?<name>[a-z]+) -->\n(?<table>.*?)(?=<!-- end -->)", RegexOptions.Singleline)]
    private static partial Regex Tables();
}
