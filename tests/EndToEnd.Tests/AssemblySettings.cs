// Most tests run one at a time, since they measure times, and each runs several programs: [DoNotParallelize]. Those of the faults
// mostly wait.
[assembly: Parallelize(Workers = 6, Scope = ExecutionScope.MethodLevel)]
