"""One line in a notebook for a wait, for as long as it lasts.

It is shown in the main thread alone, since other threads' output lands in whatever cell runs then.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from runpod_sdk._notebook._live import Display, in_notebook
from runpod_sdk._notebook._markup import cut, line_html

if TYPE_CHECKING:
    from runpod_sdk._values._states import JobState

LIVE_VARIABLE = "RUNPOD_SDK_LIVE"  # "off" shows no line while a wait lasts


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
