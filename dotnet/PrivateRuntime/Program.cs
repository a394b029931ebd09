// Only a program can be published with a runtime of its own; this one is never run.
return;
