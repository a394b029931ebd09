namespace Datasette.Litestream.Reporting;

/// <summary>The cause of an error, for a person who does not know Litestream.</summary>
/// <param name="Clause">The cause, as it follows "because".</param>
/// <param name="Remedy">What to do, in a sentence.</param>
/// <param name="Texts">The texts by which the error is known: those of S3 (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html),
/// of Go, of the operating system (<c>strerror</c>) and of SQLite (https://sqlite.org/rescode.html).</param>
internal sealed record ErrorCause(string Clause, string Remedy, params string[] Texts)
{
    /// <summary>The cause as a sentence.</summary>
    public string Sentence => $"{char.ToUpperInvariant(Clause[0])}{Clause[1..]}.";
}

/// <summary>Finds the causes of the errors that Litestream repeats from the storage, the network, the disk and SQLite.</summary>
internal static class ErrorCauses
{
    private const string TriesAgain = "It is tried again by itself.";

    /// <summary>The first that matches counts, so what is more specific comes first.</summary>
    private static readonly ErrorCause[] All =
    [
        new("the destination does not know the access key", "Correct access-key-id, or create a new key.", "InvalidAccessKeyId"),
        new("the secret access key is wrong", "Correct secret-access-key; it must belong to the access-key-id.", "SignatureDoesNotMatch"),
        new("the clock of this machine is wrong", "Set the clock; S3 accepts a difference of 15 minutes.", "RequestTimeTooSkewed"),
        new(
            "the credentials have expired", "Renew them, or have them read again with credentials-file or credentials-command.",
            "ExpiredToken", "TokenRefreshRequired"),
        new("the bucket does not exist", "Create it, or correct its name in the URL.", "NoSuchBucket"),
        new("the bucket is in another region", "Set region to the bucket's.", "PermanentRedirect", "AuthorizationHeaderMalformed"),

        // Init in s3/replica_client.go, v0.5.17; the key may be good for everything but this question.
        new(
            "the region of the bucket could not be found out", $"Set region to the bucket's, so that it need not be asked for. {TriesAgain}",
            "cannot lookup bucket region"),
        new(
            "the destination denies access", "Give the key the rights to list, read, write and delete there.",
            "AccessDenied", "StatusCode: 403", "AuthorizationFailure"),
        new(
            "there are no credentials", "Set access-key-id and secret-access-key, or one of the other sources of credentials.",
            "failed to retrieve credentials", "no EC2 IMDS role found", "failed to refresh cached credentials", "NoCredentialProviders"),
        new("the SSH server refuses the user or the key", "Correct the user, the password or key-path.", "ssh: unable to authenticate"),
        new("the destination asks for fewer requests", $"{TriesAgain} If it goes on, raise sync-interval.", "SlowDown", "TooManyRequests"),
        new("the destination has a fault of its own", TriesAgain, "InternalError", "ServiceUnavailable"),
        new(
            "the destination refuses connections", $"Start its server, or correct the address in the URL. {TriesAgain}",
            "connection refused"),
        new("the name of the destination's host is not known", $"Correct the address in the URL, or mend DNS. {TriesAgain}", "no such host", "server misbehaving"),
        new("the certificate of the destination is not trusted", "Name the authority's certificate in AWS_CA_BUNDLE or SSL_CERT_FILE.", "x509: ", "tls: "),
        new("the destination cannot be reached", $"Mend the network. {TriesAgain}", "network is unreachable", "no route to host"),
        new(
            "the destination does not answer in time", $"Mend the network or the destination. {TriesAgain}",
            "i/o timeout", "TLS handshake timeout", "Client.Timeout exceeded", "context deadline exceeded", "RequestTimeout", "connection timed out"),
        new("the connection to the destination breaks", $"Mend the network. {TriesAgain}", "connection reset by peer", "broken pipe", "unexpected EOF"),
        new(
            "a disk is full", "Make room where the database is, and where its backup goes.",
            "no space left on device", "database or disk is full", "disk full while staging"),
        new("the disk quota is used up", "Make room where the database is, and where its backup goes.", "disk quota exceeded"),
        new("a file system is read-only", "Mount it for writing, or choose another folder.", "read-only file system", "attempt to write a readonly database"),
        new(
            "a file or folder may not be used", "Let the user that runs Datasette read and write it.",
            "permission denied", "operation not permitted"),
        new("there is a file where a folder should be", "Remove the file, or choose another folder.", "not a directory", "file exists"),
        new("there are too many open files", "Raise the limit of open files (ulimit -n).", "too many open files"),
        new("a disk fails", "Look at the disk, and at the kernel's log.", "input/output error", "disk I/O error"),
        new("the file is not a SQLite database", "Name another file, or restore this one.", "file is not a database"),
        new(
            "the database is damaged", "Stop Datasette, and restore the database from its backup to another file; try `PRAGMA integrity_check`.",
            "database disk image is malformed"),
        new("another program has locked the database", $"End what holds the lock. {TriesAgain}", "database is locked", "database table is locked"),
        new("the database cannot be opened", "Look at the file, its folder and their permissions.", "unable to open database file"),
        new("a file or folder is missing", "Put it back.", "no such file or directory", "NoSuchKey"),
    ];

    /// <summary>The texts by which the causes are known.</summary>
    public static IEnumerable<string> Texts => All.SelectMany(cause => cause.Texts);

    /// <summary>The cause of an error; null if it is not known.</summary>
    /// <param name="error">Litestream's words; null if there is no error.</param>
    public static ErrorCause? Find(string? error) =>
        error is null ? null : Array.Find(All, cause => cause.Texts.Any(text => error.Contains(text, StringComparison.OrdinalIgnoreCase)));
}
