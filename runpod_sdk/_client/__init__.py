"""The sync and async clients: endpoints, jobs, streams, bulk runs, and the shells that drive the flows."""
