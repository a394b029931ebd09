using Datasette.Litestream.Errors;

namespace Datasette.Litestream.Credentials;

/// <summary>Credentials as JSON in a file that another program writes, possibly at this moment.</summary>
/// <param name="path">The file's path, absolute.</param>
/// <param name="time">The clock.</param>
internal sealed class CredentialsFile(string path, TimeProvider time) : ICredentialSource
{
    private const int MaxFileBytes = 64 * 1024;

    /// <summary>An invalid file is read again for this long, since it may be half-written.</summary>
    private static readonly TimeSpan MaxWriteTime = TimeSpan.FromSeconds(1);

    public string Description => $"the file {path}";

    public async Task<IssuedCredentials> ReadAsync(CancellationToken cancellationToken)
    {
        try
        {
            return Read();
        }
        catch (ReplicationException)
        {
            await Task.Delay(MaxWriteTime, time, cancellationToken).ConfigureAwait(false);
            return Read();
        }
    }

    private IssuedCredentials Read()
    {
        const string key = "credentials-file";
        byte[] content;
        try
        {
            if (new FileInfo(path).Length > MaxFileBytes)
            {
                throw new ReplicationException($"{key}: {path} is larger than {MaxFileBytes / 1024} KiB; it should hold one set of credentials.");
            }

            content = File.ReadAllBytes(path);
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            throw new ReplicationException($"{key}: {path} cannot be read: {ex.Message}", ex);
        }

        return IssuedCredentials.Parse(content, $"{key}: {path}", time.GetUtcNow());
    }
}
