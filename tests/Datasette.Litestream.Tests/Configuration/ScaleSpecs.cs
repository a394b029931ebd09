using System.Text.Json;
using Datasette.Litestream.Configuration;

namespace Datasette.Litestream.Tests.Configuration;

[TestClass]
public sealed class ScaleSpecs
{
    // Unlike time, memory is the same on every machine. An algorithm that is quadratic in the databases needs a hundred times
    // more.
    [TestMethod]
    public void Ten_times_the_databases_take_about_ten_times_the_work()
    {
        Assert.IsLessThan(15 * PlanAndMeasure(100), PlanAndMeasure(1_000));

        static long PlanAndMeasure(int count)
        {
            var names = Enumerable.Range(0, count).Select(i => $"db{i}").ToList();
            var configuration = new DatasetteConfiguration(
                "/srv",
                JsonElement.Parse("""{"all-replicate": "s3://maps/$DB_NAME"}"""),
                names.ToDictionary(name => name, name => JsonElement.Parse("""{"monitor-interval": 5}""")),
                [.. names.Select(Plans.Attached)]);

            // A first run, for allocations that happen once.
            Plan();
            var before = GC.GetAllocatedBytesForCurrentThread();
            Plan();
            return GC.GetAllocatedBytesForCurrentThread() - before;

            void Plan()
            {
                var planned = Plans.Of(configuration);
                Assert.HasCount(count, planned.Sound.Databases);
                planned.Check(Planned.V05);
                planned.AssertProblems();
                Assert.Contains($"s3://maps/db{count - 1}\"", planned.Yaml(ReleaseLine.V05));
            }
        }
    }
}
