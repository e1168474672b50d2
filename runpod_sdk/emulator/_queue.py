"""One endpoint: its queue, its deadlines, what it keeps and for how long. Pure: no clock, no I/O, no threads.

`handle(request, now)` answers with a `Reply`, or with a `Hold` that is answered later. Afterwards the caller collects
what changed: `released()` are the holds that can be answered now, `stopped()` the jobs that workers should stop.
`next_deadline()` says when to call `advance`, `Hold.until` when to call `expire_hold`. Who waits for a hold, and how,
is decided in `_hub.py`.
"""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from runpod_sdk.emulator import _requests as ask
from runpod_sdk.emulator._deadlines import Deadlines
from runpod_sdk.emulator._jobs import Job, record_of
from runpod_sdk.emulator._limits import DRAINING_HOLD, MAX_REQUEUES
from runpod_sdk.emulator._machine import FINAL, Event, State, next_state
from runpod_sdk.emulator._options import Options
from runpod_sdk.emulator._requests import Hold, Outcome, Reply
from runpod_sdk.emulator._roster import Roster

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_sdk.emulator._jobs import JobRecord
    from runpod_sdk.emulator._roster import Worker

    Observer = Callable[[str, Job, Event | None, State | None], None]

_NOTED = Reply(Outcome.DONE)
_NOT_FOUND = Reply(Outcome.NOT_FOUND, message="job not found")  # reported: the wording


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
        self._observe = observe
        self._new_id = new_id
        self._options = options or Options()
        self._jobs: dict[str, Job] = {}
        self._queued: OrderedDict[str, Job] = OrderedDict()
        self._roster = Roster()
        self._deadlines = Deadlines()
        self._released: list[tuple[Hold, Reply]] = []
        self._stopped: list[tuple[str, str]] = []
        self._replaced: list[str] = []
        self._present = dict.fromkeys(State, 0)
        self._completed = self._failed = self._retried = 0
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
        for due, job in self._deadlines.passed(now):
            if due >= job.expires_at:
                self._forget(job)
            elif due >= job.overrun_at:
                self._overrun(job, due)
            elif due >= job.lease_until:
                self._lost(job, due, stop=True)
                self._dispatch(due)
            else:
                self._set_due(job)  # its lease was renewed meanwhile

    def next_deadline(self) -> float | None:
        """Return when `advance` has something to do, or None."""
        return self._deadlines.next()

    def released(self) -> list[tuple[Hold, Reply]]:
        """Return the holds that were answered since the last call, in order."""
        released, self._released = self._released, []
        return released

    def stopped(self) -> list[tuple[str, str]]:
        """Return (worker id, job id) of jobs that ended without their worker in this process, since the last call."""
        stopped, self._stopped = self._stopped, []
        return stopped

    def replaced(self) -> list[str]:
        """Return the supervised workers that asked to be replaced, since the last call."""
        replaced, self._replaced = self._replaced, []
        return replaced

    def expire_hold(self, hold: Hold, now: float) -> Reply:
        """Answer a hold whose wait is over with how things stand; one that was answered keeps its answer."""
        self.advance(now)
        if hold.reply is None:
            self.drop_hold(hold)
            hold.reply = Reply(Outcome.DONE) if hold.job is None else self._answer(hold, hold.job)
        return hold.reply

    def drop_hold(self, hold: Hold) -> None:
        """Forget a hold that nobody waits for any more."""
        if hold.job is None:
            self._roster.drop(hold)
        elif hold in hold.job.holds:
            hold.job.holds.remove(hold)

    def hang_up(self, hold: Hold, now: float) -> None:
        """Forget a hold whose caller has closed the connection: a worker that does so may be dead."""
        request = hold.request
        if isinstance(request, ask.Take | ask.WatchStops):
            for job in self._roster.hang_up(hold, request.worker_id, now):
                self._set_due(job)
        else:
            self.drop_hold(hold)

    def records(self) -> list[JobRecord]:
        """Return every job that is still known, the oldest first."""
        return [record_of(job, self.endpoint_id) for job in self._jobs.values()]

    def clear(self) -> None:
        """Forget every job and every count, at once; idle workers go on waiting, running ones are told to stop.

        Holds of users are not answered; whoever clears does it.
        """
        self._jobs = {}
        self._queued = OrderedDict()
        self._deadlines = Deadlines()
        for worker_id, taken in self._workers.items():
            self._stopped += [(worker_id, job_id) for job_id in taken]
            taken.clear()
        self._present = dict.fromkeys(State, 0)
        self._completed = self._failed = self._retried = 0

    # What users ask.

    def _submit(self, request: ask.Submit, now: float) -> Reply | Hold:
        job_id = self._new_id()
        if request.wait is not None:
            job_id = f"sync-{job_id}"  # live
        job = Job(job_id, request, now)
        self._jobs[job_id] = self._queued[job_id] = job
        self._present[State.IN_QUEUE] += 1
        if self._observe is not None:
            self._observe(self.endpoint_id, job, None, None)
        self._set_due(job)
        self._dispatch(now)
        if request.wait is None:
            return Reply(Outcome.DONE, {"id": job_id, "status": State.IN_QUEUE.value})
        return self._hold(Hold(request, now + request.wait, job), job)

    def _status(self, request: ask.Status, now: float) -> Reply | Hold:
        job = self._jobs.get(request.job_id)
        if job is not None and request.ttl is not None:
            job.ttl_at = job.submitted_at + request.ttl  # assumed: counted from submission, as policy.ttl is
            job.expires_at = min(job.ttl_at, math.inf if job.finished_at is None else self._kept_until(job))
            self._set_due(job)
            self.advance(now)
            job = self._jobs.get(request.job_id)
        if job is None:
            return _NOT_FOUND
        if request.wait <= 0 or job.state in FINAL:
            return Reply(Outcome.DONE, job.view())
        return self._hold(Hold(request, now + request.wait, job), job)

    def _read_stream(self, request: ask.ReadStream, now: float) -> Reply | Hold:
        job = self._jobs.get(request.job_id)
        if job is None:
            return _NOT_FOUND
        if request.wait <= 0 or job.chunks or job.state in FINAL:
            return _read(job)
        return self._hold(Hold(request, now + request.wait, job), job)

    def _cancel(self, request: ask.Cancel, now: float) -> Reply:
        job = self._jobs.get(request.job_id)
        if job is None:
            return _NOT_FOUND
        # assumed: a second cancel is answered as the first; for the other finished jobs see Options.cancel_finished
        finished = job.state in FINAL and job.state is not State.CANCELLED
        if finished and self._options.cancel_finished == "refused":
            return Reply(Outcome.REFUSED, message=f"job is {job.state}; it cannot be cancelled")
        if self._move(job, Event.CANCEL):
            self._queued.pop(job.id, None)
            self._end(job, now, stop=True)
        return Reply(Outcome.DONE, job.view())

    def _retry(self, request: ask.Retry, now: float) -> Reply:
        job = self._jobs.get(request.job_id)
        if job is None:
            return _NOT_FOUND
        if not self._move(job, Event.RETRY):  # docs: operation-reference#retry; assumed: the wording
            return Reply(Outcome.REFUSED, message=f"job is {job.state}; only a FAILED or TIMED_OUT job can be retried")
        self._retried += 1
        job.clear(now)
        self._queued[job.id] = job
        self._set_due(job)
        self._dispatch(now)
        return Reply(Outcome.DONE, {"id": job.id, "status": State.IN_QUEUE.value})

    def _purge(self, _: ask.Purge, now: float) -> Reply:
        removed = list(self._queued.values())
        self._queued.clear()
        for job in removed:
            self._move(job, Event.PURGE)
            self._end(job, now)
        return Reply(Outcome.DONE, {"removed": len(removed), "status": "completed"})

    def _health(self, _: ask.Health, now: float) -> Reply:
        jobs = {
            "completed": self._completed,
            "failed": self._failed,
            "inProgress": self._present[State.IN_PROGRESS],
            "inQueue": self._present[State.IN_QUEUE],
            "retried": self._retried,
        }
        return Reply(Outcome.DONE, {"jobs": jobs, "workers": self._roster.gauges(now)})

    # What workers ask.

    def _take(self, request: ask.Take, now: float) -> Reply | Hold:
        worker = self._roster.hear(request.worker_id, request.lease, now)
        worker.has_asked = True
        wait = math.inf if request.wait is None else request.wait
        if worker.is_draining:
            return Hold(request, now + min(wait, DRAINING_HOLD))
        if self._queued:
            return Reply(Outcome.DONE, self._hand(worker, request, now))
        hold = Hold(request, now + wait)
        self._roster.takers[hold] = worker
        return hold

    def _watch_stops(self, request: ask.WatchStops, now: float) -> Reply | Hold:
        worker = self._roster.hear(request.worker_id, request.lease, now)
        if worker.stops:
            return Reply(Outcome.DONE, worker.told())
        hold = Hold(request, now + min(request.wait, DRAINING_HOLD if worker.is_draining else math.inf))
        worker.watchers.append(hold)
        return hold

    def _ping(self, request: ask.Ping, now: float) -> Reply:
        worker = self._roster.find(request.worker_id)
        if worker is not None:
            for job_id in request.job_ids:
                if job_id in worker.jobs:
                    worker.renew(worker.jobs[job_id], now)
        return _NOTED

    def _finish(self, request: ask.Finish, now: float) -> Reply:
        job = self._jobs.get(request.job_id)
        if job is None:
            return _NOT_FOUND  # a late result, after the ttl
        failed = request.error is not None
        # A late result is taken and ignored: sync handlers run on after a cancel.
        if job.worker_id == request.worker_id and self._move(job, Event.FAIL if failed else Event.SUCCEED):
            job.output = request.output
            job.error = _text(request.error) if failed else None
            self._end(job, now)
        worker = self._roster.find(request.worker_id)
        if worker is not None:
            worker.stops.pop(job.id, None)
            if request.stop_pod and worker.is_supervised and not worker.is_draining:
                worker.is_draining = True
                self._replaced.append(worker.id)
        return _NOTED

    def _progress(self, request: ask.Progress, now: float) -> Reply:
        job = self._reporting(request, now)
        if job is not None:
            job.progress = request.output
        return _NOTED

    def _chunk(self, request: ask.Chunk, now: float) -> Reply:
        job = self._reporting(request, now)
        if job is not None:
            job.chunks.append(request.body)
            reader = next((hold for hold in job.holds if isinstance(hold.request, ask.ReadStream)), None)
            if reader is not None:
                job.holds.remove(reader)
                self._release(reader, _read(job))
        return _NOTED

    def _lose(self, request: ask.Lose, now: float) -> Reply:
        worker = self._roster.find(request.worker_id)
        if worker is not None and request.job_id in worker.jobs:
            self._lost(worker.jobs[request.job_id], now)
            self._dispatch(now)
        return _NOTED

    def _leave(self, request: ask.Leave, now: float) -> Reply:
        worker = self._roster.leave(request.worker_id)
        if worker is None:
            return _NOTED
        for job in list(worker.jobs.values()):
            self._lost(job, now)
        self._dispatch(now)
        return Reply(Outcome.DONE, {"was_ready": worker.has_asked})

    def _expect(self, request: ask.Expect, _: float) -> Reply:
        self._roster.expect(request.worker_id, healthy=request.healthy)
        return _NOTED

    def _drain(self, request: ask.Drain, _: float) -> Reply:
        for hold in self._roster.drain(request.worker_id):
            self._release(hold, Reply(Outcome.DONE))
        return _NOTED

    # What happens to a job.

    def _move(self, job: Job, event: Event) -> bool:
        """Apply `event`; False where the table refuses it."""
        before, state = job.state, next_state(job.state, event)
        if state is not None:
            self._present[before] -= 1
            self._present[state] += 1
            job.state = state
        if self._observe is not None:
            self._observe(self.endpoint_id, job, event, None if state is None else before)
        return state is not None

    def _dispatch(self, now: float) -> None:
        """Give queued jobs to idle workers."""
        while self._queued and self._roster.takers:
            hold, worker = self._roster.takers.popitem(last=False)
            self._release(hold, Reply(Outcome.DONE, self._hand(worker, hold.request, now)))

    def _hand(self, worker: Worker, request: Any, now: float) -> dict[str, Any]:
        """Hand out what a take takes."""
        if request.batch is None:
            return self._start(worker, now)
        return {"jobs": [self._start(worker, now) for _ in range(min(request.batch, len(self._queued)))]}

    def _start(self, worker: Worker, now: float) -> dict[str, Any]:
        """Hand the first queued job to `worker`."""
        _, job = self._queued.popitem(last=False)
        job.worker_id = worker.id
        self._move(job, Event.TAKE)
        job.taken_at = now
        job.overrun_at = now + job.submission.execution_timeout
        job.lease_until = now + worker.lease
        worker.jobs[job.id] = job
        worker.stops.pop(job.id, None)
        self._set_due(job)
        return job.work(keep_empty_input=self._options.empty_input == "delivered")

    def _reporting(self, request: ask.Progress | ask.Chunk, now: float) -> Job | None:
        """Return the job if this worker may still report on it."""
        job = self._jobs.get(request.job_id)
        if job is None or job.worker_id != request.worker_id or not self._move(job, Event.REPORT):
            return None
        worker = self._roster.find(request.worker_id)
        if worker is not None:
            worker.is_suspect = False
            worker.renew(job, now)
        return job

    def _lost(self, job: Job, now: float, *, stop: bool = False) -> None:
        """Queue a job whose worker died once more, ahead of the others (assumed); then give up."""
        if job.retries < MAX_REQUEUES:
            self._retried += 1
            job.retries += 1
            self._move(job, Event.LOSE)
            self._off_worker(job, stop=stop)
            job.taken_at = job.worker_id = None
            job.progress = ask.ABSENT
            job.overrun_at = job.lease_until = math.inf
            self._queued[job.id] = job
            self._queued.move_to_end(job.id, last=False)
            self._set_due(job)
        elif self._move(job, Event.FAIL):
            job.error = f"job timed out after {job.retries} retries"  # live
            self._end(job, now, stop=stop)

    def _overrun(self, job: Job, now: float) -> None:
        """End a job that ran for too long."""
        self._move(job, Event.OVERRUN if self._options.overrun_status == "FAILED" else Event.TIME_OUT)
        job.error = "executionTimeout exceeded"  # reported x10
        self._end(job, now, stop=True)

    def _end(self, job: Job, now: float, *, stop: bool = False) -> None:
        """Note the end of a job that has just reached a final state, and answer those who waited for it."""
        self._completed += job.state is State.COMPLETED
        self._failed += job.state in (State.FAILED, State.TIMED_OUT)
        job.finished_at = now
        job.expires_at = min(job.ttl_at, self._kept_until(job))
        self._off_worker(job, stop=stop)
        self._set_due(job)
        self._answer_all(job)

    def _forget(self, job: Job) -> None:
        """Drop a job whose time is over; who still waits for it is told 404."""
        self._queued.pop(job.id, None)
        self._off_worker(job, stop=True)
        del self._jobs[job.id]
        self._move(job, Event.EXPIRE)
        self._deadlines.clear(job)
        self._answer_all(job)

    def _off_worker(self, job: Job, *, stop: bool = False) -> None:
        """Take a job off its worker; `stop`: the worker does not know yet."""
        worker = self._roster.find(job.worker_id)
        if worker is None or worker.jobs.pop(job.id, None) is None or not stop:
            return
        if not worker.is_remote:
            self._stopped.append((worker.id, job.id))
            return
        worker.stops[job.id] = None
        if worker.watchers:
            self._release(worker.watchers.pop(0), Reply(Outcome.DONE, worker.told()))

    def _kept_until(self, job: Job) -> float:
        return math.inf if job.finished_at is None else job.finished_at + job.submission.retention

    def _set_due(self, job: Job) -> None:
        running = job.state is State.IN_PROGRESS
        due = min(job.expires_at, job.overrun_at, job.lease_until) if running else job.expires_at
        self._deadlines.set(job, due)

    # Holds.

    @staticmethod
    def _hold(hold: Hold, job: Job) -> Hold:
        job.holds.append(hold)
        return hold

    def _release(self, hold: Hold, reply: Reply) -> None:
        hold.reply = reply
        self._released.append((hold, reply))

    def _answer_all(self, job: Job) -> None:
        holds, job.holds = job.holds, []
        for hold in holds:
            self._release(hold, self._answer(hold, job))

    @staticmethod
    def _answer(hold: Hold, job: Job) -> Reply:
        if job.state is State.GONE:
            return _NOT_FOUND
        return _read(job) if isinstance(hold.request, ask.ReadStream) else Reply(Outcome.DONE, job.view())


def _read(job: Job) -> Reply:
    """Hand out the chunks; they leave at once, so a final status always comes with the last of them."""
    chunks, job.chunks = job.chunks, []
    return Reply(Outcome.DONE, {"status": job.state.value, "stream": chunks})


def _text(error: Any) -> str:
    """Return an error as a string: the official Go client takes nothing else (assumed: JSON for other values)."""
    return error if isinstance(error, str) else json.dumps(error)
