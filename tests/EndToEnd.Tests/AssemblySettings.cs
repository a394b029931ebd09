// Most tests wait most of the time; mixed (testconfig.json), those that start much and those that wait are beside each other. Those that
// measure times, or change the machine for a while, run after the others, alone: [DoNotParallelize].
[assembly: Parallelize(Workers = 5, Scope = ExecutionScope.MethodLevel)]
