// Only a program can be published with its own runtime; this one is never run.
return;
