namespace Datasette.Litestream.Secrets;

/// <summary>The values that no text may tell.</summary>
/// <param name="Secrets">Those that are never shown.</param>
/// <param name="AccessKeyIds">Those that are shown by their last characters.</param>
internal sealed record SecretValues(IReadOnlyCollection<string> Secrets, IReadOnlyCollection<string> AccessKeyIds)
{
    // The ToString that the compiler generates would say how many there are, and one day perhaps which.
    public override string ToString() => nameof(SecretValues);
}
