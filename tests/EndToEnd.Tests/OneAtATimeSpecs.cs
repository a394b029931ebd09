using System.Reflection;

namespace Datasette.Litestream.EndToEnd;

/// <summary>
/// Only the tests of faults, and others that wait most of the time, run at the same time; the rest measure times, and end what others
/// may have started.
/// </summary>
[TestClass]
[DoNotParallelize]
public sealed class OneAtATimeSpecs
{
    private static readonly Type[] Waiting = [typeof(FileNameSpecs), typeof(NotificationSpecs), typeof(RefusedDestinationSpecs)];

    [TestMethod]
    public void Every_other_class_runs_alone() => Assert.IsEmpty(
        typeof(OneAtATimeSpecs).Assembly.GetTypes()
            .Where(type => type.GetCustomAttribute<TestClassAttribute>() is not null && type.Namespace == typeof(OneAtATimeSpecs).Namespace)
            .Where(type => type.GetCustomAttribute<DoNotParallelizeAttribute>() is null && !Waiting.Contains(type))
            .Select(type => type.Name));
}
