"""Who runs the jobs: callables in this process, handler files as they are, and commands under supervision."""
