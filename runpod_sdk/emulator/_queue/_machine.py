"""The states of a job, and what each event does to them: a single table.

`Jobs.move` applies it; where the table has no row, the event is refused and the job stays as it is. What else an event
does to a job (its times, its output, who is told) is decided in `_jobs.py`.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class State(StrEnum):
    """Where a job is; all but GONE are the service's own words."""

    IN_QUEUE = "IN_QUEUE"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"
    ERROR = "ERROR"
    GONE = "GONE"  # forgotten: answered as 404, never named on the wire

    __hash__ = str.__hash__  # that of Enum is a Python function, and asked three times a step


class Event(StrEnum):
    """What may happen to a job."""

    TAKE = "take"  # a worker takes it
    REPORT = "report"  # its worker sends progress or a chunk
    SUCCEED = "succeed"  # its worker sends a result
    FAIL = "fail"  # its worker sends an error, or it was lost too often
    ERROR = "error"  # the same, where the emulator is told to say ERROR
    OVERRUN = "overrun"  # executionTimeout is over
    TIME_OUT = "time out"  # the same, where the emulator is told to say TIMED_OUT
    LOSE = "lose"  # its worker died, and it may be given to another
    CANCEL = "cancel"
    PURGE = "purge"
    RETRY = "retry"
    EXPIRE = "expire"  # ttl or retention is over

    __hash__ = str.__hash__


TABLE: Mapping[tuple[State, Event], State] = MappingProxyType(
    {
        (State.IN_QUEUE, Event.TAKE): State.IN_PROGRESS,
        (State.IN_QUEUE, Event.CANCEL): State.CANCELLED,
        (State.IN_QUEUE, Event.PURGE): State.CANCELLED,  # assumed: what /status says of a purged job is unknown
        (State.IN_QUEUE, Event.EXPIRE): State.GONE,
        (State.IN_PROGRESS, Event.REPORT): State.IN_PROGRESS,
        (State.IN_PROGRESS, Event.SUCCEED): State.COMPLETED,
        (State.IN_PROGRESS, Event.FAIL): State.FAILED,
        (State.IN_PROGRESS, Event.ERROR): State.ERROR,  # docs: operation-reference#cancel, a sample waits for it
        (State.IN_PROGRESS, Event.OVERRUN): State.FAILED,  # reported: FAILED, not TIMED_OUT
        (State.IN_PROGRESS, Event.TIME_OUT): State.TIMED_OUT,  # docs: job-states
        (State.IN_PROGRESS, Event.LOSE): State.IN_QUEUE,
        (State.IN_PROGRESS, Event.CANCEL): State.CANCELLED,
        (State.IN_PROGRESS, Event.EXPIRE): State.GONE,
        (State.FAILED, Event.RETRY): State.IN_QUEUE,
        (State.TIMED_OUT, Event.RETRY): State.IN_QUEUE,
        (State.COMPLETED, Event.EXPIRE): State.GONE,
        (State.FAILED, Event.EXPIRE): State.GONE,
        (State.CANCELLED, Event.EXPIRE): State.GONE,
        (State.TIMED_OUT, Event.EXPIRE): State.GONE,
        (State.ERROR, Event.EXPIRE): State.GONE,
    }
)

FINAL = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED, State.TIMED_OUT, State.ERROR, State.GONE})
