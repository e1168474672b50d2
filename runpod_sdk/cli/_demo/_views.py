"""How the demo is displayed: plain lines, a live table, or one line of JSON."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Protocol, Self, TextIO

from runpod_sdk._values._words import counted

from ._recorder import Viewer, milliseconds

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console
    from rich.table import Table

    from ._recorder import Scene, Summary


# Columns of a plain line: flavour, scenario, job or verdict, status or duration, text.
_WIDTHS = (5, 14, 8, 11, 0)


class View(Viewer, Protocol):
    """A viewer with a beginning and an end; a context around all scenes."""

    def opened(self, url: str) -> None:
        """Note where the emulator is."""
        ...

    def closed(self, summary: Summary) -> None:
        """Show the outcome of all scenes."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def view_for(out: TextIO, *, plain: bool, as_json: bool) -> View:
    """Return the view that the options and the output ask for: a table only on a terminal that can redraw it."""
    if as_json:
        return JsonView(out)
    if not plain and out.isatty():
        try:
            from rich.console import Console  # noqa: PLC0415  an extra
        except ModuleNotFoundError:
            return PlainView(out)
        console = Console(file=out, highlight=False)
        if console.is_terminal and not console.is_dumb_terminal:
            return TableView(console)
    return PlainView(out)


class SilentView:
    """Shows nothing."""

    def opened(self, url: str) -> None:
        """Show nothing."""

    def began(self, scene: Scene) -> None:
        """Show nothing."""

    def happened(self, scene: Scene, job_id: str, status: str, text: str) -> None:
        """Show nothing."""

    def ended(self, scene: Scene) -> None:
        """Show nothing."""

    def __enter__(self) -> Self:
        """Return the view itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing."""


class JsonView(SilentView):
    """One line at the end."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def closed(self, summary: Summary) -> None:
        """Print the line."""
        print(json.dumps(summary.as_json()), file=self._out, flush=True)


class PlainView(SilentView):
    """One line for each event, as it happens, in columns that are the same for all of them."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def opened(self, url: str) -> None:
        """Print where the emulator is."""
        self._print(f"emulator on {url}")

    def happened(self, scene: Scene, job_id: str, status: str, text: str) -> None:
        """Print the event."""
        self._line(scene, _short(job_id), status, text)

    def ended(self, scene: Scene) -> None:
        """Print the result."""
        verdict = "WRONG" if scene.problem else "ok"
        self._line(scene, verdict, f"{milliseconds(scene)} ms", scene.problem or scene.result)

    def closed(self, summary: Summary) -> None:
        """Print the summary."""
        for line in _summary_lines(summary):
            self._print(line)

    def _line(self, scene: Scene, *columns: str) -> None:
        words = (
            f"{word:<{width}}" for word, width in zip((scene.flavour, scene.scenario, *columns), _WIDTHS, strict=True)
        )
        self._print("  ".join(words).rstrip())

    def _print(self, line: str) -> None:
        print(line, file=self._out, flush=True)


class TableView(SilentView):
    """A table that grows by a row with each scenario. Only the last row is redrawn, so it fits a screen of any height.

    Colours only where rich takes them for wanted, which NO_COLOR denies.
    """

    def __init__(self, console: Console) -> None:
        from rich.live import Live  # noqa: PLC0415  an extra

        self._console = console
        self._scene: Scene | None = None
        self._live = Live(console=console, get_renderable=self._running, refresh_per_second=12, transient=True)

    def opened(self, url: str) -> None:
        """Print where the emulator is, and the head of the table."""
        self._console.print(f"emulator on {url}\n", markup=False)
        head = _grid()
        head.add_row("", "scenario", "job", "statuses", "what happened", "ms", style="bold")
        self._console.print(head)

    def began(self, scene: Scene) -> None:
        """Let its row be drawn."""
        self._scene = scene
        self._live.refresh()

    def ended(self, scene: Scene) -> None:
        """Print its row for good."""
        self._scene = None
        self._live.refresh()
        self._console.print(_row(scene, "red" if scene.problem else ""))

    def closed(self, summary: Summary) -> None:
        """Print the summary below the table."""
        first, *others = _summary_lines(summary)
        self._console.print()
        self._console.print(first, style="green" if summary.is_right else "red", markup=False)
        for line in others:
            self._console.print(line, markup=False)

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the cursor back."""
        self._live.stop()

    def _running(self) -> Table | str:
        scene = self._scene
        return "" if scene is None else _row(scene, "dim")


def _grid() -> Table:
    """Return an empty table with the columns that every row has."""
    from rich.table import Table  # noqa: PLC0415  an extra

    grid = Table.grid(padding=(0, 1), expand=True)
    for width in (5, 14, 8, 25):
        grid.add_column(width=width, no_wrap=True)
    grid.add_column(ratio=1)
    grid.add_column(width=4, justify="right")
    return grid


def _row(scene: Scene, style: str) -> Table:
    """Return the row of a scenario: a line for each group of jobs of which the same was seen."""
    from rich.text import Text  # noqa: PLC0415  an extra

    groups: dict[str, list[str]] = {}
    for job_id, statuses in list(scene.statuses.items()):  # a copy: Live draws in a thread
        groups.setdefault(" > ".join(statuses), []).append(job_id)
    jobs = [_short(job_ids[0]) for job_ids in groups.values()]
    seen = [f"{len(ids)} x {statuses}" if len(ids) > 1 else statuses for statuses, ids in groups.items()]
    duration = milliseconds(scene)
    cells = (
        scene.flavour,
        scene.scenario,
        "\n".join(jobs),
        "\n".join(seen),
        scene.problem or scene.result,
        "" if duration is None else str(duration),
    )
    grid = _grid()
    # Text, as an output may hold what rich would take for markup.
    grid.add_row(*(Text(cell, style=style) for cell in cells))
    return grid


def _short(job_id: str) -> str:
    """Return enough of a job's id to tell it from the others; ids of runsync begin alike.  # live: sync-<uuid>-u1."""
    return job_id.removeprefix("sync-")[:8]


def _summary_lines(summary: Summary) -> list[str]:
    right = Counter(not scene.problem for scene in summary.scenes)[True]
    latency = summary.latency_ms
    return [
        f"{right} of {counted(len(summary.scenes), 'scenario')} passed",
        *(f"WRONG     {problem}" for problem in summary.problems),
        "jobs      " + ", ".join(f"{count} {status}" for status, count in summary.jobs.items()),
        f"latency   p50 {latency['p50']} ms, max {latency['max']} ms for a scenario",
        f"requests  {summary.requests}",
        f"time      {summary.seconds:.1f} s",
    ]
