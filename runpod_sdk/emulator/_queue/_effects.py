"""Effects of a request or of time beyond the answer: values that the queue returns and the hub carries out.

Nothing here happens by itself and nothing is kept: each call of a queue makes its own `Effects` and hands them over.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_sdk.emulator._queue._machine import Event, State
    from runpod_sdk.emulator._queue._requests import Hold, Reply

_new_list = cast("Callable[[], list[Any]]", list)  # ten times as fast as list[…], and made for each request
_new_dict = cast("Callable[[], dict[str, bool]]", dict)


class JobChange(NamedTuple):
    """One step of a job, or an event that changed nothing.

    Attributes:
        job_id: the job.
        event: what happened; None: it was submitted.
        before: its state before; None: it is new, or the event was refused.
        after: its state after.
        worker_id: who has it, or had it until then.
        retries: how often it was given back, this time included.
        input: of a job that was submitted.
    """

    job_id: str
    event: Event | None
    before: State | None
    after: State
    worker_id: str | None
    retries: int
    input: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook that is to be sent: the end of a job, as /status shows it; `number`: by which a file keeps it."""

    url: str
    job_id: str
    body: dict[str, Any]
    number: int = 0


@dataclass(slots=True)
class Effects:
    """What is to be done, in this order.

    Attributes:
        changes: what happened to jobs, to be noted.
        by_time: how many of the changes, the first, were due before the request came.
        answers: holds that have their answer, and the answers.
        webhooks: those to be sent.
        stops: (worker id, job id) of jobs that ended without their worker in this process.
        replacements: supervised workers that asked to be replaced.
        streams: (job id, chunks) that were sent, or (job id, None) where all were handed out, in order.
        touched: jobs of which something changed that is no event.
        batches: batches of which something changed.
        entries: (batch id, request id) of requests that were added to a draft, or taken from it.
        is_recounted: what is counted, beside jobs, has changed.
        powers: worker processes that are to run from now on (True), or to end, by worker id.
        next_deadline: when to call `Queue.advance`; infinity: nothing will be due.
    """

    changes: list[JobChange] = field(default_factory=_new_list)
    by_time: int = 0
    answers: list[tuple[Hold, Reply]] = field(default_factory=_new_list)
    webhooks: list[Webhook] = field(default_factory=_new_list)
    stops: list[tuple[str, str]] = field(default_factory=_new_list)
    replacements: list[str] = field(default_factory=_new_list)
    streams: list[tuple[str, list[dict[str, Any]] | None]] = field(default_factory=_new_list)
    touched: list[str] = field(default_factory=_new_list)
    batches: list[str] = field(default_factory=_new_list)
    entries: list[tuple[str, str]] = field(default_factory=_new_list)
    is_recounted: bool = False
    powers: dict[str, bool] = field(default_factory=_new_dict)
    next_deadline: float = math.inf

    def answer(self, hold: Hold, reply: Reply) -> None:
        """Answer a hold."""
        hold.reply = reply
        self.answers.append((hold, reply))
