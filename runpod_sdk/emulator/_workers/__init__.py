"""Runs the jobs: callables in this process, worker files, and supervised commands."""
