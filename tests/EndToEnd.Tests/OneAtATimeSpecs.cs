using System.Reflection;

namespace Datasette.Litestream.EndToEnd;

/// <summary>Only the tests of faults run at the same time; the others measure times, and end what others may have started.</summary>
[TestClass]
[DoNotParallelize]
public sealed class OneAtATimeSpecs
{
    [TestMethod]
    public void Every_class_outside_of_the_faults_runs_alone() => Assert.IsEmpty(
        typeof(OneAtATimeSpecs).Assembly.GetTypes()
            .Where(type => type.GetCustomAttribute<TestClassAttribute>() is not null && type.Namespace == typeof(OneAtATimeSpecs).Namespace)
            .Where(type => type.GetCustomAttribute<DoNotParallelizeAttribute>() is null)
            .Select(type => type.Name));
}
