namespace Datasette.Litestream.EndToEnd;

/// <summary>What the plugin itself asks of S3, where each request is paid for.</summary>
[TestClass]
public sealed class S3CostSpecs
{
    private const string WritersFile = "/backup/.datasette-litestream-writers.json";

    [TestMethod]
    public async Task One_destination_costs_a_GET_every_ten_seconds()
    {
        using var workspace = new Workspace();
        using var server = await S3Server.StartAsync();
        var key = await server.CreateKeyAsync();
        await using var datasette = await server.ReplicateAsync(workspace, [workspace.Create("parks")], S3Key.Options, [.. key.Variables.Select(variable => (variable.Key, variable.Value))]);
        await datasette.WaitForDatabaseAsync("replicating");
        var atStart = await server.RequestsAsync();
        Tell("at the start", atStart);
        Assert.HasCount(
            1,
            atStart.Where(request => request.IsFromPlugin && !request.Address.StartsWith(WritersFile, StringComparison.Ordinal)).ToList(),
            $"it is listed once what is there already: {Tell("", atStart)}");
        Assert.IsTrue(atStart.Any(request => request is { IsFromPlugin: true, Method: "PUT" }), "the plugin says that it writes there");

        var idle = TimeSpan.FromSeconds(Scale.IsFull ? 300 : 25);
        await Task.Delay(idle);
        var meanwhile = await server.RequestsAsync();
        Tell($"in {idle.TotalSeconds} idle s", meanwhile);
        var own = meanwhile.Where(request => request.IsFromPlugin).ToList();
        Assert.IsTrue(own.All(request => request.Method == "GET" && request.Address.StartsWith(WritersFile, StringComparison.Ordinal)), Tell("", own));
        Assert.IsTrue(Math.Abs(own.Count - (idle.TotalSeconds / 10)) <= 1 + (idle.TotalSeconds / 100), $"{own.Count} requests in {idle.TotalSeconds} s");
    }

    private static string Tell(string when, IReadOnlyList<S3Request> requests)
    {
        var line = $"requests of S3 {when}: {string.Join(", ", requests.CountBy(request => $"{request.Method} of {(request.IsFromPlugin ? "the plugin" : "Litestream")}").Select(count => $"{count.Value} {count.Key}"))}";
        Figures.Record(line);
        return $"{line}\n{string.Join('\n', requests.Where(request => request.IsFromPlugin))}";
    }
}
