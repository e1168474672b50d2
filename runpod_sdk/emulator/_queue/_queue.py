"""One endpoint: users' requests, the passing of time, and job assignment. Pure: no clock, I/O or threads.

`handle(request, now)` returns an answer, or a hold that is answered later, and what else is to happen as `Effects`,
for the hub to carry out. `Effects.next_deadline` says when to call `advance`, `Hold.until` when to call `expire_hold`.
What workers ask is in `_work.py`; who waits for a hold, and how, in `_hub_core.py`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from runpod_sdk.emulator._limits import QUEUE_LIMIT, QUEUE_LIMIT_PER_WORKER
from runpod_sdk.emulator._options import Options
from runpod_sdk.emulator._queue import _requests as ask
from runpod_sdk.emulator._queue._batches import QueuedBatches
from runpod_sdk.emulator._queue._effects import Effects
from runpod_sdk.emulator._queue._fleet import Fleet
from runpod_sdk.emulator._queue._job import record_of
from runpod_sdk.emulator._queue._jobs import NOT_FOUND, Jobs, cause_of, read
from runpod_sdk.emulator._queue._machine import FINAL, Event, State
from runpod_sdk.emulator._queue._measures import Measures
from runpod_sdk.emulator._queue._requests import Hold, Reply, ReplyKind
from runpod_sdk.emulator._queue._work import Work
from runpod_sdk.emulator._queue._workers import Lease, Workers

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_sdk.emulator._queue._batch import QueuedBatch
    from runpod_sdk.emulator._queue._fleet import Usage
    from runpod_sdk.emulator._queue._job import JobRecord, QueuedJob
    from runpod_sdk.emulator._queue._workers import KnownWorker

_OF_USERS = {ask.Submit, ask.Status, ask.ReadStream, ask.Cancel, ask.RetryJob, ask.Purge, ask.ReadHealth}


class Queue:
    """One endpoint.

    Args:
        endpoint_id: its id.
        new_id: returns a fresh job id, `<uuid>-u1`; called once per job.
        options: the emulator's choices.
        made_at: the monotonic time at which it was declared.
        epoch: seconds since 1970 at monotonic 0.
        chance: returns a number between 0 and 1, for the start times of workers.
    """

    def __init__(
        self,
        endpoint_id: str,
        *,
        new_id: Callable[[], str],
        options: Options | None = None,
        made_at: float = -math.inf,
        epoch: float = 0.0,
        chance: Callable[[], float] = lambda: 0.5,
    ) -> None:
        self.endpoint_id = endpoint_id
        self._new_id = new_id
        self._options = options or Options()
        self._known_at = made_at + self._options.endpoint_propagation
        self._jobs = Jobs(self._options)
        self._workers = Workers()
        scaling = self._options.scaling
        self._fleet = None if scaling is None else Fleet(scaling, self._jobs, self._workers, chance)
        self._stopped_are: Literal["uncounted", "idle"] = "uncounted" if scaling is None else scaling.stopped
        self._next_deadline = self._jobs.next_deadline if self._fleet is None else self._next_of(self._fleet)
        work = Work(self._jobs, self._workers, self._fleet, self._options, hand=self._hand, dispatch=self._dispatch)
        self._batches = QueuedBatches(endpoint_id, self._jobs, self._options, new_id, epoch)
        self._handlers: dict[type[ask.Request], Callable[[Any, float, Effects], Reply | Hold]] = {
            ask.Submit: self._submit,
            ask.Status: self._status,
            ask.ReadStream: self._read_stream,
            ask.Cancel: self._cancel,
            ask.RetryJob: self._retry,
            ask.Purge: self._purge,
            ask.ReadHealth: self._health,
            **work.handlers,
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
        if self._fleet is not None:
            self._fleet.now = now
            self._fleet.settle()
        effects.next_deadline = self._next_deadline()
        return answer, effects

    def advance(self, now: float) -> Effects:
        """Apply every deadline up to `now`, each at its own time."""
        effects = Effects()
        self._advance(now, effects)
        if self._batches.cancelling:
            self._batches.settle(effects)
        effects.next_deadline = self._next_deadline()
        return effects

    def expire_hold(self, hold: Hold, now: float) -> tuple[Reply, Effects]:
        """Answer a hold whose wait is over with how things stand; one that was answered keeps its answer."""
        effects = self.advance(now)
        if hold.reply is None:
            self.drop_hold(hold)
            hold.reply = Reply(ReplyKind.DONE) if hold.job_id is None else self._jobs.answer(hold, effects)
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
        effects = Effects()
        if self._fleet is not None:
            self._fleet.effects = effects
            self._fleet.settle()
        effects.next_deadline = self._next_deadline()
        return effects

    def worker_count(self) -> int:
        """Return how many workers there are, idle or running."""
        return self._workers.count()

    def records(self) -> list[JobRecord]:
        """Return every job that is still known, the oldest first."""
        return [record_of(job, self.endpoint_id) for job in self._jobs.known.values()]

    def clear(self) -> Effects:
        """Forget every job and every count at once; idle workers keep waiting, busy ones are told to stop.

        Users' held requests are not answered here; the caller does that.
        """
        effects = Effects()
        if self._fleet is not None:
            self._fleet.effects = effects
        for job in self._jobs.known.values():
            if job.state is State.IN_PROGRESS:
                self._workers.release(job.worker_id, job.id, effects, stop=True)
        self._jobs.clear()
        self._batches.clear()
        if self._fleet is not None:
            self._fleet.settle()
            effects.next_deadline = self._next_deadline()
        return effects

    # What outlives it.

    def job(self, job_id: str) -> QueuedJob | None:
        """Return a job that is known."""
        return self._jobs.known.get(job_id)

    def counts(self) -> dict[str, Any]:
        """Return what was counted, as `restore` takes it."""
        counts = self._jobs.counts()
        return counts if self._fleet is None else {**counts, "fleet": self._fleet.kept()}

    def batch(self, batch_id: str) -> QueuedBatch:
        """Return a batch that is known."""
        return self._batches.batch(batch_id)

    def restore(
        self, jobs: list[QueuedJob], batches: list[QueuedBatch], counts: dict[str, Any], lease: float, now: float
    ) -> Effects:
        """Go on with jobs and batches of before, the oldest first; workers of jobs have a lease to be heard of."""
        self._jobs.restore(jobs, counts)
        self._batches.restore(batches)
        if self._fleet is not None:
            self._fleet.restore(counts.get("fleet", {}))
        for job in jobs:
            if job.state is State.IN_PROGRESS and job.worker_id is not None and job.lease is not None:
                self._workers.restore(job.worker_id, job.id, job.lease, lease, now)
        return self.advance(now)

    def measures(self, now: float) -> Measures:
        """Return what can be measured of it, after `advance(now)`."""
        jobs = self._jobs
        first = next(iter(jobs.queued.values()), None)
        return Measures(
            endpoint_id=self.endpoint_id,
            jobs={state.value: count for state, count in jobs.present.items() if state is not State.GONE},
            submitted=sum(jobs.present.values()),
            completed=jobs.completed,
            failed=jobs.failed,
            retried=jobs.retried,
            oldest=0.0 if first is None else now - first.queued_at,
            workers=self._workers.gauges(now, self._stopped_are),
            usage=self.usage(),
            delays=jobs.delays.copy(),
            executions=jobs.executions.copy(),
        )

    def usage(self) -> Usage | None:
        """Return what its workers have cost by the last request; None: it does not scale."""
        return None if self._fleet is None else self._fleet.usage()

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
            effects.touched.append(job.id)
            self._jobs.keep(job)
            if job.expires_at <= now:
                self._forget(job, effects)
                return NOT_FOUND
        if request.wait <= 0 or job.state in FINAL:
            return Reply(ReplyKind.DONE, job.view())
        return self._jobs.hold(request, now + request.wait, job)

    def _read_stream(self, request: ask.ReadStream, now: float, effects: Effects) -> Reply | Hold:
        job = self._known(request.job_id, now)
        if job is None:
            return NOT_FOUND
        if request.wait <= 0 or job.chunks or job.state in FINAL:
            return read(job, effects)
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
        return Reply(ReplyKind.DONE, {"jobs": jobs, "workers": self._workers.gauges(now, self._stopped_are)})

    def _finalize_batch(self, request: ask.FinalizeBatch, now: float, effects: Effects) -> Reply:
        reply = self._batches.handlers[ask.FinalizeBatch](request, now, effects)
        self._dispatch(now, effects)
        return reply

    # What time does.

    def _next_of(self, fleet: Fleet) -> Callable[[], float]:
        """Return what says when something of jobs or of workers is due."""
        return lambda: min(self._jobs.next_deadline(), fleet.next_deadline())

    def _advance(self, now: float, effects: Effects) -> None:
        if self._fleet is None:
            while (found := self._jobs.due_by(now)) is not None:
                self._expire(*found, effects)
        else:
            self._advance_all(self._fleet, now, effects)
        effects.by_time = len(effects.changes)

    def _advance_all(self, fleet: Fleet, now: float, effects: Effects) -> None:
        """Apply what is due of jobs and of workers, each in its turn."""
        fleet.effects = effects
        while (moment := self._next_deadline()) <= now:
            fleet.now = moment
            if (found := self._jobs.due_by(moment)) is not None:
                self._expire(*found, effects)
            else:
                fleet.advance()
                self._dispatch(moment, effects)
            fleet.settle()
        fleet.now = now

    def _expire(self, job: QueuedJob, due: float, effects: Effects) -> None:
        """Do what is due of a job."""
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

    def _forget(self, job: QueuedJob, effects: Effects) -> None:
        self._workers.release(job.worker_id, job.id, effects, stop=True)
        self._jobs.forget(job, effects)

    # Who gets which job.

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
        if self._fleet is not None:
            self._fleet.busy(worker)
        worker.stops.pop(job.id, None)  # what it was to be told of a former run is old
        return self._jobs.work(job)


def job_ids(random_bits: Callable[[int], int]) -> Callable[[], str]:
    """Return what makes ids of the form `<uuid>-u1`, as the service does."""  # live
    return lambda: f"{UUID(int=random_bits(128), version=4)}-u1"
