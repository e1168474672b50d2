"""The progress line of a bulk run; `_display/_surfaces.py` decides where it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runpod_sdk._display._surfaces import Caption, surface_of

if TYPE_CHECKING:
    from collections.abc import Callable

# Between two drawings, seconds.
DRAW_EVERY = 1.0


class MapProgress:
    """Shows how far a run is; its last state stays."""

    def __init__(self, title: str, total: int | None, now: Callable[[], float]) -> None:
        self._title = title
        self._total = total
        self._notice = ""
        self._surface = surface_of(now, every=DRAW_EVERY, stays=True)

    def notice(self, text: str) -> None:
        """Show a remark from now on."""
        self._notice = f"; {text}"

    def update(self, done: int, failed: int) -> None:
        """Show how many inputs are done, and how many of them failed."""
        of = "" if self._total is None else f"/{self._total}"
        self._surface.show(Caption(self._title, f"{done}{of} done, {failed} failed{self._notice}", done, self._total))

    def close(self) -> None:
        """Show the last state, and nothing more; may be called twice."""
        self._surface.close()
