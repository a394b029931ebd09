namespace Datasette.Litestream.Configuration;

/// <summary>
/// The S3 credentials that Litestream finds in the environment: those that begin with <c>AWS_</c>, and each of its own only where
/// that one is not set. Source: <c>applyLitestreamEnv</c> in Litestream's cmd/litestream/main.go, v0.3.13 and v0.5.17.
/// </summary>
internal static class EnvironmentIdentity
{
    private const string Own = "LITESTREAM_", Amazon = "AWS_", SessionToken = "AWS_SESSION_TOKEN";

    private static readonly string[] Names = ["ACCESS_KEY_ID", "SECRET_ACCESS_KEY"];

    /// <summary>Says by name which variables of two identities Litestream would mix, or choose between; null if there is one identity.</summary>
    /// <param name="environment">Returns an environment variable by name; null if it is not set.</param>
    public static string? FindMix(Func<string, string?> environment)
    {
        var hasToken = environment(SessionToken) is { Length: > 0 };
        var passedOver = Names
            .Where(name => environment(Own + name) is { } own && environment(Amazon + name) is { } inherited && own != inherited)
            .Select(name => Own + name)
            .ToList();
        if (!Names.All(name => IsSet(Amazon + name) || IsSet(Own + name))
            || (passedOver.Count == 0 && (IsWhole(Amazon) || (IsWhole(Own) && !hasToken))))
        {
            return null;
        }

        var used = Names.Select(name => IsSet(Amazon + name) ? Amazon + name : Own + name).Concat(hasToken ? [SessionToken] : []);
        return $"Datasette's environment has two identities for S3: Litestream uses {string.Join(" with ", used)}"
            + $"{(passedOver.Count == 0 ? "" : $", and not {string.Join(" and ", passedOver)}")}. Take one of the two out of it.";

        // One that is set and empty counts as set.
        bool IsSet(string variable) => environment(variable) is not null;

        bool IsWhole(string prefix) => Names.All(name => IsSet(prefix + name));
    }
}
