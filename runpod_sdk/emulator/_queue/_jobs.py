"""The jobs of one endpoint: their states, queue order, retention, and waiting callers. Pure.

Which worker has which job, and for how long that is believed, is the business of `_workers.py`; what a request does to
both is decided in `_queue.py`. The rule for the time to live is `Jobs.keep`, and nothing else.
"""

from __future__ import annotations

import heapq
import itertools
import math
from bisect import bisect_left
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from runpod_sdk.emulator._limits import MAX_REQUEUES
from runpod_sdk.emulator._queue import _requests as ask
from runpod_sdk.emulator._queue._effects import JobChange, Webhook
from runpod_sdk.emulator._queue._job import QueuedJob
from runpod_sdk.emulator._queue._machine import TABLE, Event, State
from runpod_sdk.emulator._queue._measures import BOUNDS, Histogram
from runpod_sdk.emulator._queue._requests import ABSENT, Reply, ReplyKind

if TYPE_CHECKING:
    from runpod_sdk.emulator._options import Options
    from runpod_sdk.emulator._queue._effects import Effects
    from runpod_sdk.emulator._queue._requests import Hold, Submit
    from runpod_sdk.emulator._queue._workers import Lease

NOT_FOUND = Reply(ReplyKind.NOT_FOUND, message="job not found")  # reported: the wording
# Outdated rows of the heap that are not worth the work of dropping them.
_OUTDATED_MIN = 1000


