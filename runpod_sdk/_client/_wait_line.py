"""The status line about a job that is being waited for; `_display/_surfaces.py` shows it."""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING

from runpod_sdk._display._live import in_notebook
from runpod_sdk._display._surfaces import Caption, Surface, surface_of

if TYPE_CHECKING:
    from runpod_sdk._values._states import JobState

LIVE_VARIABLE = "RUNPOD_SDK_LIVE"  # "off" shows no line while a wait lasts
# Longest progress that is shown, characters.
_SHOWN = 60


class WaitLine:
    """Shows a job while it is waited for. One that ends within the first look is not shown."""

    def __init__(self, surface: Surface, title: str | None = None) -> None:
        self._surface = surface
        self._title = title

    def __call__(self, state: JobState) -> None:
        """Show what is new."""
        if not state.is_final:
            self._surface.show(Caption(self._title or f"job {state.id}", words_of(state)))

    def close(self) -> None:
        """Take the line away."""
        self._surface.close()


def words_of(state: JobState) -> str:
    """Return status, and progress or why it waits in the queue, on one line that cannot command a terminal."""
    facts = [str(state.status)]
    if state.queue_reason is not None:
        facts.append(str(state.queue_reason))
    if state.progress is not None:
        text = state.progress if isinstance(state.progress, str) else json.dumps(state.progress, ensure_ascii=False)
        text = "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)
        facts.append(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")
    return " · ".join(facts)


def wait_line() -> WaitLine | None:
    """Return a line for a wait that begins here; None where nobody would see one, or wants one.

    It is shown in the main thread alone, since other threads' output lands in whatever cell runs then.
    """
    is_wanted = os.environ.get(LIVE_VARIABLE, "").strip().lower() not in ("off", "0", "no", "false")
    is_main = threading.current_thread() is threading.main_thread()
    if not (is_wanted and is_main and in_notebook()):
        return None
    return WaitLine(surface_of(float, stays=False))  # each state is drawn: what time it is does not matter
