// Many tests wait most of the time, for a process or a clock. Those that measure or change the whole process run after the others, alone:
// [DoNotParallelize].
[assembly: Parallelize(Workers = 4, Scope = ExecutionScope.ClassLevel)]
