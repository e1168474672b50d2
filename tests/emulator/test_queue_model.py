"""The queue against the small model of `model.py`, step by step.

`nox -s chaos` takes 100,000 steps (MODEL_STEPS, over the seeds 0 to 9); the default suite takes fewer.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runpod_sdk.emulator import _requests as ask
from runpod_sdk.emulator._queue import Queue
from runpod_sdk.emulator._requests import Hold, Outcome, Reply
from tests.emulator import model
from tests.emulator.model import FINAL, Model

STEPS = int(os.environ.get("MODEL_STEPS", "10000"))
SEEDS = 10
WORKERS = ("a", "b", "c")
OUTPUTS: tuple[Any, ...] = (None, 0, "", [], {"x": 1}, "text")
# Seconds; the last crosses every timeout and retention, and sometimes a ttl.
SPANS = (0.0, 0.5, 3.0, 20.0, 90.0)
Step = tuple[int, int, int]


class Pair:
    """A queue and a model that are told the same things, and must always look the same."""

    def __init__(self) -> None:
        self.now = 0.0
        self.queue = Queue("e", new_id=lambda: f"job{self.model.submitted}")
        self.model = Model()
        self.takes: dict[Hold, str] = {}
        self.effects: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.ids: list[str] = []
        # With these weights each rule is at least a twentieth of the steps that have an effect.
        self.rules = {
            "submit": (self.submit, 20),
            "take": (self.take, 24),
            "finish": (self.finish, 37),
            "late or foreign": (self.foreign, 6),
            "progress": (self.progress, 38),
            "chunk": (self.chunk, 37),
            "read": (self.read, 7),
            "lose": (self.lose, 37),
            "leave": (self.leave, 30),
            "cancel": (self.cancel, 17),
            "retry": (self.retry, 35),
            "purge": (self.purge, 17),
            "time": (self.pass_time, 18),
        }
        self.choices = [name for name, (_, weight) in self.rules.items() for _ in range(weight)]

    def step(self, step: Step) -> None:
        """Do one thing; the first number says what, the others to whom."""
        name = self.choices[step[0] % len(self.choices)]
        rule, _ = self.rules[name]
        done = rule(step[1], step[2])
        (self.effects if done else self.refused)[name] += 1
        self.compare()

    def tell(self, request: ask.Request) -> Reply | Hold:
        return self.queue.handle(request, self.now)

    def job(self, chosen: int, *statuses: str) -> str | None:
        """Return a known job, one with such a status if there is one."""
        known = list(self.model.jobs)
        wanted = [job_id for job_id in known if self.model.jobs[job_id].status in statuses] or known
        return wanted[chosen % len(wanted)] if wanted else None

    # What can be done; True where it had an effect.

    def submit(self, first: int, second: int) -> bool:
        ttl, timeout = (12.0, 100.0, 900.0)[first % 3], (5.0, 40.0, 600.0)[second % 3]
        fields: dict[str, Any] = {"ttl": ttl, "execution_timeout": timeout, "retention": (10.0, 60.0)[first % 2]}
        reply = self.tell(ask.Submit(input={"n": first}, **fields))
        job_id = f"job{self.model.submitted}"
        self.model.submit(job_id, self.now, ttl, timeout, fields["retention"])
        assert isinstance(reply, Reply)
        assert reply.body == {"id": job_id, "status": "IN_QUEUE"}
        self.ids.append(job_id)
        return True

    def take(self, first: int, _: int) -> bool:
        worker = WORKERS[first % 3]
        if worker in self.model.idle:
            return False
        result = self.tell(ask.Take(worker_id=worker))
        self.model.idle.append(worker)
        if isinstance(result, Hold):
            self.takes[result] = worker
        else:
            ((taker, job_id),) = self.model.hand_out(self.now)
            assert (taker, job_id) == (worker, result.body["id"])
        return True

    def finish(self, first: int, second: int) -> bool:
        job_id = self.job(first, "IN_PROGRESS")
        job = self.model.jobs.get(job_id or "")
        if job is None or job.status != "IN_PROGRESS" or job.worker is None:
            return False
        output, error = OUTPUTS[second % len(OUTPUTS)], "boom" if second % 3 else None
        self.tell(ask.Finish(worker_id=job.worker, job_id=job.id, output=output, error=error))
        self.model.finish(job.worker, job.id, self.now, output, error)
        return True

    def foreign(self, first: int, second: int) -> bool:
        """Send a result late, twice, or for somebody else's job: nothing may change."""
        if not self.ids:
            return False
        worker, job_id = WORKERS[second % 3], self.ids[first % len(self.ids)]
        if self.model.running(worker, job_id) is not None:
            return False
        self.tell(ask.Finish(worker_id=worker, job_id=job_id, output="foreign"))
        self.tell(ask.Progress(worker_id=worker, job_id=job_id, output="foreign"))
        self.tell(ask.Chunk(worker_id=worker, job_id=job_id, body={"output": "foreign"}))
        return True

    def progress(self, first: int, second: int) -> bool:
        job = self.model.jobs.get(self.job(first, "IN_PROGRESS") or "")
        if job is None or job.worker is None or job.status != "IN_PROGRESS":
            return False
        self.tell(ask.Progress(worker_id=job.worker, job_id=job.id, output=second))
        job.progress = second
        return True

    def chunk(self, first: int, second: int) -> bool:
        job = self.model.jobs.get(self.job(first, "IN_PROGRESS") or "")
        if job is None or job.worker is None or job.status != "IN_PROGRESS":
            return False
        self.tell(ask.Chunk(worker_id=job.worker, job_id=job.id, body={"output": second}))
        job.chunks.append(second)
        return True

    def read(self, first: int, _: int) -> bool:
        job_id = self.job(first, "IN_PROGRESS", "COMPLETED")
        if job_id is None:
            return False
        reply = self.tell(ask.ReadStream(job_id=job_id))
        assert isinstance(reply, Reply)
        assert reply.body == self.model.read(job_id)
        return True

    def lose(self, first: int, _: int) -> bool:
        job = self.model.jobs.get(self.job(first, "IN_PROGRESS") or "")
        if job is None or job.worker is None or job.status != "IN_PROGRESS":
            return False
        self.tell(ask.Lose(worker_id=job.worker, job_id=job.id))
        self.model.lose(job, self.now)
        self.model.hand_out(self.now)
        return True

    def leave(self, first: int, _: int) -> bool:
        worker = WORKERS[first % 3]
        mine = [job for job in self.model.jobs.values() if job.worker == worker and job.status == "IN_PROGRESS"]
        waits = worker in self.model.idle
        mine.sort(key=lambda job: job.order)
        self.tell(ask.Leave(worker_id=worker))
        self.takes = {hold: taker for hold, taker in self.takes.items() if taker != worker}
        self.model.idle = [taker for taker in self.model.idle if taker != worker]
        for job in mine:
            self.model.lose(job, self.now)
        self.model.hand_out(self.now)
        return waits or bool(mine)

    def cancel(self, first: int, second: int) -> bool:
        job_id = self.job(first, *(("IN_PROGRESS",) if second % 2 else ("IN_QUEUE",)))
        if job_id is None:
            return False
        was_final = self.model.jobs[job_id].status in FINAL
        reply = self.tell(ask.Cancel(job_id=job_id))
        self.model.cancel(job_id, self.now)
        assert isinstance(reply, Reply)
        assert reply.body == self.model.jobs[job_id].view()
        return not was_final

    def retry(self, first: int, _: int) -> bool:
        job_id = self.job(first, "FAILED")
        if job_id is None:
            return False
        job = self.model.jobs[job_id]
        if job.worker is not None and job.status == "IN_PROGRESS":  # there is none that has failed: let one fail
            self.tell(ask.Finish(worker_id=job.worker, job_id=job_id, error="boom"))
            self.model.finish(job.worker, job_id, self.now, model.UNSET, "boom")
        reply = self.tell(ask.Retry(job_id=job_id))
        accepted = self.model.retry(job_id, self.now)
        assert isinstance(reply, Reply)
        assert (reply.outcome is Outcome.DONE) is accepted
        self.model.hand_out(self.now)
        return accepted

    def purge(self, _: int, __: int) -> bool:
        reply = self.tell(ask.Purge())
        assert isinstance(reply, Reply)
        assert reply.body == {"removed": self.model.purge(self.now), "status": "completed"}
        return bool(reply.body["removed"])

    def pass_time(self, first: int, _: int) -> bool:
        before = (len(self.model.jobs), self.model.failed)
        self.now += SPANS[first % len(SPANS)]
        self.queue.advance(self.now)
        self.model.pass_time(self.now)
        return (len(self.model.jobs), self.model.failed) != before

    # What must always hold.

    def compare(self) -> None:
        self.model.hand_out(self.now)
        for hold, reply in self.queue.released():
            worker = self.takes.pop(hold)
            assert self.model.jobs[reply.body["id"]].worker == worker
        self.queue.stopped()
        self.queue.notices()
        records = self.queue.records()
        assert {record.id: record.state for record in records} == {
            job_id: job.view() for job_id, job in self.model.jobs.items()
        }
        health = self.tell(ask.Health())
        assert isinstance(health, Reply)
        assert health.body["jobs"] == self.model.counts()
        busy = {job.worker for job in self.model.jobs.values() if job.status == "IN_PROGRESS"}
        assert health.body["workers"]["idle"] == len(set(self.model.idle) - busy)
        assert self.model.submitted == len(records) + self.model.expired, "conservation"


