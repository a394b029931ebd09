// Most tests wait most of the time. Those that measure times, or change the machine for a while, run after the others, alone:
// [DoNotParallelize].
[assembly: Parallelize(Workers = 5, Scope = ExecutionScope.MethodLevel)]
