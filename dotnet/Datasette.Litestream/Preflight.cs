using System.Net;
using System.Net.Sockets;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Processes;

namespace Datasette.Litestream;

/// <summary>Checks for errors that Litestream would detect only later, and report only in its log.</summary>
internal static class Preflight
{
    /// <summary>Finds file destinations that are not writable, with the names of their databases.</summary>
    public static IEnumerable<(string Database, Problem Problem)> CheckDestinations(ReplicationPlan plan)
    {
        var errors = new Dictionary<string, string?>(StringComparer.Ordinal);
        var reported = new Dictionary<(string Key, string Folder), Problem>();
        foreach (var (database, replica) in plan.Databases.SelectMany(database => database.Replicas, (database, replica) => (database.Name, replica)).Where(one => one.replica.Type == "file"))
        {
            // Check the nearest existing folder; Litestream creates the rest. Usually many databases share that folder.
            var existing = replica.Destination;
            while (!Path.Exists(existing))
            {
                existing = Path.GetDirectoryName(existing)!;
            }

            if (!errors.TryGetValue(existing, out var error))
            {
                error = errors[existing] = TryWrite(existing);
            }

            // A template's folder is one mistake, however many databases there are.
            if (error is not null)
            {
                if (!reported.TryGetValue((replica.Key, existing), out var problem))
                {
                    reported[(replica.Key, existing)] = problem = new Problem(
                        replica.Key, $"the destination {replica.Destination} cannot be written to: {error} Make it writable for Datasette's user, or choose another.");
                }

                yield return (database, problem);
            }
        }
    }

    /// <summary>
    /// Finds files of encryption keys that cannot be read, and empty ones, with which Litestream would write in the clear (its
    /// <c>NewS3ReplicaClientFromConfig</c>, v0.5.17).
    /// </summary>
    public static IEnumerable<Problem> CheckEncryptionKeys(ReplicationPlan plan)
    {
        const string key = "sse-customer-key-path";
        foreach (var replica in plan.Databases.SelectMany(database => database.Replicas).DistinctBy(replica => replica.PathOf(key)))
        {
            if (replica.Settings[key]?.GetValue<string>() is { } path && !path.StartsWith('~') && FindKeyFault(path) is { } fault)
            {
                yield return new Problem(replica.PathOf(key), fault);
            }
        }
    }

    /// <summary>
    /// Finds secure addresses on a machine without OpenSSL: .NET would end the whole process at the first request. Source:
    /// <c>InitializeOpenSSLShim</c> in .NET's opensslshim.c, which tries more names than these.
    /// </summary>
    /// <param name="plan">The plan.</param>
    /// <param name="canLoad">Whether a library of that name can be loaded.</param>
    public static IEnumerable<Problem> CheckSecureAddresses(ReplicationPlan plan, Func<string, bool> canLoad)
    {
        var (notifyUrl, heartbeatUrl, _) = plan.Notifications;
        (string Key, Uri? Url)[] addresses = [("notify-url", notifyUrl), ("heartbeat-url", heartbeatUrl)];
        var secure = addresses.Where(address => address.Url?.Scheme == Uri.UriSchemeHttps).ToList();
        return secure.Count == 0 || OpenSsl.IsThere(canLoad)
            ? []
            : secure.Select(address => new Problem(
                $"{ReplicationPlanner.TopLevelKey}.{address.Key}",
                $"is an address of https, which needs OpenSSL, and {OpenSsl.Missing}"));
    }

    /// <summary>Finds a metrics address that cannot be listened on.</summary>
    public static Problem? CheckMetricsAddress(MetricsAddress? address)
    {
        if (address is null)
        {
            return null;
        }

        try
        {
            using var listener = new TcpListener(Resolve(address.Host), address.Port);
            if (listener.Server.AddressFamily == AddressFamily.InterNetworkV6 && address.Host.Length == 0)
            {
                listener.Server.DualMode = true;
            }

            listener.Start();
            return null;
        }
        catch (SocketException ex)
        {
            var reason = ex.SocketErrorCode == SocketError.AddressAlreadyInUse ? "is in use by another program" : $"cannot be listened on: {ex.Message}";
            return new Problem(
                $"{ReplicationPlanner.TopLevelKey}.metrics-addr", $"{address} {reason}; choose another port, or end that program");
        }
    }

    private static string? FindKeyFault(string path)
    {
        try
        {
            return File.ReadAllText(path).Trim().Length == 0
                ? $"the file {path} is empty, and Litestream would write in the clear; write the key into it, in Base64"
                : null;
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            return $"the file cannot be read: {ex.Message}";
        }
    }

    private static IPAddress Resolve(string host) => host switch
    {
        // As in Go: both IPv6 and IPv4, if both exist.
        "" => Socket.OSSupportsIPv6 ? IPAddress.IPv6Any : IPAddress.Any,
        "localhost" => IPAddress.Loopback,
        _ => IPAddress.TryParse(host, out var address) ? address : Dns.GetHostAddresses(host)[0],
    };

    private static string? TryWrite(string path)
    {
        if (!Directory.Exists(path))
        {
            return $"{path} is a file.";
        }

        try
        {
            var probe = Path.Combine(path, $".datasette-litestream-{Guid.NewGuid():N}");
            new FileStream(probe, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose).Dispose();
            return null;
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            return $"in {path}, {ex.Message}";
        }
    }
}
