"""A cell output in a notebook that can be updated in place.

Only in the kernel of a notebook that has imported IPython itself; nothing here imports it anew.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any


def in_notebook() -> bool:
    """Whether this is the kernel of a notebook, or the like of it: something that shows HTML and can change it."""
    ipython: Any = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return hasattr(shell, "kernel")


class Display:
    """A place in the output of the cell that runs, whose content can be changed."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, html: str, text: str) -> None:
        """Show this instead of what was shown before. What cannot be shown is not: no work fails for it."""
        bundle = {"text/html": html, "text/plain": text}
        with suppress(Exception):
            if self._handle is None:
                self._handle = sys.modules["IPython"].display.display(bundle, raw=True, display_id=True)
            else:
                self._handle.update(bundle, raw=True)

    @property
    def is_shown(self) -> bool:
        """Whether there is anything."""
        return self._handle is not None
