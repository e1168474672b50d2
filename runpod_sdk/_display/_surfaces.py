"""One line that is updated in place: in a notebook, in a terminal with rich, or as plain lines of text."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

from ._live import Display, in_notebook
from ._markup import line_html, progress_html

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType


@dataclass(frozen=True, slots=True)
class Caption:
    """What is shown.

    Attributes:
        title: what it is about.
        text: how far it is.
        done, total: the same as numbers, for a bar; `total` is None where nobody knows it.
    """

    title: str
    text: str
    done: int = 0
    total: int | None = None


class Surface(Protocol):
    """Shows one line."""

    def show(self, line: Caption) -> None:
        """Show a line instead of the one before, now or a moment later."""
        ...

    def close(self) -> None:
        """Show nothing more; may be called twice."""
        ...


def surface_of(now: Callable[[], float], *, every: float = 0.0, stays: bool) -> Surface:
    """Return what suits where we are.

    Args:
        now: tells the time, in seconds.
        every: between two drawings, seconds, where each costs something; 0 shows each line.
        stays: whether the last line is still there at the end.
    """
    if in_notebook():
        return NotebookSurface(now, every=every, stays=stays)
    if sys.stderr.isatty() and not _is_dumb() and find_spec("rich") is not None:
        return TerminalSurface(now, stays=stays)
    return TextSurface(now, every=every)


def _is_dumb() -> bool:
    return os.environ.get("TERM", "").lower() in ("dumb", "unknown")


class _Throttle:
    """Lets a line through now and then, and knows the last one."""

    def __init__(self, now: Callable[[], float], every: float) -> None:
        self._now = now
        self._every = every
        self._next = now() + every
        self._waiting: Caption | None = None
        self._last: Caption | None = None

    def pass_on(self, line: Caption) -> Caption | None:
        """Return the line if it is new and its time has come."""
        self._waiting = None if line == self._last else line
        return self.rest() if self._now() >= self._next else None

    def rest(self) -> Caption | None:
        """Return the line that was held back, if there is one."""
        line, self._waiting = self._waiting, None
        if line is not None:
            self._last = line
            self._next = self._now() + self._every
        return line


class TextSurface:
    """Lines of text on standard error, each with the seconds since the beginning."""

    def __init__(self, now: Callable[[], float], *, every: float) -> None:
        self._now = now
        self._began = now()
        self._throttle = _Throttle(now, every)

    def show(self, line: Caption) -> None:
        """Write the line, if it is new."""
        self._write(self._throttle.pass_on(line))

    def close(self) -> None:
        """Write what has not been written yet."""
        self._write(self._throttle.rest())

    def _write(self, line: Caption | None) -> None:
        if line is not None:
            sys.stderr.write(f"{line.title}  {self._now() - self._began:5.0f} s  {line.text}\n")
            sys.stderr.flush()


class NotebookSurface:
    """A place in the output of the cell that runs."""

    def __init__(self, now: Callable[[], float], *, every: float, stays: bool) -> None:
        self._throttle = _Throttle(now, every)
        self._stays = stays
        self._display = Display()

    def show(self, line: Caption) -> None:
        """Draw the line, if it is new."""
        self._draw(self._throttle.pass_on(line))

    def close(self) -> None:
        """Draw the last line, or take it away: what came of it is what the cell shows then."""
        if self._stays:
            self._draw(self._throttle.rest())
        elif self._display.is_shown:
            self._display.show("", "")

    def _draw(self, line: Caption | None) -> None:
        if line is not None:
            text = f"{line.title} · {line.text}"
            html = line_html(text) if line.total is None else progress_html(text, line.done, line.total)
            self._display.show(html, text)


class TerminalSurface:
    """A line with a bar or a spinner, drawn again and again by a thread of rich's own."""

    def __init__(self, now: Callable[[], float], *, stays: bool) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.spinner import Spinner

        self._now = now
        self._began = now()
        self._line: Caption | None = None
        self._spinner = Spinner("dots")
        console = Console(stderr=True, highlight=False)
        self._live = Live(console=console, get_renderable=self._drawn, refresh_per_second=8, transient=not stays)

    def show(self, line: Caption) -> None:
        """Remember the line for the next time that one is drawn."""
        if self._line is None:
            self._line = line
            self._live.start()
        self._line = line

    def close(self) -> None:
        """Draw for the last time."""
        self._live.stop()

    def _drawn(self) -> RenderableType:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        if self._line is None:
            return ""
        cells = Table.grid(padding=(0, 1))
        for _ in range(3):
            cells.add_column(no_wrap=True)
        cells.add_column(no_wrap=True, overflow="ellipsis")
        total = self._line.total
        begin = self._spinner if total is None else ProgressBar(max(total, 1), self._line.done, width=30)
        seconds = f"{self._now() - self._began:.0f} s"
        # Text, as what is shown may hold what rich would take for markup.
        cells.add_row(begin, Text(self._line.title, style="dim"), Text(seconds), Text(self._line.text))
        return cells
