// The tests run one at a time, since they measure times, and each runs several programs.
[assembly: DoNotParallelize]
