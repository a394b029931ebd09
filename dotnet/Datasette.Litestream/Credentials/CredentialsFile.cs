using Datasette.Litestream.Errors;

namespace Datasette.Litestream.Credentials;

/// <summary>Credentials as JSON in a file that somebody else writes, perhaps at this moment.</summary>
/// <param name="path">Absolute.</param>
/// <param name="time">The clock.</param>
internal sealed class CredentialsFile(string path, TimeProvider time) : ICredentialSource
{
    private const int LargestFile = 64 * 1024;

    /// <summary>A file that is broken for less time than this is taken for half-written.</summary>
    private static readonly TimeSpan WritingTime = TimeSpan.FromSeconds(1);

    public string Description => $"the file {path}";

    public async Task<S3Credentials> ReadAsync(CancellationToken cancellationToken)
    {
        try
        {
            return Read();
        }
        catch (ReplicationException)
        {
            await Task.Delay(WritingTime, time, cancellationToken).ConfigureAwait(false);
            return Read();
        }
    }

    private S3Credentials Read()
    {
        const string key = "credentials-file";
        byte[] content;
        try
        {
            if (new FileInfo(path).Length > LargestFile)
            {
                throw new ReplicationException($"{key}: {path} is larger than {LargestFile / 1024} KiB; it should hold one set of credentials.");
            }

            content = File.ReadAllBytes(path);
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            throw new ReplicationException($"{key}: {path} cannot be read: {ex.Message}", ex);
        }

        return S3Credentials.Parse(content, $"{key}: {path}");
    }
}
