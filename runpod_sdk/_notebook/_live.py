"""What is shown while something goes on in a notebook: one line for a wait, one bar for a bulk run.

Only in the kernel of a notebook that has imported IPython itself; nothing here imports it anew. A line is shown in the
main thread alone, since other threads' output lands in whatever cell runs then.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ._markup import progress_html

if TYPE_CHECKING:
    from collections.abc import Callable

# Between two drawings of a bar, seconds.
DRAW_EVERY = 0.5


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


class NotebookBar:
    """How far a bulk run is; its last state stays."""

    def __init__(self, title: str, total: int | None, now: Callable[[], float]) -> None:
        self._title = title
        self._total = total
        self._now = now
        self._next = now()
        self._done = self._failed = 0
        self._drawn: tuple[int, int] | None = None
        self._display = Display()

    def update(self, done: int, failed: int) -> None:
        """Draw the bar, if it is time to."""
        self._done, self._failed = done, failed
        if self._now() >= self._next:
            self._draw()

    def close(self) -> None:
        """Draw the last state."""
        self._draw()

    def _draw(self) -> None:
        state = self._done, self._failed
        if state != self._drawn:
            html = progress_html(self._title, self._done, self._total, self._failed)
            self._display.show(html, f"{self._title}: {self._done} done, {self._failed} failed")
        self._drawn = state
        self._next = self._now() + DRAW_EVERY
