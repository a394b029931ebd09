using System.Text.RegularExpressions;
using Datasette.Litestream.Errors;

namespace Datasette.Litestream.Configuration;

/// <summary>
/// Replaces <c>$NAME</c> and <c>${NAME}</c> in the settings of one database's replicas; <c>$$</c> becomes a dollar sign.
/// Litestream runs with <c>-no-expand-env</c>, so nothing is expanded twice.
/// </summary>
internal sealed partial class Variables(
    AttachedDatabase database, string workingDirectory, Func<string, string?> environment)
{
    private static readonly string[] OwnNames = ["DB_NAME", "DB_DIRECTORY", "PWD"];

    /// <summary>Expands a text value.</summary>
    /// <returns>The expanded text, or null after adding to <paramref name="problems"/>.</returns>
    public string? ExpandText(string text, string key, ICollection<Problem> problems) =>
        Expand(text, key, problems, value => value, value => value);

    /// <summary>
    /// Expands a URL: the values of the plugin's own variables are percent-encoded, so that they keep their meaning.
    /// </summary>
    /// <inheritdoc cref="ExpandText" path="/returns"/>
    public string? ExpandUrl(string text, string key, ICollection<Problem> problems) =>
        Expand(text, key, problems, Uri.EscapeDataString, EscapePath);

    /// <summary>
    /// Expands a secret only if it is exactly one variable; otherwise it stays unchanged, including dollar signs. No message
    /// shows the variable's name, since it might be a secret that looks like a variable.
    /// </summary>
    /// <inheritdoc cref="ExpandText" path="/returns"/>
    public static string? ExpandSecret(
        string text, string key, Func<string, string?> environment, ICollection<Problem> problems)
    {
        var match = WholeVariable().Match(text);
        if (!match.Success)
        {
            return text;
        }

        var value = environment(match.Groups["name"].Value);
        if (string.IsNullOrEmpty(value))
        {
            problems.Add(new Problem(key, "names an environment variable that is not set; set it for Datasette's process"));
            return null;
        }

        return value;
    }

    /// <summary>Whether a secret is exactly one variable.</summary>
    public static bool IsVariable(string text) => WholeVariable().IsMatch(text);

    /// <summary>Whether a text has a variable that is not the plugin's own, and so tells something of the environment.</summary>
    public static bool NamesEnvironment(string text) => Variable().Matches(text).Any(match => match.Groups["name"] is { Success: true } name && !OwnNames.Contains(name.Value));

    /// <summary>The literal part of a text, without its variables.</summary>
    public static string RemoveFrom(string text) => Variable().Replace(text, match => match.Value == "$$" ? "$" : "");

    private string? Expand(
        string text, string key, ICollection<Problem> problems, Func<string, string> encodeName, Func<string, string> encodePath)
    {
        var found = new List<Problem>();
        var expanded = Variable().Replace(text, match =>
        {
            if (match.Value == "$$")
            {
                return "$";
            }

            var name = match.Groups["name"].Value;
            switch (name)
            {
                case "":
                    found.Add(new Problem(key, "has a $ that starts no variable; write $$ for a dollar"));
                    return "";
                case "DB_NAME":
                    if (!CanStandInPath(database.Name))
                    {
                        found.Add(new Problem(
                            key,
                            $"the database's name \"{database.Name}\" cannot stand in a destination (an empty, \".\" or \"..\" "
                            + "step, or a control character); give this database replicas of its own, without $DB_NAME"));
                    }

                    return encodeName(database.Name);
                case "DB_DIRECTORY":
                    return encodePath(Path.GetDirectoryName(database.Path) ?? "/");
                case "PWD":
                    return encodePath(workingDirectory);
                default:
                    var value = environment(name);
                    if (value is null)
                    {
                        found.Add(new Problem(
                            key,
                            IsInPassword(text, match.Index)
                                ? "has a $ in its password that names no environment variable that is set; write $$ for a dollar"
                                : $"the environment variable {name} is not set{Suggest(name)}"));
                    }

                    return value ?? "";
            }
        });

        if (found.Count == 0)
        {
            return expanded;
        }

        foreach (var problem in found)
        {
            problems.Add(problem);
        }

        return null;
    }

    // One that was cut short, such as $DB, may be far from what was meant.
    private static string Suggest(string name) =>
        Suggestion.For(name, OwnNames) is { Length: > 0 } suggestion ? suggestion
        : Array.Find(OwnNames, own => own.StartsWith(name, StringComparison.OrdinalIgnoreCase)) is { } whole ? Suggestion.For(whole, [whole])
        : "";

    // A text in a password that looks like a variable may be part of the password itself.
    private static bool IsInPassword(string text, int index) =>
        text.IndexOf('@', index) >= 0 && PasswordStart().IsMatch(text.AsSpan(0, index));

    private static bool CanStandInPath(string name) =>
        !name.Any(char.IsControl) && !name.Split('/').Any(step => step is "" or "." or "..");

    private static string EscapePath(string path) => string.Join('/', path.Split('/').Select(Uri.EscapeDataString));

    [GeneratedRegex(@"\$(?:\$|(?<name>[A-Za-z_][A-Za-z0-9_]*)|\{(?<name>[A-Za-z_][A-Za-z0-9_]*)\})?")]
    private static partial Regex Variable();

    [GeneratedRegex("://[^/@]*:[^@]*$")]
    private static partial Regex PasswordStart();

    [GeneratedRegex(@"^\$(?:(?<name>[A-Za-z_][A-Za-z0-9_]*)|\{(?<name>[A-Za-z_][A-Za-z0-9_]*)\})$")]
    private static partial Regex WholeVariable();
}
