using Datasette.Litestream.Configuration;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Litestream;

/// <summary>The real Litestream of a release line, as <c>scripts/setup</c> puts it on PATH.</summary>
internal static class RealLitestream
{
    /// <summary>Its binary; the test is skipped if there is none of that release line.</summary>
    /// <param name="minor">3 for 0.3, 5 for 0.5.</param>
    public static async Task<LitestreamBinary> RequireAsync(int minor)
    {
        var path = Programs.Require(minor == 3 ? Environment.GetEnvironmentVariable("LITESTREAM_03_BINARY") ?? "litestream-0.3.13" : "litestream");
        try
        {
            var environment = new Dictionary<string, string> { [LitestreamBinary.Variable] = path };
            var binary = await LitestreamBinary.FindAsync(null, null, environment, TimeProvider.System, Task.FromResult);
            return binary.Version.ReleaseLine == (minor == 3 ? ReleaseLine.V03 : ReleaseLine.V05)
                ? binary
                : throw Skip.Because($"{path} is not Litestream 0.{minor} but {binary.Version}");
        }
        catch (ReplicationException ex)
        {
            throw Skip.Because(ex.Message.TrimEnd('.'));
        }
    }
}
