"""What is shown while something goes on in a notebook: one line for a wait, one bar for a bulk run.

Only in the kernel of a notebook that has imported IPython itself; nothing here imports it anew. A line is shown in the
main thread alone, since other threads' output lands in whatever cell runs then.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ._markup import cut, line_html, progress_html

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_sdk._values._states import JobState

LIVE_VARIABLE = "RUNPOD_SDK_LIVE"  # "off" shows no line while a wait lasts
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


class WaitLine:
    """One line about a job, for as long as it is waited for. A job that ends within the first look shows none."""

    def __init__(self) -> None:
        self._display = Display()

    def __call__(self, state: JobState) -> None:
        """Show what is new."""
        if state.is_final:
            return
        facts = [f"job {state.id}", str(state.status)]
        if state.queue_reason is not None:
            facts.append(str(state.queue_reason))
        if state.progress is not None:
            facts.append(cut(repr(state.progress)))
        text = " · ".join(facts)
        self._display.show(line_html(text), text)

    def close(self) -> None:
        """Take the line away: what came of the wait is what the cell shows then."""
        if self._display.is_shown:
            self._display.show("", "")


def wait_line() -> WaitLine | None:
    """Return a line for a wait that begins here; None where nobody would see one, or wants one."""
    is_wanted = os.environ.get(LIVE_VARIABLE, "").strip().lower() not in ("off", "0", "no", "false")
    is_main = threading.current_thread() is threading.main_thread()
    return WaitLine() if is_wanted and is_main and in_notebook() else None


class Bar:
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
