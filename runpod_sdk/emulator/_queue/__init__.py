"""One endpoint as pure code: its jobs and workers, and what each request does to them. No clock, no I/O, no threads."""
