"""`runpod.version`."""

from __future__ import annotations

__version__ = "1.12.0"


def get_version() -> str:
    """Return the version that the stand-in is of."""
    return __version__
