"""One endpoint: what each request does to its jobs and its workers. Pure: no clock, no I/O, no threads.

`handle(request, now)` returns an answer, or a hold that is answered later, and what else is to happen as `Effects`,
for the hub to carry out. `Effects.next_deadline` says when to call `advance`, `Hold.until` when to call `expire_hold`.
Who waits for a hold, and how, is decided in `_hub.py`.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any
from uuid import UUID

from runpod_sdk.emulator._limits import DRAINING_HOLD, QUEUE_LIMIT, QUEUE_LIMIT_PER_WORKER
from runpod_sdk.emulator._options import Options
from runpod_sdk.emulator._queue import _requests as ask
from runpod_sdk.emulator._queue._batches import QueuedBatches
from runpod_sdk.emulator._queue._chunks import split
from runpod_sdk.emulator._queue._effects import Effects
from runpod_sdk.emulator._queue._job import record_of
from runpod_sdk.emulator._queue._jobs import NOT_FOUND, Jobs, cause_of, read
from runpod_sdk.emulator._queue._machine import FINAL, Event, State
from runpod_sdk.emulator._queue._requests import Hold, Reply, ReplyKind
from runpod_sdk.emulator._queue._workers import Lease, Workers

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_sdk.emulator._queue._job import JobRecord, QueuedJob
    from runpod_sdk.emulator._queue._workers import KnownWorker

_NOTED = Reply(ReplyKind.DONE)
_OF_USERS = {ask.Submit, ask.Status, ask.ReadStream, ask.Cancel, ask.RetryJob, ask.Purge, ask.ReadHealth}


class Queue:
    """One endpoint.

    Args:
        endpoint_id: its id.
        new_id: returns a fresh job id, `<uuid>-u1`; called once per job.
        options: the emulator's choices.
        made_at: the monotonic time at which it was declared.
        epoch: seconds since 1970 at monotonic 0.
    """

    def __init__(
        self,
        endpoint_id: str,
        *,
        new_id: Callable[[], str],
        options: Options | None = None,
        made_at: float = -math.inf,
        epoch: float = 0.0,
    ) -> None:
        self.endpoint_id = endpoint_id
        self._new_id = new_id
        self._options = options or Options()
        limit = self._options.result_limit
        self._result_limit = math.inf if limit is None else limit
        self._known_at = made_at + self._options.endpoint_propagation
        self._jobs = Jobs(self._options)
        self._workers = Workers()
        self._batches = QueuedBatches(endpoint_id, self._jobs, self._options, new_id, epoch)
        self._handlers: dict[type[ask.Request], Callable[[Any, float, Effects], Reply | Hold]] = {
            ask.Submit: self._submit,
            ask.Status: self._status,
            ask.ReadStream: self._read_stream,
            ask.Cancel: self._cancel,
            ask.RetryJob: self._retry,
            ask.Purge: self._purge,
            ask.ReadHealth: self._health,
            ask.Take: self._take,
            ask.WatchStops: self._watch_stops,
            ask.Ping: self._ping,
            ask.Finish: self._finish,
            ask.ReportProgress: self._progress,
            ask.Chunk: self._chunk,
            ask.Lose: self._lose,
            ask.Leave: self._leave,
            ask.Expect: self._expect,
            ask.Drain: self._drain,
            **self._batches.handlers,
            ask.FinalizeBatch: self._finalize_batch,
        }
        self._of_users = {*_OF_USERS, *self._batches.handlers}

    # What the outside calls.

    def handle(self, request: ask.Request, now: float) -> tuple[Reply | Hold, Effects]:
        """Answer `request` at monotonic `now`, or hold it."""
        effects = Effects()
        self._advance(now, effects)
        if now < self._known_at and type(request) in self._of_users:
            answer: Reply | Hold = Reply(ReplyKind.NOT_FOUND, message="endpoint not found")
        else:
            answer = self._handlers[type(request)](request, now, effects)
        if self._batches.cancelling:
            self._batches.settle(effects)
        effects.next_deadline = self._jobs.next_deadline()
        return answer, effects

    def advance(self, now: float) -> Effects:
        """Apply every deadline up to `now`, each at its own time."""
        effects = Effects()
        self._advance(now, effects)
        if self._batches.cancelling:
            self._batches.settle(effects)
        effects.next_deadline = self._jobs.next_deadline()
        return effects

    def expire_hold(self, hold: Hold, now: float) -> tuple[Reply, Effects]:
        """Answer a hold whose wait is over with how things stand; one that was answered keeps its answer."""
        effects = self.advance(now)
        if hold.reply is None:
            self.drop_hold(hold)
            hold.reply = Reply(ReplyKind.DONE) if hold.job_id is None else self._jobs.answer(hold)
        return hold.reply, effects

    def drop_hold(self, hold: Hold) -> None:
        """Forget a hold that nobody waits for any more."""
        if hold.job_id is None:
            self._workers.drop(hold)
        else:
            self._jobs.drop(hold)

    def hang_up(self, hold: Hold, now: float) -> Effects:
        """Forget a hold whose caller has closed the connection: a worker that does so may be dead."""
        request = hold.request
        if isinstance(request, ask.Take | ask.WatchStops):
            for job_id in self._workers.hang_up(hold, request.worker_id, now):
                self._jobs.look_again(self._jobs.known[job_id])
        else:
            self.drop_hold(hold)
        return Effects(next_deadline=self._jobs.next_deadline())

    def worker_count(self) -> int:
        """Return how many workers there are, idle or running."""
        return self._workers.count()

    def records(self) -> list[JobRecord]:
        """Return every job that is still known, the oldest first."""
        return [record_of(job, self.endpoint_id) for job in self._jobs.known.values()]

    def clear(self) -> Effects:
        """Forget every job and every count, at once; idle workers go on waiting, running ones are told to stop.

        Holds of users are not answered; whoever clears does it.
        """
        effects = Effects()
        for job in self._jobs.known.values():
            if job.state is State.IN_PROGRESS:
                self._workers.release(job.worker_id, job.id, effects, stop=True)
        self._jobs.clear()
        self._batches.clear()
        return effects

    # What users ask.

    def _submit(self, request: ask.Submit, now: float, effects: Effects) -> Reply | Hold:
        queued = len(self._jobs.queued)
        if self._options.queue_limit and queued > QUEUE_LIMIT and queued > QUEUE_LIMIT_PER_WORKER * self.worker_count():
            return Reply(ReplyKind.TOO_MANY, message=f"too many jobs in the queue: {queued}")
        job_id = self._new_id()
        if request.wait is not None:
            job_id = f"sync-{job_id}"  # live
        job = self._jobs.add(job_id, request, now, effects)
        self._dispatch(now, effects)
        if request.wait is None:
            return Reply(ReplyKind.DONE, {"id": job_id, "status": State.IN_QUEUE.value})
        return self._jobs.hold(request, now + request.wait, job)

    def _known(self, job_id: str, now: float) -> QueuedJob | None:
        """Return a job that users can see; one that was just made may not be known everywhere yet."""
        job = self._jobs.known.get(job_id)
        if job is None or now < job.submitted_at + self._options.job_propagation:
            return None
        return None if job.is_of_batch and not self._options.batch_status else job

    def _status(self, request: ask.Status, now: float, effects: Effects) -> Reply | Hold:
        job = self._known(request.job_id, now)
        if job is None:
            return NOT_FOUND
        if request.ttl is not None:
            job.ttl = request.ttl
            self._jobs.keep(job)
            if job.expires_at <= now:
                self._forget(job, effects)
                return NOT_FOUND
        if request.wait <= 0 or job.state in FINAL:
            return Reply(ReplyKind.DONE, job.view())
        return self._jobs.hold(request, now + request.wait, job)

    def _read_stream(self, request: ask.ReadStream, now: float, _: Effects) -> Reply | Hold:
        job = self._known(request.job_id, now)
        if job is None:
            return NOT_FOUND
        if request.wait <= 0 or job.chunks or job.state in FINAL:
            return read(job)
        return self._jobs.hold(request, now + request.wait, job)

    def _cancel(self, request: ask.Cancel, now: float, effects: Effects) -> Reply:
        job = self._known(request.job_id, now)
        if job is None:
            return NOT_FOUND
        # assumed: a second cancel is answered as the first; for the other finished jobs see Options.cancel_finished
        finished = job.state in FINAL and job.state is not State.CANCELLED
        if finished and self._options.cancel_finished == "refused":
            return Reply(ReplyKind.REFUSED, message=f"job is {job.state}; it cannot be cancelled")
        if self._jobs.move(job, Event.CANCEL, effects):
            self._workers.release(job.worker_id, job.id, effects, stop=True)
            self._jobs.end(job, now, effects)
        return Reply(ReplyKind.DONE, job.view())

    def _retry(self, request: ask.RetryJob, now: float, effects: Effects) -> Reply:
        job = self._known(request.job_id, now)
        if job is None:
            return NOT_FOUND
        if not self._jobs.move(job, Event.RETRY, effects):  # docs: operation-reference#retry; assumed: the wording
            return Reply(
                ReplyKind.REFUSED, message=f"job is {job.state}; only a FAILED or TIMED_OUT job can be retried"
            )
        self._jobs.restart(job, now)
        self._dispatch(now, effects)
        return Reply(ReplyKind.DONE, {"id": job.id, "status": State.IN_QUEUE.value})

    def _purge(self, _: ask.Purge, now: float, effects: Effects) -> Reply:
        removed = [job for job in self._jobs.queued.values() if not job.is_of_batch]  # assumed: batches are left alone
        for job in removed:
            self._jobs.move(job, Event.PURGE, effects)
            self._jobs.end(job, now, effects)
        return Reply(ReplyKind.DONE, {"removed": len(removed), "status": "completed"})

    def _health(self, _: ask.ReadHealth, now: float, __: Effects) -> Reply:
        jobs = {
            "completed": self._jobs.completed,
            "failed": self._jobs.failed,
            "inProgress": self._jobs.present[State.IN_PROGRESS],
            "inQueue": self._jobs.present[State.IN_QUEUE],
            "retried": self._jobs.retried,
        }
        return Reply(ReplyKind.DONE, {"jobs": jobs, "workers": self._workers.gauges(now)})

    def _finalize_batch(self, request: ask.FinalizeBatch, now: float, effects: Effects) -> Reply:
        reply = self._batches.handlers[ask.FinalizeBatch](request, now, effects)
        self._dispatch(now, effects)
        return reply

    # What workers ask.

    def _take(self, request: ask.Take, now: float, effects: Effects) -> Reply | Hold:
        worker = self._workers.heartbeat(request.worker_id, request.lease, now)
        worker.has_asked = True
        wait = math.inf if request.wait is None else request.wait
        if worker.is_draining:
            return Hold(request, now + min(wait, DRAINING_HOLD))
        if self._jobs.queued:
            return Reply(ReplyKind.DONE, self._hand(worker, request, now, effects))
        hold = Hold(request, now + wait)
        self._workers.takers[hold] = worker
        return hold

    def _watch_stops(self, request: ask.WatchStops, now: float, _: Effects) -> Reply | Hold:
        worker = self._workers.heartbeat(request.worker_id, request.lease, now)
        if worker.stops:
            return Reply(ReplyKind.DONE, worker.pop_stops())
        hold = Hold(request, now + min(request.wait, DRAINING_HOLD if worker.is_draining else math.inf))
        worker.watchers.append(hold)
        return hold

    def _ping(self, request: ask.Ping, now: float, _: Effects) -> Reply:
        worker = self._workers.find(request.worker_id)
        if worker is not None:
            for job_id in request.job_ids:
                worker.renew(job_id, now)
        return _NOTED

    def _finish(self, request: ask.Finish, now: float, effects: Effects) -> Reply:
        job = self._jobs.known.get(request.job_id)
        if job is None:
            return NOT_FOUND  # a late result, after the ttl
        refused = request.is_refused or request.size > self._result_limit
        # reported: the service refuses what is too large, and the job is COMPLETED all the same.
        failed = request.error is not None and not refused
        event = self._jobs.failure if failed else Event.SUCCEED
        # A late result is taken and ignored: sync handlers run on after a cancel.
        if job.worker_id != request.worker_id:
            self._jobs.ignore(job, event, effects)
        elif self._jobs.move(job, event, effects):
            job.output = ask.ABSENT if refused else request.output
            job.error = _text(request.error) if failed else None
            self._workers.release(job.worker_id, job.id, effects)
            self._jobs.end(job, now, effects)
        worker = self._workers.find(request.worker_id)
        if worker is not None:
            worker.stops.pop(job.id, None)
            if request.stop_pod and worker.is_supervised and not worker.is_draining:
                worker.is_draining = True
                effects.replacements.append(worker.id)
        if refused:
            text = f"job {job.id}: its result of {request.size} bytes is refused, and it ends without output"
            return Reply(ReplyKind.REFUSED, message=text)
        return _NOTED

    def _progress(self, request: ask.ReportProgress, now: float, effects: Effects) -> Reply:
        if request.size > self._result_limit:
            return Reply(
                ReplyKind.REFUSED, message=f"job {request.job_id}: progress of {request.size} bytes is refused"
            )
        job = self._reporting(request, now, effects)
        if job is not None:
            job.progress = request.output
        return _NOTED

    def _chunk(self, request: ask.Chunk, now: float, effects: Effects) -> Reply:
        job = self._reporting(request, now, effects)
        if job is not None:
            job.chunks += split(request.body)
            reader = next((hold for hold in job.holds if isinstance(hold.request, ask.ReadStream)), None)
            if reader is not None:
                job.holds.remove(reader)
                effects.answer(reader, read(job))
        return _NOTED

    def _lose(self, request: ask.Lose, now: float, effects: Effects) -> Reply:
        worker = self._workers.find(request.worker_id)
        if worker is not None and request.job_id in worker.leases:
            del worker.leases[request.job_id]
            self._jobs.lose(self._jobs.known[request.job_id], now, effects)
            self._workers.forget_if_gone(worker)
            self._dispatch(now, effects)
        return _NOTED

    def _leave(self, request: ask.Leave, now: float, effects: Effects) -> Reply:
        worker = self._workers.leave(request.worker_id, effects)
        if worker is None:
            return _NOTED
        for job_id in worker.leases:
            self._jobs.lose(self._jobs.known[job_id], now, effects)
        self._dispatch(now, effects)
        return Reply(ReplyKind.DONE, {"was_ready": worker.has_asked})

    def _expect(self, request: ask.Expect, _: float, __: Effects) -> Reply:
        self._workers.expect(request.worker_id, healthy=request.healthy)
        return _NOTED

    def _drain(self, request: ask.Drain, _: float, effects: Effects) -> Reply:
        self._workers.drain(request.worker_id, effects)
        return _NOTED

    # What concerns both.

    def _advance(self, now: float, effects: Effects) -> None:
        while (found := self._jobs.due_by(now)) is not None:
            job, due = found
            match cause_of(job, due):
                case Event.EXPIRE:
                    self._forget(job, effects)
                case Event.OVERRUN:
                    self._workers.release(job.worker_id, job.id, effects, stop=True)
                    self._jobs.overrun(job, due, effects)
                case Event.LOSE:
                    self._workers.release(job.worker_id, job.id, effects, stop=True)
                    self._jobs.lose(job, due, effects)
                    self._dispatch(due, effects)
                case _:
                    self._jobs.look_again(job)
        effects.by_time = len(effects.changes)

    def _dispatch(self, now: float, effects: Effects) -> None:
        """Give queued jobs to idle workers."""
        while self._jobs.queued and self._workers.takers:
            hold, worker = self._workers.takers.popitem(last=False)
            hold.reply = Reply(ReplyKind.DONE, self._hand(worker, hold.request, now, effects))
            effects.answers.append((hold, hold.reply))

    def _hand(self, worker: KnownWorker, request: Any, now: float, effects: Effects) -> dict[str, Any]:
        """Hand out what a take takes."""
        if request.batch is None:
            return self._start(worker, now, effects)
        return {"jobs": [self._start(worker, now, effects) for _ in range(min(request.batch, len(self._jobs.queued)))]}

    def _start(self, worker: KnownWorker, now: float, effects: Effects) -> dict[str, Any]:
        """Hand out the first queued job."""
        lease = Lease(now + worker.lease)
        job = self._jobs.start(worker.id, lease, now, effects)
        worker.leases[job.id] = lease
        worker.stops.pop(job.id, None)  # what it was to be told of a former run is old
        return self._jobs.work(job)

    def _reporting(self, request: ask.ReportProgress | ask.Chunk, now: float, effects: Effects) -> QueuedJob | None:
        """Return the job if this worker may still report on it."""
        job = self._jobs.known.get(request.job_id)
        if job is None or job.worker_id != request.worker_id or not self._jobs.move(job, Event.REPORT, effects):
            return None
        self._workers.job_heartbeat(request.worker_id, job.id, now)
        return job

    def _forget(self, job: QueuedJob, effects: Effects) -> None:
        self._workers.release(job.worker_id, job.id, effects, stop=True)
        self._jobs.forget(job, effects)


def job_ids(random_bits: Callable[[int], int]) -> Callable[[], str]:
    """Return what makes ids of the form `<uuid>-u1`, as the service does."""  # live
    return lambda: f"{UUID(int=random_bits(128), version=4)}-u1"


def _text(error: Any) -> str:
    """Return an error as a string: the official Go client takes nothing else (assumed: JSON for other values)."""
    return error if isinstance(error, str) else json.dumps(error)
