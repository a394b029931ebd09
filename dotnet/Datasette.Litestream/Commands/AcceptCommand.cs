using System.Text.Json.Nodes;
using Datasette.Litestream.Admission;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Restoring;

namespace Datasette.Litestream.Commands;

/// <summary><c>datasette litestream accept</c>: says that a file that is held back is meant to be as it is.</summary>
internal sealed class AcceptCommand(CommandTools tools, CommandArguments arguments)
{
    /// <summary>Runs it.</summary>
    /// <returns>The exit status: 0 if every database is accepted, or need not be.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        var releaseLine = tools.RequireLitestream().Version.ReleaseLine!.Value;
        tools.TellProblems();
        if (arguments.Words.Count == 0)
        {
            throw new ReplicationException("Name the databases whose files are meant to be as they are.");
        }

        var rule = new FileRule(tools.Restorer, releaseLine, tools.Sqlite);
        var (results, failed) = (new JsonArray(), false);
        foreach (var database in tools.Databases)
        {
            string? why = null, error = null;
            try
            {
                why = await AcceptAsync(rule, database, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception ex) when (ex is ReplicationException or IOException or UnauthorizedAccessException)
            {
                (failed, error) = (true, ex.Message);
                tools.Terminal.Fail(ex.Message);
            }

            results.Add((JsonNode)new JsonObject { ["name"] = database.Name, ["accepted"] = why is not null, ["heldBack"] = why, ["error"] = error });
            if (!arguments.IsJson && error is null)
            {
                tools.Terminal.Write(why is null
                    ? $"{database.Name}: it is not held back, so there is nothing to accept."
                    : $"{database.Name}: accepted as it is, although {why}. A Datasette that runs replicates it within seconds, another one when it starts; what the backup had before can still be restored.");
            }
        }

        if (arguments.IsJson)
        {
            tools.Terminal.Write(results);
        }

        return failed ? 1 : 0;
    }

    /// <returns>Why it was held back; null if it is not.</returns>
    private async Task<string?> AcceptAsync(FileRule rule, DatabasePlan database, CancellationToken cancellationToken)
    {
        if (FileStatus.Look(database.Path).Status is not { } file)
        {
            throw new ReplicationException($"{database.Name}: there is no file {database.Path}.");
        }

        if (await rule.JudgeAsync(database, isOurs: false, cancellationToken).ConfigureAwait(false) is not Verdict.Held { Hold: var hold })
        {
            return null;
        }

        Directory.CreateDirectory(LitestreamFolder.Of(database.Path));
        MeantFile.Accepted(file, tools.Time.GetUtcNow(), "datasette litestream accept").Write(database.Path);
        return hold.Clause;
    }
}
