using Datasette.Litestream.Configuration;

namespace Datasette.Litestream.Tests.Configuration;

[TestClass]
public sealed class SuggestionSpecs
{
    private static readonly string[] Known = ["replicas", "url", "credentials-refresh-interval", "keep"];

    [TestMethod]
    [DataRow("replica", "replicas")]
    [DataRow("replcias", "replicas")]
    [DataRow("REPLICAS", "replicas")]
    [DataRow("replicas", "replicas")]
    [DataRow("uri", "url")]
    [DataRow("kepe", "keep")]
    [DataRow("credential-refresh-intervall", "credentials-refresh-interval")]
    public void The_nearest_known_word_is_suggested(string written, string meant) =>
        Assert.AreEqual($"; did you mean \"{meant}\"?", Suggestion.For(written, Known));

    [TestMethod]
    [DataRow("")]
    [DataRow("use")]
    [DataRow("frobnicate")]
    public void A_word_that_is_like_none_gets_no_suggestion(string written) => Assert.AreEqual("", Suggestion.For(written, Known));

    [TestMethod]
    public void Where_nothing_is_known_nothing_is_suggested() => Assert.AreEqual("", Suggestion.For("replica", []));
}
