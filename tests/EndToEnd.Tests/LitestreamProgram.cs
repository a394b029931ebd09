using CliWrap;
using CliWrap.Buffered;

namespace Datasette.Litestream.EndToEnd;

/// <summary>Litestream's command line, as used for a restore.</summary>
internal static class LitestreamProgram
{
    /// <summary>Restores a replica.</summary>
    /// <param name="litestream">The binary.</param>
    /// <param name="source">A URL, or several arguments such as <c>-config FILE DATABASE</c>.</param>
    /// <param name="environment">Credentials, for S3.</param>
    /// <returns>The dump of the restored database.</returns>
    public static async Task<string> RestoreAsync(
        string litestream, string[] source, IReadOnlyDictionary<string, string?>? environment = null)
    {
        var folder = Directory.CreateTempSubdirectory("datasette-litestream-restore-").FullName;
        try
        {
            var output = Path.Combine(folder, "restored.db");
            var result = await Cli.Wrap(litestream)
                .WithArguments(["restore", "-o", output, .. source])
                .WithEnvironmentVariables(environment ?? new Dictionary<string, string?>())
                .WithValidation(CommandResultValidation.None)
                .ExecuteBufferedAsync();
            Assert.AreEqual(0, result.ExitCode, result.StandardError);
            using var restored = new DatabaseConnection(output);
            return restored.Dump();
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
