"""Prints the log of `emulate` in a thread of its own, so that a slow terminal blocks nothing."""

from __future__ import annotations

import logging
import queue
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from runpod_sdk.emulator._record._ledger import as_dict

from ._narration import Narration

if TYPE_CHECKING:
    from runpod_sdk.emulator import Emulator
    from runpod_sdk.emulator._workers._events import WorkerEvent

_LOGGER = "runpod_sdk.emulator"
_PATIENCE = 2.0  # real seconds that are waited for who reads it


class Narrator(logging.Handler):
    """Tells of an emulator on standard error, from now on until it is closed.

    Args:
        emulator: whose ledger rows, events and log records are printed.
        is_quiet: only what workers print, how they die, and warnings.
    """

    def __init__(self, emulator: Emulator, *, is_quiet: bool) -> None:
        super().__init__(logging.WARNING)
        self._emulator = emulator
        self._narration = Narration(self._state_of, is_quiet=is_quiet)
        self._told: queue.SimpleQueue[tuple[Any, ...] | WorkerEvent | threading.Event | str | None] = (
            queue.SimpleQueue()
        )
        self._thread = threading.Thread(target=self._print, name="emulate-narrator", daemon=True)
        emulator.worker_events.subscribe(self._told.put)
        emulator.ledger.listen(self._told.put)
        logger = logging.getLogger(_LOGGER)
        logger.addHandler(self)
        logger.propagate = False
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Take in a warning; worker events are printed already."""
        if not getattr(record, "is_worker_event", False):
            self._told.put(self.format(record))

    def settle(self) -> None:
        """Return when all is printed that was told until now; after a moment, if nobody reads it."""
        printed = threading.Event()
        self._told.put(printed)
        printed.wait(_PATIENCE)

    def close(self) -> None:
        """Print what there is yet, and end."""
        logger = logging.getLogger(_LOGGER)
        logger.removeHandler(self)
        logger.propagate = True
        self._told.put(None)
        self._thread.join(_PATIENCE)
        super().close()

    def _print(self) -> None:
        while (told := self._told.get()) is not None:
            lines: list[str] = []
            if isinstance(told, threading.Event):
                told.set()
            elif isinstance(told, str):
                lines = [told]
            elif isinstance(told, tuple):
                lines = self._narration.of_row(as_dict(told))
            else:
                lines = self._narration.of_event(told)
            if lines:
                with suppress(OSError, ValueError, AttributeError):  # nobody reads it
                    sys.stderr.write("".join(f"{line}\n" for line in lines))
                    sys.stderr.flush()

    def _state_of(self, job_id: str) -> dict[str, Any] | None:
        job = self._emulator.jobs.get(job_id)
        return None if job is None else job.state
