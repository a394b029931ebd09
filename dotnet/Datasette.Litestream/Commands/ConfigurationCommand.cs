using System.Text.Json.Nodes;
using Datasette.Litestream.Litestream;

namespace Datasette.Litestream.Commands;

/// <summary><c>datasette litestream config</c>: the litestream.yml that Litestream would get, without secrets.</summary>
internal sealed class ConfigurationCommand(CommandTools tools, CommandArguments arguments)
{
    /// <summary>Runs it.</summary>
    /// <returns>The exit status: 1 if Datasette would not start with this configuration.</returns>
    public int Run()
    {
        var litestream = tools.RequireLitestream();
        tools.TellProblems();
        var plan = tools.Plan with { Databases = [.. tools.Databases] };
        var document = LitestreamConfiguration.Create(plan, litestream.Version.ReleaseLine!.Value, "");

        // Its path is another one at each start.
        document.Remove("socket");
        if (arguments.IsJson)
        {
            var shown = document.DeepClone().AsObject();
            LitestreamConfiguration.HideSecrets(shown, tools.Redactor);
            tools.Terminal.Write((JsonNode)shown);
        }
        else
        {
            tools.Terminal.Write(LitestreamConfiguration.Show(document, plan.Databases.Select(database => database.Path).ToHashSet(StringComparer.Ordinal), tools.Redactor).TrimEnd());
        }

        return tools.Problems.Count == 0 ? 0 : 1;
    }
}
