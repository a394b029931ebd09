using System.Diagnostics.CodeAnalysis;
using Datasette.Litestream.Commands;
using Datasette.Litestream.Errors;

namespace Datasette.Litestream;

/// <summary>
/// One command of <c>datasette litestream</c>, for use by Python through Python.NET. It accepts JSON, writes to file descriptors, and
/// returns the exit status.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "It lives as long as its process.")]
public sealed class CommandLine
{
    private readonly CancellationTokenSource _stopping = new();

    /// <summary>Does what is asked for, and returns when it is done.</summary>
    /// <param name="request">As for <see cref="Bridge.Start"/>, of a Datasette that has the same options.</param>
    /// <param name="command">The command, such as <c>restore</c>.</param>
    /// <param name="arguments">Its arguments as JSON; see <see cref="CommandArguments"/>.</param>
    /// <returns>The exit status: 0 if all went well, 1 if not, 130 after <see cref="Cancel"/>.</returns>
    public int Run(string request, string command, string arguments)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(command);
        ArgumentNullException.ThrowIfNull(arguments);
        var parsed = CommandArguments.Parse(arguments);
        var terminal = new Terminal(parsed.Output, parsed.Error);
        try
        {
            return Task.Run(() => RunAsync(StartRequest.Parse(request), command, parsed, terminal)).GetAwaiter().GetResult();
        }
        catch (ReplicationException ex)
        {
            terminal.Fail(ex.Message);
            return 1;
        }
        catch (OperationCanceledException)
        {
            terminal.Fail("Interrupted. What was complete before stays, and nothing is half done.");
            return 130;
        }
    }

    /// <summary>Ends the command as soon as possible, and leaves nothing half done. Any thread may call it.</summary>
    public void Cancel() => _stopping.Cancel();

    private async Task<int> RunAsync(StartRequest request, string command, CommandArguments arguments, Terminal terminal)
    {
        var stop = _stopping.Token;
        var tools = await CommandSetup.MakeAsync(request, arguments, terminal, isLenient: command == "doctor", stop).ConfigureAwait(false);
        using var stores = tools.Stores;
        return command switch
        {
            "restore" => await new RestoringCommand(tools, arguments).RunAsync(stop).ConfigureAwait(false),
            "verify" => await new VerifyingCommand(tools, arguments).RunAsync(stop).ConfigureAwait(false),
            "accept" => await new AcceptCommand(tools, arguments).RunAsync(stop).ConfigureAwait(false),
            "status" => await new StatusCommand(tools, arguments).RunAsync(stop).ConfigureAwait(false),
            "doctor" => await new Doctor(tools, arguments).RunAsync(stop).ConfigureAwait(false),
            "config" => new ConfigurationCommand(tools, arguments).Run(),
            "litestream" => await new PassingCommand(tools, arguments).RunAsync(stop).ConfigureAwait(false),
            "points" => await new PointsCommand(tools, arguments).RunAsync(stop).ConfigureAwait(false),
            _ => throw new ArgumentException($"There is no command {command}.", nameof(command)),
        };
    }
}
