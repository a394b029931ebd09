using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace Datasette.Litestream;

/// <summary>
/// The assembly's door: the functions that Python finds by name through the runtime's own hosting interface, and calls as
/// those of any C library. Everything else is in <see cref="Bridge"/>.
/// </summary>
public static class EntryPoint
{
    /// <summary>The call went well, and the answer is its result.</summary>
    private const int Success = 0;

    /// <summary>The answer is a message for the user.</summary>
    private const int Refused = 1;

    /// <summary>The answer is a stack trace: a defect.</summary>
    private const int Failed = 2;

    // No object crosses the border: Python holds numbers.
    private static readonly ConcurrentDictionary<int, Bridge> Bridges = new();
    private static int _last;

    /// <summary>
    /// Carries out one call. <c>["Start", request]</c> gives the new bridge's number, a line feed, and its warnings;
    /// <c>["Status", number, query]</c>, <c>["StatusText", number, query]</c>, <c>["DatabaseState", number, name]</c>,
    /// <c>["Health", number]</c>, <c>["Metrics", number]</c> and <c>["Stop", number]</c> give what the methods of
    /// <see cref="Bridge"/> give.
    /// </summary>
    /// <param name="call">A JSON array of strings, in UTF-8.</param>
    /// <param name="size">Its length in bytes.</param>
    /// <param name="answer">Where the answer's address goes. It is UTF-8, and the caller's until <see cref="Free"/>.</param>
    /// <param name="answerSize">Where its length in bytes goes.</param>
    /// <returns>0: the answer is the result. 1: it is a message for the user. 2: it is a stack trace.</returns>
    [UnmanagedCallersOnly]
    public static unsafe int Call(byte* call, nint size, byte** answer, nint* answerSize)
    {
        var (code, text) = Dispatch(new ReadOnlySpan<byte>(call, checked((int)size)));
        var length = Encoding.UTF8.GetByteCount(text);
        *answer = (byte*)NativeMemory.Alloc((nuint)length);
        *answerSize = length;
        Encoding.UTF8.GetBytes(text, new Span<byte>(*answer, length));
        return code;
    }

    /// <summary>Takes an answer back.</summary>
    [UnmanagedCallersOnly]
    public static unsafe void Free(byte* answer) => NativeMemory.Free(answer);

    private static (int Code, string Text) Dispatch(ReadOnlySpan<byte> json)
    {
        try
        {
            string[] call = [.. JsonElement.Parse(json).EnumerateArray().Select(part => part.GetString()!)];
            return (Success, call[0] == nameof(Bridge.Start) ? Start(call[1]) : Ask(call[0], int.Parse(call[1], CultureInfo.InvariantCulture), call.AsSpan(2)));
        }
        catch (ReplicationException fault)
        {
            return (Refused, fault.Message);
        }
        catch (Exception fault)
        {
            return (Failed, fault.ToString());
        }
    }

    private static string Start(string request)
    {
        var bridge = new Bridge();
        var warnings = bridge.Start(request);
        var number = Interlocked.Increment(ref _last);
        Bridges[number] = bridge;
        return string.Create(CultureInfo.InvariantCulture, $"{number}\n{warnings}");
    }

    private static string Ask(string method, int number, ReadOnlySpan<string> arguments)
    {
        var bridge = Bridges[number];
        switch (method)
        {
            case nameof(Bridge.Status):
                return bridge.Status(arguments[0]);
            case nameof(Bridge.StatusText):
                return bridge.StatusText(arguments[0]);
            case nameof(Bridge.DatabaseState):
                return bridge.DatabaseState(arguments[0]);
            case nameof(Bridge.Health):
                return bridge.Health();
            case nameof(Bridge.Metrics):
                return bridge.Metrics();
            case nameof(Bridge.Stop):
                var fault = bridge.Stop();
                Bridges.TryRemove(number, out _);
                return fault;
            default:
                throw new ArgumentException($"There is no {method}.", nameof(method));
        }
    }
}
