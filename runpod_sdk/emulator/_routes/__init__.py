"""What HTTP means: one row a route, from the path of a request to what it asks of a queue, and back. Pure."""
