using System.Buffers;
using System.Text.Json;
using Datasette.Litestream.Processes;

namespace Datasette.Litestream.Locking;

/// <summary>
/// Who holds, or last held, the lock of a database: what a message names and what a next start cleans up. JSON, read and
/// written by hand: it is written at every start, where a serializer would take longer to get ready than all of it takes.
/// </summary>
/// <param name="Holder">The Datasette process.</param>
/// <param name="Litestream">The Litestream that it started; null where it ended at once.</param>
/// <param name="SocketFolder">The folder of that Litestream's control socket.</param>
internal sealed record LockRecord(ProcessIdentity Holder, ProcessIdentity? Litestream, string SocketFolder)
{
    /// <summary>Reads a record; null where there is none that can be read.</summary>
    public static LockRecord? Read(string path)
    {
        // An exception, the first of a process at that, takes a while, and a first start has no record.
        if (!File.Exists(path))
        {
            return null;
        }

        try
        {
            var record = JsonElement.Parse(File.ReadAllBytes(path));
            var litestream = record.GetProperty("litestream");
            return new LockRecord(
                ReadProcess(record.GetProperty("holder")),
                litestream.ValueKind == JsonValueKind.Null ? null : ReadProcess(litestream),
                ReadText(record, "socketFolder"));
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException || IsSomethingElse(ex))
        {
            return null;
        }
    }

    /// <summary>Writes a record so that a reader finds this one or the one before it, never half of one.</summary>
    /// <param name="path">Where.</param>
    /// <param name="json">What <see cref="ToJson"/> gives.</param>
    public static void Write(string path, byte[] json)
    {
        var draft = path + ".new";
        File.WriteAllBytes(draft, json);
        File.Move(draft, path, overwrite: true);
    }

    /// <summary>The record as UTF-8, the same for each of a thousand databases.</summary>
    public byte[] ToJson()
    {
        var json = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(json))
        {
            writer.WriteStartObject();
            WriteProcess(writer, "holder", Holder);
            WriteProcess(writer, "litestream", Litestream);
            writer.WriteString("socketFolder", SocketFolder);
            writer.WriteEndObject();
        }

        return json.WrittenSpan.ToArray();
    }

    private static ProcessIdentity ReadProcess(JsonElement process) => new(
        process.GetProperty("processId").GetInt32(),
        process.GetProperty("startTime").GetInt64(),
        ReadText(process, "boot"),
        ReadText(process, "namespace"));

    private static string ReadText(JsonElement json, string name) =>
        json.GetProperty(name).GetString() ?? throw new FormatException($"{name} is null");

    private static void WriteProcess(Utf8JsonWriter json, string name, ProcessIdentity? process)
    {
        if (process is null)
        {
            json.WriteNull(name);
            return;
        }

        json.WriteStartObject(name);
        json.WriteNumber("processId", process.ProcessId);
        json.WriteNumber("startTime", process.StartTime);
        json.WriteString("boot", process.Boot);
        json.WriteString("namespace", process.Namespace);
        json.WriteEndObject();
    }

    // What JsonElement throws where the text is no JSON, lacks a part, or has another kind of value in its place.
    private static bool IsSomethingElse(Exception error) =>
        error is JsonException or KeyNotFoundException or InvalidOperationException or FormatException;
}
