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
from runpod_sdk.emulator._limits import MAX_REQUEUES
from runpod_sdk.emulator._machine import FINAL, Event, State, next_state
from runpod_sdk.emulator._options import Options
from runpod_sdk.emulator._requests import Hold, Outcome, Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_sdk.emulator._jobs import JobRecord

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
        self._takers: OrderedDict[Hold, str] = OrderedDict()  # idle workers, the longest idle first
        self._workers: dict[str, dict[str, Job]] = {}  # by worker, what it has taken
        self._deadlines = Deadlines()
        self._released: list[tuple[Hold, Reply]] = []
        self._stopped: list[tuple[str, str]] = []
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
            ask.Finish: self._finish,
            ask.Progress: self._progress,
            ask.Chunk: self._chunk,
            ask.Lose: self._lose,
            ask.Leave: self._leave,
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
            else:
                self._overrun(job, due)

    def next_deadline(self) -> float | None:
        """Return when `advance` has something to do, or None."""
        return self._deadlines.next()

    def released(self) -> list[tuple[Hold, Reply]]:
        """Return the holds that were answered since the last call, in order."""
        released, self._released = self._released, []
        return released

    def stopped(self) -> list[tuple[str, str]]:
        """Return (worker id, job id) of running jobs that ended without their worker, since the last call."""
        stopped, self._stopped = self._stopped, []
        return stopped

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
            self._takers.pop(hold, None)
        elif hold in hold.job.holds:
            hold.job.holds.remove(hold)

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

    def _health(self, _: ask.Health, __: float) -> Reply:
        idle = len(self._takers)
        jobs = {
            "completed": self._completed,
            "failed": self._failed,
            "inProgress": self._present[State.IN_PROGRESS],
            "inQueue": self._present[State.IN_QUEUE],
            "retried": self._retried,
        }
        workers = {"idle": idle, "initializing": 0, "ready": idle, "running": len(self._workers) - idle}
        return Reply(Outcome.DONE, {"jobs": jobs, "workers": {**workers, "throttled": 0, "unhealthy": 0}})

    # What workers ask.

    def _take(self, request: ask.Take, now: float) -> Reply | Hold:
        self._workers.setdefault(request.worker_id, {})
        if self._queued:
            return Reply(Outcome.DONE, self._start(request.worker_id, now))
        hold = Hold(request, math.inf if request.wait is None else now + request.wait)
        self._takers[hold] = request.worker_id
        return hold

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
        return _NOTED

    def _progress(self, request: ask.Progress, _: float) -> Reply:
        job = self._reporting(request)
        if job is not None:
            job.progress = request.output
        return _NOTED

    def _chunk(self, request: ask.Chunk, _: float) -> Reply:
        job = self._reporting(request)
        if job is not None:
            job.chunks.append(request.body)
            reader = next((hold for hold in job.holds if isinstance(hold.request, ask.ReadStream)), None)
            if reader is not None:
                job.holds.remove(reader)
                self._release(reader, _read(job))
        return _NOTED

    def _lose(self, request: ask.Lose, now: float) -> Reply:
        job = self._workers.get(request.worker_id, {}).get(request.job_id)
        if job is not None:
            self._lost(job, now)
            self._dispatch(now)
        return _NOTED

    def _leave(self, request: ask.Leave, now: float) -> Reply:
        for hold in [hold for hold, worker_id in self._takers.items() if worker_id == request.worker_id]:
            self.drop_hold(hold)
        for job in list(self._workers.get(request.worker_id, {}).values()):
            self._lost(job, now)
        self._workers.pop(request.worker_id, None)
        self._dispatch(now)
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
        while self._queued and self._takers:
            hold, worker_id = self._takers.popitem(last=False)
            self._release(hold, Reply(Outcome.DONE, self._start(worker_id, now)))

    def _start(self, worker_id: str, now: float) -> dict[str, Any]:
        """Hand the first queued job to `worker_id`."""
        _, job = self._queued.popitem(last=False)
        job.worker_id = worker_id
        self._move(job, Event.TAKE)
        job.taken_at = now
        job.overrun_at = now + job.submission.execution_timeout
        self._workers[worker_id][job.id] = job
        self._set_due(job)
        return job.work(keep_empty_input=self._options.empty_input == "delivered")

    def _reporting(self, request: ask.Progress | ask.Chunk) -> Job | None:
        """Return the job if this worker may still report on it."""
        job = self._jobs.get(request.job_id)
        if job is None or job.worker_id != request.worker_id or not self._move(job, Event.REPORT):
            return None
        return job

    def _lost(self, job: Job, now: float) -> None:
        """Queue a job whose worker died once more, ahead of the others (assumed); then give up."""
        if job.retries < MAX_REQUEUES:
            self._retried += 1
            job.retries += 1
            self._move(job, Event.LOSE)
            self._off_worker(job)
            job.taken_at = job.worker_id = None
            job.progress = ask.ABSENT
            job.overrun_at = math.inf
            self._queued[job.id] = job
            self._queued.move_to_end(job.id, last=False)
            self._set_due(job)
        elif self._move(job, Event.FAIL):
            job.error = f"job timed out after {job.retries} retries"  # live
            self._end(job, now)

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
        taken = self._workers.get(job.worker_id or "", {})
        if taken.pop(job.id, None) is not None and stop and job.worker_id is not None:
            self._stopped.append((job.worker_id, job.id))

    def _kept_until(self, job: Job) -> float:
        return math.inf if job.finished_at is None else job.finished_at + job.submission.retention

    def _set_due(self, job: Job) -> None:
        running = job.state is State.IN_PROGRESS
        self._deadlines.set(job, min(job.expires_at, job.overrun_at) if running else job.expires_at)

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
