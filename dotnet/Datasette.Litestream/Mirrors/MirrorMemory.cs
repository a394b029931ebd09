using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Datasette.Litestream.Replicas;

namespace Datasette.Litestream.Mirrors;

/// <summary>
/// What is remembered across a restart of mirrors that are behind: the last file of each, and this machine's own last file at that
/// time. As long as the latter is there after the restart, the transactions go on from it, and so a mirror that still ends with
/// the former is of the same history, although neither this machine nor another destination may have that file any more.
/// </summary>
/// <param name="Top">This machine's last file.</param>
/// <param name="Tails">The last file of each mirror, by the identity of its replica.</param>
internal sealed record MirrorMemory(string Top, ImmutableDictionary<string, string> Tails)
{
    private const string FileName = "datasette-litestream-mirrors.json";

    /// <summary>What tells a file from every other one.</summary>
    public static string TextOf(LtxSeal seal) =>
        string.Create(CultureInfo.InvariantCulture, $"{seal.Name} {seal.Size} {seal.Checksums:x32} {seal.MadeAt.ToUnixTimeMilliseconds()}");

    /// <summary>Whether <see cref="Top"/> is a file of that name.</summary>
    public bool IsOf(LtxName name) => Top.StartsWith($"{name} ", StringComparison.Ordinal);

    /// <summary>Reads it.</summary>
    /// <param name="stateFolder">Litestream's folder of the database.</param>
    /// <returns>Null if there is none that can be read.</returns>
    public static MirrorMemory? Read(string stateFolder)
    {
        try
        {
            using var json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(stateFolder, FileName)));
            return new MirrorMemory(
                json.RootElement.GetProperty("top").GetString()!,
                json.RootElement.GetProperty("mirrors").EnumerateObject().ToImmutableDictionary(mirror => mirror.Name, mirror => mirror.Value.GetString()!, StringComparer.Ordinal));
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException or JsonException or KeyNotFoundException or InvalidOperationException)
        {
            // Without it a mirror is compared with what is there.
            return null;
        }
    }

    /// <summary>Writes it; a reader finds either this one or the one before.</summary>
    /// <param name="stateFolder">Litestream's folder of the database.</param>
    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be written.</exception>
    public void Write(string stateFolder)
    {
        var path = Path.Combine(stateFolder, FileName);
        using (var file = File.Create($"{path}.new"))
        using (var json = new Utf8JsonWriter(file))
        {
            json.WriteStartObject();
            json.WriteString("top", Top);
            json.WriteStartObject("mirrors");
            foreach (var (mirror, tail) in Tails)
            {
                json.WriteString(mirror, tail);
            }

            json.WriteEndObject();
            json.WriteEndObject();
        }

        File.Move($"{path}.new", path, overwrite: true);
    }
}
