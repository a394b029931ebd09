namespace Datasette.Litestream.EndToEnd;

/// <summary>A plugin that brings API tokens, which Datasette 0.65 does not have itself.</summary>
internal static class TokenPlugin
{
    private const string Source = """
        from datasette import hookimpl

        @hookimpl
        def actor_from_request(request):
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            return {"id": token.removeprefix("token-of-")} if token.startswith("token-of-") else None
        """;

    /// <summary>Puts it into the folder of plugins, which must be there.</summary>
    public static void Write(Workspace workspace) => workspace.Write("plugins/tokens.py", Source);

    /// <summary>Sends a request as an actor.</summary>
    public static void SignIn(HttpRequestMessage request, string actor) => request.Headers.Add("Authorization", $"Bearer token-of-{actor}");
}
