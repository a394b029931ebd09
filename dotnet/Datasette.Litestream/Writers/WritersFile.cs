using System.Buffers;
using System.Collections.Immutable;
using System.Text.Encodings.Web;
using System.Text.Json;
using Datasette.Litestream.Processes;

namespace Datasette.Litestream.Writers;

/// <summary>
/// The content of the file that tells which Datasettes write to the destinations of one place. The JSON is read and written by
/// hand, as a lock's record is: it is there at every start.
/// </summary>
/// <param name="Writers">Each once.</param>
internal sealed record WritersFile(ImmutableArray<WriterRecord> Writers)
{
    /// <summary>The file's name. No Litestream reads it: it reads <c>ltx</c>, <c>generations</c> and the levels of its own files.</summary>
    public const string Name = ".datasette-litestream-writers.json";

    /// <summary>How long it is kept in mind that something was taken from a Datasette that never came back.</summary>
    private static readonly TimeSpan MemoryTime = TimeSpan.FromDays(7);

    private static readonly JsonWriterOptions ForPeople = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Nobody writes.</summary>
    public static WritersFile Empty { get; } = new([]);

    /// <summary>Reads a file.</summary>
    /// <exception cref="FormatException">It is not such a file.</exception>
    public static WritersFile Parse(ReadOnlyMemory<byte> json)
    {
        try
        {
            return new WritersFile([.. JsonElement.Parse(json.Span).GetProperty("writers").EnumerateArray().Select(ReadWriter)]);
        }
        catch (Exception ex) when (ex is JsonException or KeyNotFoundException or InvalidOperationException or ArgumentException)
        {
            throw new FormatException(ex.Message, ex);
        }
    }

    /// <summary>The record of a Datasette; null if it has none.</summary>
    public WriterRecord? Find(WriterIdentity identity) => Writers.FirstOrDefault(writer => writer.Identity.Id == identity.Id);

    /// <summary>Another Datasette that holds a prefix; null if none does.</summary>
    public WriterRecord? FindHolder(string prefix, WriterIdentity except) =>
        Writers.LastOrDefault(writer => writer.Holds.ContainsKey(prefix) && writer.Identity.Id != except.Id);

    /// <summary>Another Datasette that asks for a prefix; null if none does.</summary>
    public WriterRecord? FindAsker(string prefix, WriterIdentity except) =>
        Writers.LastOrDefault(writer => writer.Asks.Contains(prefix) && writer.Identity.Id != except.Id);

    /// <summary>It, with the record of a Datasette in place of its last one; a record that says nothing is left out.</summary>
    public WritersFile With(WriterRecord record)
    {
        var index = Writers.IndexOf(Find(record.Identity)!);
        return new(index < 0 ? record.IsEmpty ? Writers : Writers.Add(record)
            : record.IsEmpty ? Writers.RemoveAt(index)
            : Writers.SetItem(index, record));
    }

    /// <summary>It, without a Datasette.</summary>
    public WritersFile Without(WriterIdentity identity) => new(Writers.RemoveAll(writer => writer.Identity.Id == identity.Id));

    /// <summary>
    /// It, with a prefix in the hands of one Datasette. Who else asks for it, and still lives, will ask again; who does not live
    /// would otherwise be yielded to.
    /// </summary>
    /// <param name="prefix">The prefix.</param>
    /// <param name="taker">Who takes it.</param>
    /// <param name="path">The file of the database that is written there.</param>
    /// <param name="now">The time.</param>
    public WritersFile Take(string prefix, WriterIdentity taker, string path, DateTimeOffset now)
    {
        var changed = this;
        foreach (var writer in Writers)
        {
            var taken = writer.Holds.ContainsKey(prefix) && writer.Identity.Id != taker.Id
                ? writer.Taken.SetItem(prefix, new TakeOver($"{taker}", now))
                : writer.Taken;
            changed = changed.With(writer with
            {
                Holds = writer.Holds.Remove(prefix),
                Asks = writer.Asks.Remove(prefix),
                Taken = taken.RemoveRange(taken.Where(one => now - one.Value.At > MemoryTime).Select(one => one.Key)),
            });
        }

        var own = changed.Find(taker) ?? new WriterRecord(taker);
        return changed.With(own with { Holds = own.Holds.SetItem(prefix, path), Taken = own.Taken.Remove(prefix) });
    }

    /// <summary>The file as UTF-8.</summary>
    public byte[] ToJson()
    {
        var json = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(json, ForPeople))
        {
            writer.WriteStartObject();
            writer.WriteString("about", "The Datasettes that write the backups here, so that no two write to one. Each takes itself out at its end.");
            writer.WriteStartArray("writers");
            foreach (var record in Writers)
            {
                Write(writer, record);
            }

            writer.WriteEndArray();
            writer.WriteEndObject();
        }

        return json.WrittenSpan.ToArray();
    }

    private static void Write(Utf8JsonWriter writer, WriterRecord record)
    {
        writer.WriteStartObject();
        writer.WriteString("id", record.Identity.Id);
        writer.WriteString("host", record.Identity.Host);
        record.Identity.Process.Write(writer, "process");
        writer.WriteString("startedAt", record.Identity.StartedAt);
        writer.WriteNumber("answers", record.Answers);
        writer.WriteStartObject("writesTo");
        foreach (var (prefix, path) in record.Holds)
        {
            writer.WriteString(prefix, path);
        }

        writer.WriteEndObject();
        writer.WriteStartArray("asksFor");
        foreach (var prefix in record.Asks)
        {
            writer.WriteStringValue(prefix);
        }

        writer.WriteEndArray();
        writer.WriteStartObject("takenFromIt");
        foreach (var (prefix, taken) in record.Taken)
        {
            writer.WriteStartObject(prefix);
            writer.WriteString("by", taken.By);
            writer.WriteString("at", taken.At);
            writer.WriteEndObject();
        }

        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    private static WriterRecord ReadWriter(JsonElement json) => new(
        new WriterIdentity(
            json.GetProperty("id").GetGuid(),
            json.GetProperty("host").GetString() ?? "",
            ProcessIdentity.Read(json.GetProperty("process")),
            json.GetProperty("startedAt").GetDateTimeOffset()),
        json.GetProperty("answers").GetInt64(),
        json.GetProperty("writesTo").EnumerateObject()
            .ToImmutableSortedDictionary(one => one.Name, one => one.Value.GetString() ?? "", StringComparer.Ordinal),
        json.GetProperty("asksFor").EnumerateArray().Select(prefix => prefix.GetString() ?? "").ToImmutableSortedSet(StringComparer.Ordinal),
        json.GetProperty("takenFromIt").EnumerateObject().ToImmutableSortedDictionary(
            one => one.Name,
            one => new TakeOver(one.Value.GetProperty("by").GetString() ?? "", one.Value.GetProperty("at").GetDateTimeOffset()),
            StringComparer.Ordinal));
}
