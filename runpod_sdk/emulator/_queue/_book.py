"""The jobs of one endpoint: where each is, what becomes of it, and who waits for it. Pure.

`_queue.py` is told what users and workers ask, and decides with `_machine.py` what that does to a job; here the
consequences are drawn: deadlines, counts, the worker's side of it, and the answers to those who wait.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from runpod_sdk.emulator._limits import MAX_REQUEUES
from runpod_sdk.emulator._queue import _requests as ask
from runpod_sdk.emulator._queue._deadlines import Deadlines
from runpod_sdk.emulator._queue._machine import Event, State, next_state
from runpod_sdk.emulator._queue._requests import Hold, Notice, Outcome, Reply
from runpod_sdk.emulator._queue._roster import Roster

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_sdk.emulator._options import Options
    from runpod_sdk.emulator._queue._jobs import Job
    from runpod_sdk.emulator._queue._roster import Worker

    Observer = Callable[[str, Job, Event | None, State | None], None]

NOT_FOUND = Reply(Outcome.NOT_FOUND, message="job not found")  # reported: the wording


class Book:
    """All jobs of a queue.

    Attributes:
        jobs: those that are known, by id, the oldest first.
        queued: those that wait for a worker, in order.
        roster: the workers.
        released: holds that were answered, and not yet collected.
        notices: webhooks that are to be sent, not yet collected.
        stopped: (worker id, job id) of jobs that ended without their worker in this process, not yet collected.
        present: how many jobs are in each state.
    """

    def __init__(self, endpoint_id: str, options: Options, observe: Observer | None) -> None:
        self._endpoint_id = endpoint_id
        self._options = options
        self._observe = observe
        self.roster = Roster()
        self.released: list[tuple[Hold, Reply]] = []
        self.stopped: list[tuple[str, str]] = []
        self.notices: list[Notice] = []
        self._begin()

    def _begin(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.queued: OrderedDict[str, Job] = OrderedDict()
        self._deadlines = Deadlines()
        self.present = dict.fromkeys(State, 0)
        self.completed = self.failed = self.retried = 0

    def clear(self) -> None:
        """Forget every job and every count, at once; workers stay, and are told to stop what they run."""
        for job in [job for job in self.jobs.values() if job.state is State.IN_PROGRESS]:
            self.off_worker(job, stop=True)
        self._begin()

    def add(self, job: Job) -> None:
        """Queue a new job."""
        self.jobs[job.id] = self.queued[job.id] = job
        self.present[State.IN_QUEUE] += 1
        if self._observe is not None:
            self._observe(self._endpoint_id, job, None, None)
        self.set_due(job)

    def advance(self, now: float) -> None:
        """Apply every deadline up to `now`, each at its own time."""
        for due, job in self._deadlines.passed(now):
            if due >= job.expires_at:
                self.forget(job)
            elif due >= job.overrun_at:
                self.overrun(job, due)
            elif due >= job.lease_until:
                self.lost(job, due, stop=True)
                self.dispatch(due)
            else:
                self.set_due(job)  # its lease was renewed meanwhile

    def next_deadline(self) -> float | None:
        """Return when `advance` has something to do, or None."""
        return self._deadlines.next()

    def move(self, job: Job, event: Event) -> bool:
        """Apply `event`; False where the table refuses it."""
        before, state = job.state, next_state(job.state, event)
        if state is not None:
            self.present[before] -= 1
            self.present[state] += 1
            job.state = state
        if self._observe is not None:
            self._observe(self._endpoint_id, job, event, None if state is None else before)
        return state is not None

    def ignore(self, job: Job, event: Event) -> None:
        """Note what somebody sent who does not have the job."""
        if self._observe is not None:
            self._observe(self._endpoint_id, job, event, None)

    def dispatch(self, now: float) -> None:
        """Give queued jobs to idle workers."""
        while self.queued and self.roster.takers:
            hold, worker = self.roster.takers.popitem(last=False)
            self.release(hold, Reply(Outcome.DONE, self.hand(worker, hold.request, now)))

    def hand(self, worker: Worker, request: Any, now: float) -> dict[str, Any]:
        """Hand out what a take takes."""
        if request.batch is None:
            return self.start(worker, now)
        return {"jobs": [self.start(worker, now) for _ in range(min(request.batch, len(self.queued)))]}

    def start(self, worker: Worker, now: float) -> dict[str, Any]:
        """Hand the first queued job to `worker`."""
        _, job = self.queued.popitem(last=False)
        job.worker_id = worker.id
        self.move(job, Event.TAKE)
        job.taken_at = now
        job.overrun_at = now + job.submission.execution_timeout
        job.lease_until = now + worker.lease
        worker.jobs[job.id] = job
        worker.stops.pop(job.id, None)
        self.set_due(job)
        return job.work(keep_empty_input=self._options.empty_input == "delivered")

    def reporting(self, request: ask.Progress | ask.Chunk, now: float) -> Job | None:
        """Return the job if this worker may still report on it."""
        job = self.jobs.get(request.job_id)
        if job is None or job.worker_id != request.worker_id or not self.move(job, Event.REPORT):
            return None
        worker = self.roster.find(request.worker_id)
        if worker is not None:
            worker.trust()
            worker.renew(job, now)
        return job

    def lost(self, job: Job, now: float, *, stop: bool = False) -> None:
        """Queue a job whose worker died once more, ahead of the others (assumed); then give up."""
        if job.retries < MAX_REQUEUES:
            self.retried += 1
            job.retries += 1
            self.move(job, Event.LOSE)
            self.off_worker(job, stop=stop)
            job.taken_at = job.worker_id = None
            job.progress = ask.ABSENT
            job.overrun_at = job.lease_until = math.inf
            self.queued[job.id] = job
            self.queued.move_to_end(job.id, last=False)
            self.set_due(job)
        elif self.move(job, Event.FAIL):
            job.error = f"job timed out after {job.retries} retries"  # live
            self.end(job, now, stop=stop)

    def overrun(self, job: Job, now: float) -> None:
        """End a job that ran for too long."""
        self.move(job, Event.OVERRUN if self._options.overrun_status == "FAILED" else Event.TIME_OUT)
        job.error = "executionTimeout exceeded"  # reported x10
        self.end(job, now, stop=True)

    def end(self, job: Job, now: float, *, stop: bool = False) -> None:
        """Note the end of a job that has just reached a final state, and answer those who waited for it."""
        self.completed += job.state is State.COMPLETED
        self.failed += job.state in (State.FAILED, State.TIMED_OUT)
        job.finished_at = now
        job.expires_at = min(job.ttl_at, self.kept_until(job))
        if job.submission.webhook and (job.state is not State.CANCELLED or self._options.webhook_on_cancel):
            self.notices.append(Notice(job.submission.webhook, job.id, job.view()))
        self.off_worker(job, stop=stop)
        self.set_due(job)
        self._answer_all(job)

    def forget(self, job: Job) -> None:
        """Drop a job whose time is over; who still waits for it is told 404."""
        self.queued.pop(job.id, None)
        self.off_worker(job, stop=True)
        del self.jobs[job.id]
        self.move(job, Event.EXPIRE)
        self._deadlines.clear(job)
        self._answer_all(job)

    def off_worker(self, job: Job, *, stop: bool = False) -> None:
        """Take a job off its worker; `stop`: the worker does not know yet."""
        worker = self.roster.find(job.worker_id)
        if worker is None or worker.jobs.pop(job.id, None) is None or not stop:
            return
        if not worker.is_remote:
            self.stopped.append((worker.id, job.id))
            return
        worker.stops[job.id] = None
        if worker.watchers:
            self.release(worker.watchers.pop(0), Reply(Outcome.DONE, worker.told()))

    @staticmethod
    def kept_until(job: Job) -> float:
        """Return when a finished job is forgotten, if its ttl does not end first."""
        return math.inf if job.finished_at is None else job.finished_at + job.submission.retention

    def set_due(self, job: Job) -> None:
        """Note when to look at a job again."""
        running = job.state is State.IN_PROGRESS
        due = min(job.expires_at, job.overrun_at, job.lease_until) if running else job.expires_at
        self._deadlines.set(job, due)

    def release(self, hold: Hold, reply: Reply) -> None:
        """Answer a hold."""
        hold.reply = reply
        self.released.append((hold, reply))

    def _answer_all(self, job: Job) -> None:
        holds, job.holds = job.holds, []
        for hold in holds:
            self.release(hold, self.answer(hold, job))

    @staticmethod
    def answer(hold: Hold, job: Job) -> Reply:
        """Return what a hold is told of its job."""
        if job.state is State.GONE:
            return NOT_FOUND
        return read(job) if isinstance(hold.request, ask.ReadStream) else Reply(Outcome.DONE, job.view())


def read(job: Job) -> Reply:
    """Hand out the chunks; they leave at once, so a final status always comes with the last of them."""
    chunks, job.chunks = job.chunks, []
    return Reply(Outcome.DONE, {"status": job.state.value, "stream": chunks})
