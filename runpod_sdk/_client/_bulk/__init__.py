"""Many jobs at once: `Map`, `AsyncMap` and `as_completed`."""
