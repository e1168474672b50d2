"""One request and its answer over HTTP, for threads and for tasks: `_wire.py` sends, the others carry."""
