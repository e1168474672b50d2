"""How far a bulk run is: a bar in a notebook or in a terminal that has rich, otherwise lines, one a second at most."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

# Between two lines, seconds.
LINE_EVERY = 1.0


class Progress(Protocol):
    """Shows how far a run is."""

    def update(self, done: int, failed: int) -> None:
        """Show that so many inputs are done, and so many of those without success."""
        ...

    def close(self) -> None:
        """Show the last state, and nothing more; may be called twice."""
        ...


def progress_of(title: str, total: int | None, now: Callable[[], float]) -> Progress:
    """Return what suits where we are; `now` tells the time in seconds."""
    if "IPython" in sys.modules:
        from runpod_sdk._notebook._live import NotebookBar, in_notebook

        if in_notebook():
            return NotebookBar(title, total, now)
    if sys.stderr.isatty() and find_spec("rich") is not None:
        return TerminalBar(title, total)
    return Lines(title, total, now)


class Lines:
    """Lines of text, for logs and pipes."""

    def __init__(self, title: str, total: int | None, now: Callable[[], float]) -> None:
        self._title = title
        self._of = "" if total is None else f"/{total}"
        self._now = now
        self._next = now() + LINE_EVERY
        self._line = ""

    def update(self, done: int, failed: int) -> None:
        """Write a line, if it is time for one."""
        self._line = f"{self._title}: {done}{self._of} done, {failed} failed\n"
        if self._now() >= self._next:
            self._write()

    def close(self) -> None:
        """Write what has not been written yet."""
        self._write()

    def _write(self) -> None:
        if self._line:
            sys.stderr.write(self._line)
            sys.stderr.flush()
        self._line = ""
        self._next = self._now() + LINE_EVERY


class TerminalBar:
    """A bar of rich, drawn by a thread of rich's own."""

    def __init__(self, title: str, total: int | None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._progress: RichProgress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[failed]} failed"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
        )
        self._task: TaskID = self._progress.add_task(title, total=total, failed=0)
        self._progress.start()

    def update(self, done: int, failed: int) -> None:
        """Move the bar."""
        self._progress.update(self._task, completed=done, failed=failed)

    def close(self) -> None:
        """Draw the bar for the last time."""
        self._progress.stop()
