"""Whatever happens to a queue, in whatever order: no final state changes by itself, and every job is counted."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from runpod_sdk.emulator._queue import _requests as ask
from runpod_sdk.emulator._queue._requests import Hold, Reply, ReplyKind
from tests.emulator.queues import Queue

FINAL = {"COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"}
WORKERS = ["a", "b", "c"]


class AnyHistory(RuleBasedStateMachine):
    """Users and workers at once, with what they may legally send, and much that they may not."""

    def __init__(self) -> None:
        super().__init__()
        ids = itertools.count()
        self.queue = Queue("e", new_id=lambda: f"job{next(ids)}")
        self.now = 0.0
        self.submitted: list[str] = []
        self.finals: dict[str, dict[str, Any]] = {}
        self.forgotten: set[str] = set()
        self.holds: set[Hold] = set()
        self.reported: list[tuple[str, str]] = []

    def send(self, request: ask.Request) -> Reply | Hold:
        result = self.queue.handle(request, self.now)
        if isinstance(result, Hold):
            self.holds.add(result)
        return result

    def collect(self) -> None:
        for hold, _ in self.queue.released():
            assert hold in self.holds, "answered twice, or never held"
            self.holds.remove(hold)
        self.reported += self.queue.stopped()

    def some_job(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(self.submitted))

    @rule(
        wait=st.sampled_from([None, 1.0, 90.0]),
        ttl=st.sampled_from([10.0, 1_000.0, 86_400.0]),
        timeout=st.sampled_from([5.0, 600.0]),
    )
    def submit(self, wait: float | None, ttl: float, timeout: float) -> None:
        before = {record.id for record in self.queue.records()}
        self.send(ask.Submit(input={"n": 1}, execution_timeout=timeout, ttl=ttl, retention=60.0, wait=wait))
        (new,) = {record.id for record in self.queue.records()} - before
        self.submitted.append(new)

    @rule(worker=st.sampled_from(WORKERS))
    def take(self, worker: str) -> None:
        self.send(ask.Take(worker_id=worker, wait=5.0))

    @precondition(lambda self: self.submitted)
    @rule(
        data=st.data(),
        worker=st.sampled_from(WORKERS),
        request=st.sampled_from([ask.Finish, ask.ReportProgress, ask.Chunk, ask.Lose]),
        error=st.sampled_from([None, "boom"]),
    )
    def report(self, data: st.DataObject, worker: str, request: type[Any], error: str | None) -> None:
        fields: dict[type[Any], dict[str, Any]] = {
            ask.Finish: {"output": 1, "error": error},
            ask.ReportProgress: {"output": 1},
            ask.Chunk: {"body": {"output": 1}},
            ask.Lose: {},
        }
        self.send(request(worker_id=worker, job_id=self.some_job(data), **fields[request]))

    @rule(worker=st.sampled_from(WORKERS))
    def leave(self, worker: str) -> None:
        self.send(ask.Leave(worker_id=worker))

    @precondition(lambda self: self.submitted)
    @rule(data=st.data(), request=st.sampled_from([ask.Status, ask.ReadStream]), wait=st.sampled_from([0.0, 5.0]))
    def look(self, data: st.DataObject, request: type[Any], wait: float) -> None:
        self.send(request(job_id=self.some_job(data), wait=wait))

    @precondition(lambda self: self.submitted)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        self.send(ask.Cancel(job_id=self.some_job(data)))

    @precondition(lambda self: self.submitted)
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        job_id = self.some_job(data)
        before = self.finals.get(job_id)
        reply = self.send(ask.RetryJob(job_id=job_id))
        assert isinstance(reply, Reply)
        may = before is not None and before["status"] in ("FAILED", "TIMED_OUT") and job_id not in self.forgotten
        assert (reply.kind is ReplyKind.DONE) is may
        if may:
            del self.finals[job_id]

    @rule()
    def purge(self) -> None:
        self.send(ask.Purge())

    @rule(seconds=st.sampled_from([0.5, 4.0, 30.0, 400.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.queue.advance(self.now)
        self.collect()
        for hold in [hold for hold in self.holds if hold.until <= self.now]:
            self.queue.expire_hold(hold, self.now)
            self.holds.remove(hold)
        assert (self.queue.next_deadline() or self.now + 1) > self.now

    @invariant()
    def all_is_well(self) -> None:
        self.nothing_final_changes_and_nothing_is_lost()
        self.every_job_is_counted()
        self.nobody_waits_for_a_final_job()
        self.a_job_waits_only_while_no_worker_does()

    def nothing_final_changes_and_nothing_is_lost(self) -> None:
        self.collect()
        records = {record.id: record for record in self.queue.records()}
        for job_id in self.submitted:
            record = records.get(job_id)
            if record is None:
                self.forgotten.add(job_id)
                continue
            assert job_id not in self.forgotten, "came back"
            known = self.finals.get(job_id)
            assert known is None or known == record.state, "a final state changed"
            if record.status in FINAL:
                self.finals[job_id] = record.state

    def every_job_is_counted(self) -> None:
        records = self.queue.records()
        assert len(records) + len(self.forgotten) == len(self.submitted)
        statuses = Counter(record.status for record in records)
        health = self.queue.handle(ask.ReadHealth(), self.now)
        assert isinstance(health, Reply)
        assert health.body["jobs"]["inQueue"] == statuses["IN_QUEUE"]
        assert health.body["jobs"]["inProgress"] == statuses["IN_PROGRESS"]
        assert health.body["jobs"]["completed"] >= statuses["COMPLETED"]
        assert health.body["jobs"]["failed"] >= statuses["FAILED"] + statuses["TIMED_OUT"]

    def nobody_waits_for_a_final_job(self) -> None:
        statuses = {record.id: record.status for record in self.queue.records()}
        for hold in self.holds:
            assert hold.job_id is None or statuses[hold.job_id] not in FINAL

    def a_job_waits_only_while_no_worker_does(self) -> None:
        health = self.queue.handle(ask.ReadHealth(), self.now)
        assert isinstance(health, Reply)
        assert not (health.body["jobs"]["inQueue"] and health.body["workers"]["idle"])


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(max_examples=60, stateful_step_count=40, derandomize=True, deadline=None)
