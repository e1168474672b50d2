"""One HTTP request and its answer, sync and async: `_wire.py` sends, the rest are connections."""
