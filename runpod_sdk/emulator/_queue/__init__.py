"""One endpoint as pure code: jobs, workers, and the effect of each request. No clock, I/O or threads."""
