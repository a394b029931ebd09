// One at a time: the tests measure, and each runs several programs of its own.
[assembly: DoNotParallelize]
