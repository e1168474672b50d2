"""What runs in a worker process: the user's file, and the official worker's loop around its handler.

It is started by its path and imports nothing but the standard library, so that a worker is ready in a tenth of a second
and finds its modules as it would in production. What it says and hears goes over one socket, in frames (`_wire.py`);
who is on the other side is decided in `_place.py`, outside of this folder.
"""
