using System.Text.Json;
using System.Text.Json.Serialization;

namespace Datasette.Litestream.Locking;

/// <summary>Who holds, or last held, the lock of a database: what a message names and what a next start cleans up.</summary>
/// <param name="Holder">The Datasette process.</param>
/// <param name="Litestream">The Litestream that it started; null before it has.</param>
/// <param name="SocketFolder">The folder of that Litestream's control socket.</param>
internal sealed record LockRecord(ProcessIdentity Holder, ProcessIdentity? Litestream, string SocketFolder)
{
    /// <summary>Reads a record; null where there is none that can be read.</summary>
    public static LockRecord? Read(string path)
    {
        try
        {
            // A record that lacks a part was written by something else.
            var record = JsonSerializer.Deserialize(File.ReadAllBytes(path), LockRecordJson.Default.LockRecord);
            return record is { Holder: not null, SocketFolder: not null } ? record : null;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or JsonException)
        {
            return null;
        }
    }

    /// <summary>Writes the record so that a reader finds this one or the one before it, never half of one.</summary>
    public void Write(string path)
    {
        var draft = path + ".new";
        File.WriteAllBytes(draft, JsonSerializer.SerializeToUtf8Bytes(this, LockRecordJson.Default.LockRecord));
        File.Move(draft, path, overwrite: true);
    }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(LockRecord))]
internal sealed partial class LockRecordJson : JsonSerializerContext;