class Jobs:
    """All jobs of a queue.

    Attributes:
        known: those that are not forgotten, by id, the oldest first.
        queued: those that wait for a worker, in order.
        failure: what happens to one whose worker sends an error, or that was lost too often.
        present: how many jobs are in each state.
        low: how many of them have `lowPriority`.
        completed: how many have ended so; `failed` and `retried` likewise.
        delays: how long they were in the queue; `executions` how long they ran.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self.failure = Event.FAIL if options.failed_status == "FAILED" else Event.ERROR
        self.clear()

    def clear(self) -> None:
        """Forget every job and every count, at once."""
        self.known: dict[str, QueuedJob] = {}
        self.queued: OrderedDict[str, QueuedJob] = OrderedDict()
        self.present = dict.fromkeys(State, 0)
        self.low = dict.fromkeys(State, 0)
        self.completed = self.failed = self.retried = 0
        self.delays, self.executions = Histogram(), Histogram()
        self._due: list[tuple[float, int, QueuedJob]] = []  # a heap; `QueuedJob.due` says which row counts
        self._order = itertools.count()
        self._outdated = 0  # rows, at most: each keeps a job in memory for as long as its ttl

    def restore(self, jobs: list[QueuedJob], counts: dict[str, Any]) -> None:
        """Go on with jobs that were kept, the oldest first, and with `counts` as they gave them."""
        self.completed, self.failed, self.retried = (counts.get(name, 0) for name in ("completed", "failed", "retried"))
        self.present[State.GONE] = counts.get("gone", 0)
        for name, histogram in (("delays", self.delays), ("executions", self.executions)):
            histogram.counts, histogram.total = counts.get(name, (histogram.counts, histogram.total))
        for job in jobs:
            self.known[job.id] = job
            self.present[job.state] += 1
            self.low[job.state] += job.submission.low_priority
            self.keep(job)
        # One that was given back stands before those that came after it, and one that is retried behind those before.
        for job in sorted(jobs, key=lambda job: job.queued_at):
            if job.state is State.IN_QUEUE:
                self.queued[job.id] = job

    def counts(self) -> dict[str, Any]:
        """Return what was counted, beside the jobs themselves."""
        return {
            "completed": self.completed,
            "failed": self.failed,
            "retried": self.retried,
            "gone": self.present[State.GONE],
            "delays": (list(self.delays.counts), self.delays.total),
            "executions": (list(self.executions.counts), self.executions.total),
        }

    # What happens to a job.

    def add(self, job_id: str, submission: Submit, now: float, effects: Effects) -> QueuedJob:
        """Queue a new job."""
        job = QueuedJob(job_id, submission, now, now, submission.ttl)
        self.known[job_id] = self.queued[job_id] = job
        self.present[State.IN_QUEUE] += 1
        self.low[State.IN_QUEUE] += submission.low_priority
        effects.changes.append(JobChange(job_id, None, None, State.IN_QUEUE, None, 0, submission.input))
        self.keep(job)
        return job

    def move(self, job: QueuedJob, event: Event, effects: Effects) -> bool:
        """Apply `event`; False where the table refuses it."""
        before, after = job.state, TABLE.get((job.state, event))
        if after is None:
            effects.changes.append(JobChange(job.id, event, None, before, job.worker_id, job.retries))
            return False
        self.present[before] -= 1
        self.present[after] += 1
        if job.submission.low_priority:
            self.low[before] -= 1
            self.low[after] += 1
        job.state = after
        effects.changes.append(JobChange(job.id, event, before, after, job.worker_id, job.retries))
        return True

    def ignore(self, job: QueuedJob, event: Event, effects: Effects) -> None:
        """Record a message from a worker that does not have the job."""
        effects.changes.append(JobChange(job.id, event, None, job.state, job.worker_id, job.retries))

    def start(self, worker_id: str, lease: Lease, now: float, effects: Effects) -> QueuedJob:
        """Give the first queued job to a worker."""
        _, job = self.queued.popitem(last=False)
        job.worker_id = worker_id
        job.lease = lease
        job.taken_at = now
        # Counted here and in `end` itself: it is done for each job, and a call costs more than it.
        self.delays.counts[bisect_left(BOUNDS, now - job.queued_at)] += 1
        self.delays.total += now - job.queued_at
        job.overrun_at = now + job.submission.execution_timeout
        self.move(job, Event.TAKE, effects)
        self.look_again(job)
        return job

    def lose(self, job: QueuedJob, now: float, effects: Effects) -> None:
        """Queue a job whose worker lost it once more, ahead of the others (assumed); then give up."""
        if job.retries >= MAX_REQUEUES:
            if self.move(job, self.failure, effects):
                job.error = f"job timed out after {job.retries} retries"  # live
                self.end(job, now, effects)
            return
        self.retried += 1
        job.retries += 1
        self.move(job, Event.LOSE, effects)
        job.taken_at = job.worker_id = job.lease = None
        job.progress = ABSENT
        job.overrun_at = math.inf
        self.queued[job.id] = job
        self.queued.move_to_end(job.id, last=False)
        self.look_again(job)

    def overrun(self, job: QueuedJob, now: float, effects: Effects) -> None:
        """End a job that ran for too long."""
        self.move(job, Event.OVERRUN if self._options.overrun_status == "FAILED" else Event.TIME_OUT, effects)
        job.error = "executionTimeout exceeded"  # reported x10
        self.end(job, now, effects)

    def end(self, job: QueuedJob, now: float, effects: Effects) -> None:
        """Note the end of a job that has just reached a final state, and answer those who waited for it."""
        self.completed += job.state is State.COMPLETED
        self.failed += job.state in (State.FAILED, State.TIMED_OUT, State.ERROR)
        self.queued.pop(job.id, None)
        job.finished_at = now
        if job.taken_at is not None:
            self.executions.counts[bisect_left(BOUNDS, now - job.taken_at)] += 1
            self.executions.total += now - job.taken_at
        if job.submission.webhook and (job.state is not State.CANCELLED or self._options.webhook_on_cancel):
            effects.webhooks.append(Webhook(job.submission.webhook, job.id, job.view()))
        self.keep(job)
        if job.holds:
            self._answer_all(job, effects)

    def restart(self, job: QueuedJob, now: float) -> None:
        """Queue a job again that was told to be retried, as if it had never run."""
        self.retried += 1
        job.queued_at = now
        job.taken_at = job.finished_at = job.worker_id = job.lease = job.error = None
        job.overrun_at = math.inf
        job.output = job.progress = ABSENT
        job.retries = 0
        job.chunks.clear()
        self.queued[job.id] = job
        self.keep(job)

    def forget(self, job: QueuedJob, effects: Effects) -> None:
        """Drop a job whose retention is over; callers still waiting for it get 404."""
        self.queued.pop(job.id, None)
        del self.known[job.id]
        self.move(job, Event.EXPIRE, effects)
        self._outdate()
        job.due = math.inf
        self._answer_all(job, effects)

    # How long a job is kept, and when to look at it.

    def keep(self, job: QueuedJob) -> None:
        """Say when a job is forgotten: after its ttl, in whatever state, or its retention after its end."""
        job.expires_at = job.submitted_at + job.ttl  # assumed: ?ttl= counts from the submission, as policy.ttl does
        if job.finished_at is not None:
            job.expires_at = min(job.expires_at, job.finished_at + job.submission.retention)
        self.look_again(job)

    def look_again(self, job: QueuedJob) -> None:
        """Note when to look at a job again, and no longer when it was said before."""
        due = job.expires_at
        if job.state is State.IN_PROGRESS and job.lease is not None:
            due = min(due, job.overrun_at, job.lease.ends)
        if due != job.due:
            if job.due != math.inf:
                self._outdate()
            job.due = due
            heapq.heappush(self._due, (due, next(self._order), job))

    def due_by(self, now: float) -> tuple[QueuedJob, float] | None:
        """Return the job that is due first, if it is by `now`, and when it was."""
        while self._due and self._due[0][0] <= now:
            due, _, job = heapq.heappop(self._due)
            if job.due == due:
                return job, due
        return None

    def next_deadline(self) -> float:
        """Return when the next job is due, or infinity."""
        while self._due and self._due[0][2].due != self._due[0][0]:
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else math.inf

    def _outdate(self) -> None:
        """Count a row that no longer holds, and drop all of those once they are the most."""
        self._outdated += 1
        if self._outdated > max(_OUTDATED_MIN, len(self._due) // 2):
            self._due = [row for row in self._due if row[0] == row[2].due]
            heapq.heapify(self._due)
            self._outdated = 0

    # Who waits for a job, and what it looks like.

    def hold(self, request: ask.Submit | ask.Status | ask.ReadStream, until: float, job: QueuedJob) -> Hold:
        """Add a caller that waits for a job."""
        hold = ask.Hold(request, until, job.id)
        job.holds.append(hold)
        return hold

    def drop(self, hold: Hold) -> None:
        """Forget who waits no more."""
        job = self.known.get(hold.job_id or "")
        if job is not None and hold in job.holds:
            job.holds.remove(hold)

    def answer(self, hold: Hold, effects: Effects) -> Reply:
        """Return the answer to a held request, given the job's present state."""
        job = self.known.get(hold.job_id or "")
        if job is None:
            return NOT_FOUND
        return read(job, effects) if isinstance(hold.request, ask.ReadStream) else Reply(ReplyKind.DONE, job.view())

    def _answer_all(self, job: QueuedJob, effects: Effects) -> None:
        holds, job.holds = job.holds, []
        for hold in holds:
            effects.answer(hold, self.answer(hold, effects))

    def work(self, job: QueuedJob) -> dict[str, Any]:
        """Return what the worker gets.  # live: of an empty input it gets nothing at all."""
        body: dict[str, Any] = {"id": job.id}
        if job.submission.input or self._options.empty_input == "delivered":
            body["input"] = job.submission.input
        body.update(job.submission.extras)
        return body


def read(job: QueuedJob, effects: Effects) -> Reply:
    """Hand out the chunks; they leave at once, so a final status always comes with the last of them."""
    chunks, job.chunks = job.chunks, []
    if chunks:
        effects.streams.append((job.id, None))
    return Reply(ReplyKind.DONE, {"status": job.state.value, "stream": chunks})


def cause_of(job: QueuedJob, due: float) -> Event | None:
    """Return what is due of a job at `due`; None: nothing, as its lease was renewed meanwhile."""
    if due >= job.expires_at:
        return Event.EXPIRE
    if due >= job.overrun_at:
        return Event.OVERRUN
    return Event.LOSE if job.lease is not None and due >= job.lease.ends else None
