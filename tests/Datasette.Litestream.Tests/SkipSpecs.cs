using System.Reflection;
using System.Text.RegularExpressions;

namespace Datasette.Litestream.Tests;

/// <summary>A release must not count a test with a missing part as passed.</summary>
[TestClass]
[DoNotParallelize]
public sealed partial class SkipSpecs
{
    [TestMethod]
    public void A_missing_part_skips_a_test_and_fails_it_where_every_part_is_required()
    {
        Assert.AreEqual("skipped: there is no moon", Assert.IsInstanceOfType<AssertInconclusiveException>(Skip.Because("there is no moon", false)).Message);
        Assert.AreEqual(
            "REQUIRE_EVERY_PART is set, and there is no moon", Assert.IsInstanceOfType<AssertFailedException>(Skip.Because("there is no moon", true)).Message);
    }

    [TestMethod]
    public void The_switch_is_read_from_the_environment()
    {
        var before = Environment.GetEnvironmentVariable(Skip.Switch);
        try
        {
            foreach (var (value, kind) in new[] { ("1", typeof(AssertFailedException)), ("0", typeof(AssertInconclusiveException)), (null, typeof(AssertInconclusiveException)) })
            {
                Environment.SetEnvironmentVariable(Skip.Switch, value);
                Assert.AreEqual(kind, Skip.Because("").GetType(), value);
            }
        }
        finally
        {
            Environment.SetEnvironmentVariable(Skip.Switch, before);
        }
    }

    public static string RepositoryRoot =>
        typeof(SkipSpecs).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(attribute => attribute.Key == "RepositoryRoot").Value!;

    [TestMethod]
    public void Nothing_else_skips_a_test()
    {
        var root = RepositoryRoot;
        var sources = Directory.EnumerateFiles(Path.Combine(root, "tests"), "*.cs", SearchOption.AllDirectories)
            .Where(file => !Built().IsMatch(file)).ToDictionary(file => Path.GetRelativePath(root, file), File.ReadAllText);
        CollectionAssert.AreEqual(
            new[] { "tests/Datasette.Litestream.Tests/SkipSpecs.cs", "tests/Skip.cs" },
            sources.Where(source => Skipping().IsMatch(source.Value)).Select(source => source.Key).Order(StringComparer.Ordinal).ToArray());
        Assert.IsNotEmpty(sources.Where(source => source.Value.Contains("throw Skip.Because(", StringComparison.Ordinal)));
    }

    [GeneratedRegex("/(bin|obj)/")]
    private static partial Regex Built();

    [GeneratedRegex(@"Assert\.Inconclusive|AssertInconclusive|\[(Ignore|OSCondition|CICondition|ArchitectureCondition)\b")]
    private static partial Regex Skipping();
}
