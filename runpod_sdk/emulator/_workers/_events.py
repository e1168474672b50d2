"""Worker events for subscribers: starts, deaths, restarts, printed lines."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_LOG = logging.getLogger("runpod_sdk.emulator")
UNHEALTHY = 3  # deaths in a row
TOLD = {"is_worker_event": True}  # of a log record: who listens to workers is told the same


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerEvent:
    """Something that happened to a worker.

    Attributes:
        endpoint_id: its endpoint.
        worker_id: what it is called.
    """

    endpoint_id: str
    worker_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStarted(WorkerEvent):
    """A worker process was started; it is not ready yet."""

    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReady(WorkerEvent):
    """A worker process is ready, this many seconds after its start."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPrinted(WorkerEvent):
    """A line of what a worker process printed, without its end."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobNoted(WorkerEvent):
    """Something about a job that appears nowhere else: what could not be sent, and why."""

    job_id: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerEnded(WorkerEvent):
    """A worker process has ended.

    Attributes:
        exit_code: its exit code; of one that a signal ended, the signal's number, negative.
        was_asked: it was asked to end, or killed by a fault or with its emulator.
        was_ready: it had taken jobs.
        why: what it says itself of its end; "" if nothing.
        tail: the last lines that it printed.
        log: where all is that it printed, if that went to a file; "" if not.
    """

    exit_code: int
    was_asked: bool
    was_ready: bool
    why: str
    tail: tuple[str, ...]
    log: str = ""

    @property
    def how(self) -> str:
        """How it has ended, in a line: what it says itself, or its exit code and the last line that it printed."""
        if self.why:
            return self.why
        code = f"exit code {self.exit_code}" if self.exit_code >= 0 else f"signal {-self.exit_code}"
        last = next((line for line in reversed(self.tail) if line.strip()), "")
        return f"it ended with {code}{f': {last}' if last else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRestarting(WorkerEvent):
    """A worker process will follow one that died, after a pause on the emulator's clock.

    Attributes:
        deaths: how many in a row have died before they were ready.
        pause: seconds.
    """

    deaths: int
    pause: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointUnhealthy(WorkerEvent):
    """Workers of an endpoint have died so often in a row before they were ready that it is hardly of use.

    Attributes:
        deaths: how many in a row.
        why: how the last one, `worker_id`, has ended.
    """

    deaths: int
    why: str


def print_lines(event: WorkerEvent) -> None:
    """Print what workers print, each line behind its worker's name."""
    if isinstance(event, WorkerPrinted):
        with suppress(OSError, ValueError, AttributeError):  # there is no standard error, or nobody reads it
            sys.stderr.write(f"{event.worker_id} | {event.text}\n")


class Feed:
    """Tells everybody who wants to know."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[WorkerEvent], None]] = []

    def subscribe(self, listener: Callable[[WorkerEvent], None]) -> Callable[[], None]:
        """Tell `listener` of what happens from now on, in a thread of the emulator's; the answer ends it.

        It must not wait for a job, as nobody else hears of workers meanwhile.
        """
        self._listeners = [*self._listeners, listener]

        def end() -> None:
            self._listeners = [each for each in self._listeners if each is not listener]

        return end

    def died(self, ended: WorkerEnded, deaths: int) -> None:
        """Note how many workers in one place have died in a row before they were ready; tell when they are too many."""
        if deaths != UNHEALTHY:
            return
        _LOG.warning(
            "endpoint %s is unhealthy: %s workers died in a row: %s", ended.endpoint_id, deaths, ended.how, extra=TOLD
        )
        self.tell(
            EndpointUnhealthy(endpoint_id=ended.endpoint_id, worker_id=ended.worker_id, deaths=deaths, why=ended.how)
        )

    def tell(self, event: WorkerEvent) -> None:
        """Tell everybody."""
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:  # noqa: BLE001  somebody else's
                _LOG.exception("a listener failed at %r", event)