def random_steps(seed: int, steps: int) -> Pair:
    """Take so many steps; a new pair every thousand, so that early states are seen often."""
    chance = Random(seed)  # noqa: S311  steps that repeat are what is wanted
    total = pair = Pair()
    for number in range(steps):
        if number % 1_000 == 0:
            pair = Pair()
            pair.effects, pair.refused = total.effects, total.refused
        pair.step((chance.randrange(10_000), chance.randrange(10_000), chance.randrange(10_000)))
    return total


def test_the_queue_does_what_the_model_does() -> None:
    effects: Counter[str] = Counter()
    before = time.process_time()
    for seed in range(SEEDS):
        effects += random_steps(seed, STEPS // SEEDS).effects
    rate = STEPS / (time.process_time() - before)
    taken = effects.total()
    shares = {name: count / taken for name, count in effects.items()}
    print(f"\n{STEPS} steps, seeds 0 to {SEEDS - 1}, {rate:.0f} steps a second: {shares}")  # noqa: T201  the result
    assert len(shares) == len(Pair().rules)
    assert min(shares.values()) >= (0.05 if STEPS >= 100_000 else 0.04), "a rule is hardly tried"
    assert rate >= 2_000


@settings(max_examples=50)
@given(steps=st.lists(st.tuples(*[st.integers(0, 9_999)] * 3), max_size=60))
def test_so_it_does_in_any_short_history(steps: list[Step]) -> None:
    pair = Pair()
    for step in steps:
        pair.step(step)


@pytest.mark.parametrize("seconds", SPANS)
def test_time_alone_keeps_them_equal(seconds: float) -> None:
    pair = Pair()
    for number in range(30):
        pair.submit(number, number)
        pair.take(number, 0)
        pair.now += seconds
        pair.queue.advance(pair.now)
        pair.model.pass_time(pair.now)
        pair.compare()
