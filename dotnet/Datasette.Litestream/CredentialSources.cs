using Datasette.Litestream.Configuration;
using Datasette.Litestream.Credentials;

namespace Datasette.Litestream;

/// <summary>Where the credentials of a plan are read.</summary>
internal static class CredentialSources
{
    /// <summary>The source that is configured; null if none is.</summary>
    /// <param name="settings">What is configured; null if nothing is.</param>
    /// <param name="host">Datasette's environment.</param>
    /// <param name="redact">Takes secrets out of what a command says.</param>
    public static ICredentialSource? Of(CredentialSettings? settings, HostEnvironment host, Func<string, string> redact) => settings switch
    {
        CredentialSettings.Static fixedKeys =>
            new StaticCredentials(new S3Credentials(fixedKeys.AccessKeyId, fixedKeys.SecretAccessKey, fixedKeys.SessionToken)),
        CredentialSettings.File file => new CredentialsFile(file.Path, host.Time),
        CredentialSettings.Command command => new CredentialsCommand(command.CommandLine, host.Variables, host.Time, redact),
        _ => null,
    };
}
