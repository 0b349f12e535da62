"""One module per command. Each has a `run` that does the work and returns the exit code."""
