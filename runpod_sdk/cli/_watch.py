"""What standard error shows while a job is waited for: a live line, plain lines, or nothing where nobody looks."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol, Self

from ._shown import one_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from rich.console import Console
    from rich.table import Table

    from runpod_sdk import JobState

# Longest progress that is shown, and as much of an id as tells jobs apart; characters.
_SHOWN, _ID_SHOWN = 60, 8


class Watch(Protocol):
    """Shows a job while it is waited for."""

    def update(self, state: JobState) -> None:
        """Show a new state."""
        ...


def watching(job_id: str, now: Callable[[], float]) -> AbstractContextManager[Watch]:
    """Return what suits standard error; `now` tells the time in seconds."""
    if not sys.stderr.isatty():
        return _Silent()
    job_id = job_id.removeprefix("sync-")[:_ID_SHOWN]
    if find_spec("rich") is not None:
        from rich.console import Console  # noqa: PLC0415  an extra

        console = Console(stderr=True, highlight=False)
        if not console.is_dumb_terminal:
            return _Live(console, job_id, now)
    return _Lines(job_id, now)


def words_of(state: JobState) -> str:
    """Return status, and progress or why it waits in the queue, in one line."""
    if state.queue_reason is not None:
        return f"{state.status}  {state.queue_reason}"
    if state.progress is None:
        return str(state.status)
    text = state.progress if isinstance(state.progress, str) else json.dumps(state.progress, ensure_ascii=False)
    text = one_line(text)
    return f"{state.status}  {text if len(text) <= _SHOWN else text[:_SHOWN] + '…'}"


class _Silent:
    """For logs and pipes."""

    def update(self, state: JobState) -> None:
        """Show nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Do nothing."""


class _Lines(_Silent):
    """A line for each thing that is new."""

    def __init__(self, job_id: str, now: Callable[[], float]) -> None:
        self._job_id = job_id
        self._now = now
        self._began = now()
        self._last = ""

    def update(self, state: JobState) -> None:
        """Write a line."""
        words = words_of(state)
        if words != self._last:
            self._last = words
            print(f"{self._job_id}  {self._now() - self._began:5.0f} s  {words}", file=sys.stderr, flush=True)


class _Live(_Silent):
    """One line that is drawn again and again by a thread of rich's own, and wiped away at the end."""

    def __init__(self, console: Console, job_id: str, now: Callable[[], float]) -> None:
        from rich.live import Live  # noqa: PLC0415  an extra
        from rich.spinner import Spinner  # noqa: PLC0415

        self._job_id = job_id
        self._now = now
        self._began = now()
        self._words = ""
        self._spinner = Spinner("dots")
        self._live = Live(console=console, get_renderable=self._line, refresh_per_second=8, transient=True)

    def update(self, state: JobState) -> None:
        """Remember it for the next time that the line is drawn."""
        self._words = words_of(state)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._live.stop()

    def _line(self) -> Table:
        from rich.table import Table  # noqa: PLC0415  an extra
        from rich.text import Text  # noqa: PLC0415

        line = Table.grid(padding=(0, 1))
        for _ in range(3):
            line.add_column(no_wrap=True)
        line.add_column(no_wrap=True, overflow="ellipsis")
        # Text, as progress may hold what rich would take for markup.
        seconds = f"{self._now() - self._began:.0f} s"
        line.add_row(self._spinner, Text(self._job_id, style="dim"), Text(seconds), Text(self._words))
        return line
