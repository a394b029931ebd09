using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Datasette.Litestream.Processes;

namespace Datasette.Litestream.Writers;

/// <summary>
/// Until when a Datasette may write to its destinations without another look at their files. It leaves that to whoever takes over its
/// databases on this machine, so that Litestream need not wait there for destinations that answer slowly.
/// </summary>
/// <param name="Writer">The Datasette.</param>
/// <param name="Destinations">See <see cref="DigestOf"/>.</param>
/// <param name="Until">A timestamp of the clock that runs since the machine's boot.</param>
internal sealed record HeldClaims(Guid Writer, string Destinations, long Until)
{
    private const string Name = "datasette-litestream-claims.json";

    /// <summary>Equal for two Datasettes that write the same databases to the same destinations.</summary>
    /// <param name="destinations">All of them, each with the <see cref="WritersPlace.Key"/> of its place.</param>
    public static string DigestOf(IEnumerable<(string Place, ClaimedDestination Destination)> destinations) => Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join(
        '\0',
        destinations.Select(one => string.Join('\n', one.Place, one.Destination.Prefix, one.Destination.DatabasePath)).Order(StringComparer.Ordinal)))));

    /// <summary>Reads what was left in a folder; null if nothing was, or it cannot be read.</summary>
    public static HeldClaims? Read(string folder)
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(Path.Combine(folder, Name)), HeldClaimsJson.Default.HeldClaims);
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException or JsonException)
        {
            // Then whoever takes over looks first.
            return null;
        }
    }

    /// <summary>Leaves them in a folder.</summary>
    /// <returns>Whether that was possible.</returns>
    public bool TryLeave(string folder)
    {
        try
        {
            AtomicFile.Write(Path.Combine(folder, Name), JsonSerializer.SerializeToUtf8Bytes(this, HeldClaimsJson.Default.HeldClaims));
            return true;
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            // The disk is full, or Litestream's folder was removed.
            return false;
        }
    }

    /// <summary>Removes what was left in a folder.</summary>
    public static void Remove(string folder)
    {
        try
        {
            File.Delete(Path.Combine(folder, Name));
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            // Litestream's folder was removed; otherwise it is too old after some seconds.
        }
    }
}

[JsonSerializable(typeof(HeldClaims))]
internal sealed partial class HeldClaimsJson : JsonSerializerContext;
