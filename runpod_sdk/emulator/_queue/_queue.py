"""One endpoint: its queue, its deadlines, what it keeps and for how long. Pure: no clock, no I/O, no threads.

`handle(request, now)` answers with a `Reply`, or with a `Hold` that is answered later. Afterwards the caller collects
what changed: `released()` are the holds that can be answered now, `stopped()` the jobs that workers should stop.
`next_deadline()` says when to call `advance`, `Hold.until` when to call `expire_hold`. Who waits for a hold, and how,
is decided in `_hub.py`.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from runpod_sdk.emulator._limits import DRAINING_HOLD
from runpod_sdk.emulator._options import Options
from runpod_sdk.emulator._queue import _requests as ask
from runpod_sdk.emulator._queue._book import NOT_FOUND, Book, read
from runpod_sdk.emulator._queue._chunks import split
from runpod_sdk.emulator._queue._jobs import Job, record_of
from runpod_sdk.emulator._queue._machine import FINAL, Event, State
from runpod_sdk.emulator._queue._requests import Hold, Outcome, Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_sdk.emulator._queue._book import Observer
    from runpod_sdk.emulator._queue._jobs import JobRecord
    from runpod_sdk.emulator._queue._requests import Notice

_NOTED = Reply(Outcome.DONE)


class Queue:
    """One endpoint.

    Args:
        endpoint_id: its id.
        new_id: returns a fresh job id, `<uuid>-u1`; called once per job.
        options: the emulator's choices.
        observe: told of each submit, of each event that changed a job (with the state before it), and of those that did
            not.
    """

    def __init__(
        self,
        endpoint_id: str,
        *,
        new_id: Callable[[], str],
        options: Options | None = None,
        observe: Observer | None = None,
    ) -> None:
        self.endpoint_id = endpoint_id
        self._new_id = new_id
        self._options = options or Options()
        self._book = Book(endpoint_id, self._options, observe)
        self._replaced: list[str] = []
        self._handlers: dict[type[ask.Request], Callable[[Any, float], Reply | Hold]] = {
            ask.Submit: self._submit,
            ask.Status: self._status,
            ask.ReadStream: self._read_stream,
            ask.Cancel: self._cancel,
            ask.Retry: self._retry,
            ask.Purge: self._purge,
            ask.Health: self._health,
            ask.Take: self._take,
            ask.WatchStops: self._watch_stops,
            ask.Ping: self._ping,
            ask.Finish: self._finish,
            ask.Progress: self._progress,
            ask.Chunk: self._chunk,
            ask.Lose: self._lose,
            ask.Leave: self._leave,
            ask.Expect: self._expect,
            ask.Drain: self._drain,
        }

    # What the outside calls.

    def handle(self, request: ask.Request, now: float) -> Reply | Hold:
        """Answer `request` at monotonic `now`, or hold it."""
        self.advance(now)
        return self._handlers[type(request)](request, now)

    def advance(self, now: float) -> None:
        """Apply every deadline up to `now`, each at its own time."""
        self._book.advance(now)

    def next_deadline(self) -> float | None:
        """Return when `advance` has something to do, or None."""
        return self._book.next_deadline()

    def released(self) -> list[tuple[Hold, Reply]]:
        """Return the holds that were answered since the last call, in order."""
        released, self._book.released = self._book.released, []
        return released

    def stopped(self) -> list[tuple[str, str]]:
        """Return (worker id, job id) of jobs that ended without their worker in this process, since the last call."""
        stopped, self._book.stopped = self._book.stopped, []
        return stopped

    def replaced(self) -> list[str]:
        """Return the supervised workers that asked to be replaced, since the last call."""
        replaced, self._replaced = self._replaced, []
        return replaced

    def notices(self) -> list[Notice]:
        """Return the webhooks that are to be sent since the last call, in order."""
        notices, self._book.notices = self._book.notices, []
        return notices

    def worker_count(self) -> int:
        """Return how many workers there are, idle or running."""
        return self._book.roster.count()

    def expire_hold(self, hold: Hold, now: float) -> Reply:
        """Answer a hold whose wait is over with how things stand; one that was answered keeps its answer."""
        self.advance(now)
        if hold.reply is None:
            self.drop_hold(hold)
            hold.reply = Reply(Outcome.DONE) if hold.job is None else self._book.answer(hold, hold.job)
        return hold.reply

    def drop_hold(self, hold: Hold) -> None:
        """Forget a hold that nobody waits for any more."""
        if hold.job is None:
            self._book.roster.drop(hold)
        elif hold in hold.job.holds:
            hold.job.holds.remove(hold)

    def hang_up(self, hold: Hold, now: float) -> None:
        """Forget a hold whose caller has closed the connection: a worker that does so may be dead."""
        request = hold.request
        if isinstance(request, ask.Take | ask.WatchStops):
            for job in self._book.roster.hang_up(hold, request.worker_id, now):
                self._book.set_due(job)
        else:
            self.drop_hold(hold)

    def records(self) -> list[JobRecord]:
        """Return every job that is still known, the oldest first."""
        return [record_of(job, self.endpoint_id) for job in self._book.jobs.values()]

    def clear(self) -> None:
        """Forget every job and every count, at once; idle workers go on waiting, running ones are told to stop.

        Holds of users are not answered; whoever clears does it.
        """
        self._book.clear()

    # What users ask.

    def _submit(self, request: ask.Submit, now: float) -> Reply | Hold:
        job_id = self._new_id()
        if request.wait is not None:
            job_id = f"sync-{job_id}"  # live
        job = Job(job_id, request, now)
        self._book.add(job)
        self._book.dispatch(now)
        if request.wait is None:
            return Reply(Outcome.DONE, {"id": job_id, "status": State.IN_QUEUE.value})
        return _held(Hold(request, now + request.wait, job), job)

    def _status(self, request: ask.Status, now: float) -> Reply | Hold:
        job = self._book.jobs.get(request.job_id)
        if job is not None and request.ttl is not None:
            job.ttl_at = job.submitted_at + request.ttl  # assumed: counted from submission, as policy.ttl is
            job.expires_at = min(job.ttl_at, math.inf if job.finished_at is None else self._book.kept_until(job))
            self._book.set_due(job)
            self.advance(now)
            job = self._book.jobs.get(request.job_id)
        if job is None:
            return NOT_FOUND
        if request.wait <= 0 or job.state in FINAL:
            return Reply(Outcome.DONE, job.view())
        return _held(Hold(request, now + request.wait, job), job)

    def _read_stream(self, request: ask.ReadStream, now: float) -> Reply | Hold:
        job = self._book.jobs.get(request.job_id)
        if job is None:
            return NOT_FOUND
        if request.wait <= 0 or job.chunks or job.state in FINAL:
            return read(job)
        return _held(Hold(request, now + request.wait, job), job)

    def _cancel(self, request: ask.Cancel, now: float) -> Reply:
        job = self._book.jobs.get(request.job_id)
        if job is None:
            return NOT_FOUND
        # assumed: a second cancel is answered as the first; for the other finished jobs see Options.cancel_finished
        finished = job.state in FINAL and job.state is not State.CANCELLED
        if finished and self._options.cancel_finished == "refused":
            return Reply(Outcome.REFUSED, message=f"job is {job.state}; it cannot be cancelled")
        if self._book.move(job, Event.CANCEL):
            self._book.queued.pop(job.id, None)
            self._book.end(job, now, stop=True)
        return Reply(Outcome.DONE, job.view())

    def _retry(self, request: ask.Retry, now: float) -> Reply:
        job = self._book.jobs.get(request.job_id)
        if job is None:
            return NOT_FOUND
        if not self._book.move(job, Event.RETRY):  # docs: operation-reference#retry; assumed: the wording
            return Reply(Outcome.REFUSED, message=f"job is {job.state}; only a FAILED or TIMED_OUT job can be retried")
        self._book.retried += 1
        job.clear(now)
        self._book.queued[job.id] = job
        self._book.set_due(job)
        self._book.dispatch(now)
        return Reply(Outcome.DONE, {"id": job.id, "status": State.IN_QUEUE.value})

    def _purge(self, _: ask.Purge, now: float) -> Reply:
        removed = list(self._book.queued.values())
        self._book.queued.clear()
        for job in removed:
            self._book.move(job, Event.PURGE)
            self._book.end(job, now)
        return Reply(Outcome.DONE, {"removed": len(removed), "status": "completed"})

    def _health(self, _: ask.Health, now: float) -> Reply:
        jobs = {
            "completed": self._book.completed,
            "failed": self._book.failed,
            "inProgress": self._book.present[State.IN_PROGRESS],
            "inQueue": self._book.present[State.IN_QUEUE],
            "retried": self._book.retried,
        }
        return Reply(Outcome.DONE, {"jobs": jobs, "workers": self._book.roster.gauges(now)})

    # What workers ask.

    def _take(self, request: ask.Take, now: float) -> Reply | Hold:
        worker = self._book.roster.hear(request.worker_id, request.lease, now)
        worker.has_asked = True
        wait = math.inf if request.wait is None else request.wait
        if worker.is_draining:
            return Hold(request, now + min(wait, DRAINING_HOLD))
        if self._book.queued:
            return Reply(Outcome.DONE, self._book.hand(worker, request, now))
        hold = Hold(request, now + wait)
        self._book.roster.takers[hold] = worker
        return hold

    def _watch_stops(self, request: ask.WatchStops, now: float) -> Reply | Hold:
        worker = self._book.roster.hear(request.worker_id, request.lease, now)
        if worker.stops:
            return Reply(Outcome.DONE, worker.told())
        hold = Hold(request, now + min(request.wait, DRAINING_HOLD if worker.is_draining else math.inf))
        worker.watchers.append(hold)
        return hold

    def _ping(self, request: ask.Ping, now: float) -> Reply:
        worker = self._book.roster.find(request.worker_id)
        if worker is not None:
            for job_id in request.job_ids:
                if job_id in worker.jobs:
                    worker.renew(worker.jobs[job_id], now)
        return _NOTED

    def _finish(self, request: ask.Finish, now: float) -> Reply:
        job = self._book.jobs.get(request.job_id)
        if job is None:
            return NOT_FOUND  # a late result, after the ttl
        failed = request.error is not None
        # A late result is taken and ignored: sync handlers run on after a cancel.
        if job.worker_id != request.worker_id:
            self._book.ignore(job, Event.FAIL if failed else Event.SUCCEED)
        elif self._book.move(job, Event.FAIL if failed else Event.SUCCEED):
            job.output = request.output
            job.error = _text(request.error) if failed else None
            self._book.end(job, now)
        worker = self._book.roster.find(request.worker_id)
        if worker is not None:
            worker.stops.pop(job.id, None)
            if request.stop_pod and worker.is_supervised and not worker.is_draining:
                worker.is_draining = True
                self._replaced.append(worker.id)
        return _NOTED

    def _progress(self, request: ask.Progress, now: float) -> Reply:
        job = self._book.reporting(request, now)
        if job is not None:
            job.progress = request.output
        return _NOTED

    def _chunk(self, request: ask.Chunk, now: float) -> Reply:
        job = self._book.reporting(request, now)
        if job is not None:
            job.chunks += split(request.body)
            reader = next((hold for hold in job.holds if isinstance(hold.request, ask.ReadStream)), None)
            if reader is not None:
                job.holds.remove(reader)
                self._book.release(reader, read(job))
        return _NOTED

    def _lose(self, request: ask.Lose, now: float) -> Reply:
        worker = self._book.roster.find(request.worker_id)
        if worker is not None and request.job_id in worker.jobs:
            self._book.lost(worker.jobs[request.job_id], now)
            self._book.roster.missed(worker)
            self._book.dispatch(now)
        return _NOTED

    def _leave(self, request: ask.Leave, now: float) -> Reply:
        worker = self._book.roster.leave(request.worker_id)
        if worker is None:
            return _NOTED
        for job in list(worker.jobs.values()):
            self._book.lost(job, now)
        self._book.dispatch(now)
        return Reply(Outcome.DONE, {"was_ready": worker.has_asked})

    def _expect(self, request: ask.Expect, _: float) -> Reply:
        self._book.roster.expect(request.worker_id, healthy=request.healthy)
        return _NOTED

    def _drain(self, request: ask.Drain, _: float) -> Reply:
        for hold in self._book.roster.drain(request.worker_id):
            self._book.release(hold, Reply(Outcome.DONE))
        return _NOTED


def _held(hold: Hold, job: Job) -> Hold:
    job.holds.append(hold)
    return hold


def _text(error: Any) -> str:
    """Return an error as a string: the official Go client takes nothing else (assumed: JSON for other values)."""
    return error if isinstance(error, str) else json.dumps(error)
