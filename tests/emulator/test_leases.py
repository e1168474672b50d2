"""What becomes of a job whose worker vanishes: asked of a queue directly, at every boundary of the job's life."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk.emulator import Options
from runpod_sdk.emulator._limits import DRAINING_HOLD, HANG_UP_GRACE
from runpod_sdk.emulator._queue import _requests as ask
from runpod_sdk.emulator._queue._requests import Hold, Reply, ReplyKind
from tests.emulator.queues import Queue

if TYPE_CHECKING:
    from collections.abc import Callable

LEASE = 40.0
HOLD = 60.0


class Line:
    """A queue, a remote worker `w`, and a hand-moved time."""

    def __init__(self) -> None:
        ids = itertools.count()
        self.queue = Queue("e", new_id=lambda: f"job{next(ids)}", options=Options())
        self.now = 0.0
        self.held: list[Hold] = []

    def send(self, request: ask.Request) -> dict[str, Any]:
        result = self.queue.handle(request, self.now)
        if isinstance(result, Hold):
            self.held.append(result)
            return {}
        return result.body

    def submit(self) -> None:
        self.send(ask.Submit(input={"n": 1}, execution_timeout=600.0, ttl=86_400.0, retention=1_800.0))

    def take(self, worker: str = "w", batch: int | None = None) -> dict[str, Any]:
        return self.send(ask.Take(worker_id=worker, wait=HOLD, lease=LEASE, batch=batch))

    def watch(self, worker: str = "w") -> dict[str, Any]:
        return self.send(ask.WatchStops(worker_id=worker, wait=HOLD, lease=LEASE))

    def ping(self, *job_ids: str) -> None:
        self.send(ask.Ping(worker_id="w", job_ids=job_ids))

    def hang_up(self) -> None:
        """Close every connection that is held, as the death of its worker does."""
        for hold in self.held:
            if hold.reply is None:
                self.queue.hang_up(hold, self.now)
            elif isinstance(hold.request, ask.Take) and hold.reply.body:
                # The door has the answer, and nobody to give it to.
                self.send(ask.Lose(worker_id="w", job_id=hold.reply.body["id"]))
        self.held = []

    def at(self, now: float) -> tuple[str, int]:
        """Return the job's status and retries at a time."""
        self.now = now
        body = self.send(ask.Status(job_id="job0"))
        return body["status"], body.get("retries", 0)

    def released(self) -> list[dict[str, Any]]:
        return [reply.body for _, reply in self.queue.released()]


# The twelve boundaries.


def between_two_takes(line: Line) -> None:
    line.take()
    line.queue.expire_hold(line.held.pop(), line.now)
    line.submit()


def while_its_take_is_held(line: Line) -> None:
    line.take()


def before_the_answer_is_written(line: Line) -> None:
    line.take()
    line.submit()


def after_the_answer_is_written(line: Line) -> None:
    line.submit()
    line.take()


def running_and_watching_for_stops(line: Line) -> None:
    line.submit()
    line.take()
    line.watch()


def after_a_ping(line: Line) -> None:
    line.submit()
    line.take()
    line.now = 30.0
    line.ping("job0")


def after_progress(line: Line) -> None:
    line.submit()
    line.take()
    line.now = 30.0
    line.send(ask.ReportProgress(worker_id="w", job_id="job0", output="half"))


def after_a_chunk(line: Line) -> None:
    line.submit()
    line.take()
    line.now = 30.0
    line.send(ask.Chunk(worker_id="w", job_id="job0", body={"output": 1}))


def in_the_second_run(line: Line) -> None:
    line.submit()
    line.take("other")
    line.send(ask.Leave(worker_id="other"))
    line.take()
    line.watch()


def after_the_result_arrived(line: Line) -> None:
    line.submit()
    line.take()
    line.send(ask.Finish(worker_id="w", job_id="job0", output=1))


def parked_again_after_the_result(line: Line) -> None:
    after_the_result_arrived(line)
    line.take()
    line.watch()


def after_a_cancel_that_it_was_not_told(line: Line) -> None:
    line.submit()
    line.take()
    line.send(ask.Cancel(job_id="job0"))


QUEUED, AGAIN, RUNNING = ("IN_QUEUE", 0), ("IN_QUEUE", 1), ("IN_PROGRESS", 0)
DONE, GIVEN_UP, CANCELLED = ("COMPLETED", 0), ("FAILED", 1), ("CANCELLED", 0)

# By boundary: what is seen at once where the process is seen to end; then, where only connections end, at once, after
# the grace of a hang-up, and after a lease.
BOUNDARIES: list[tuple[Callable[[Line], None], tuple[str, int], list[tuple[str, int]]]] = [
    (between_two_takes, QUEUED, [QUEUED, QUEUED, QUEUED]),
    (while_its_take_is_held, QUEUED, [QUEUED, QUEUED, QUEUED]),
    (before_the_answer_is_written, AGAIN, [AGAIN, AGAIN, AGAIN]),
    (after_the_answer_is_written, AGAIN, [RUNNING, RUNNING, AGAIN]),
    (running_and_watching_for_stops, AGAIN, [RUNNING, AGAIN, AGAIN]),
    (after_a_ping, AGAIN, [RUNNING, RUNNING, AGAIN]),
    (after_progress, AGAIN, [RUNNING, RUNNING, AGAIN]),
    (after_a_chunk, AGAIN, [RUNNING, RUNNING, AGAIN]),
    (in_the_second_run, GIVEN_UP, [("IN_PROGRESS", 1), GIVEN_UP, GIVEN_UP]),
    (after_the_result_arrived, DONE, [DONE, DONE, DONE]),
    (parked_again_after_the_result, DONE, [DONE, DONE, DONE]),
    (after_a_cancel_that_it_was_not_told, CANCELLED, [CANCELLED, CANCELLED, CANCELLED]),
]
NAMES = [boundary.__name__ for boundary, *_ in BOUNDARIES]


@pytest.mark.parametrize(("reach", "at_once", "_later"), BOUNDARIES, ids=NAMES)
@pytest.mark.fidelity("worker: the job of a dead worker is given out once more, then fails", source="live")
def test_a_worker_process_that_dies(reach: Callable[[Line], None], at_once: tuple[str, int], _later: object) -> None:
    line = Line()
    line.send(ask.Expect(worker_id="w"))
    reach(line)
    line.send(ask.Leave(worker_id="w"))
    if reach is while_its_take_is_held:
        line.submit()
    assert line.at(line.now) == at_once
    assert line.at(line.now + LEASE) == at_once


@pytest.mark.parametrize(("reach", "_at_once", "later"), BOUNDARIES, ids=NAMES)
@pytest.mark.fidelity("worker: a job goes back to the queue when its lease runs out (Options.lease)", source="live")
def test_a_worker_whose_connections_end(
    reach: Callable[[Line], None], _at_once: object, later: list[tuple[str, int]]
) -> None:
    line = Line()
    reach(line)
    line.hang_up()
    if reach is while_its_take_is_held:
        line.submit()
    died = line.now
    assert [line.at(died + after) for after in (0.0, HANG_UP_GRACE, LEASE)] == later


def test_twelve_boundaries_are_named() -> None:
    assert len(set(NAMES)) == len(BOUNDARIES) == 12


# What proves that a worker lives.


def running() -> Line:
    line = Line()
    line.submit()
    line.take()
    return line


def test_a_lease_ends_to_the_moment() -> None:
    line = running()
    assert line.queue.next_deadline() == LEASE
    assert line.at(39.999) == RUNNING
    assert line.at(LEASE) == AGAIN


@pytest.mark.parametrize("sign", ["ping", "progress", "chunk"])
@pytest.mark.fidelity("worker: a ping with the job's id prolongs its lease", source="assumed")
def test_a_sign_of_the_job_renews_its_lease(sign: str) -> None:
    line = running()
    line.now = 30.0
    if sign == "ping":
        line.ping("else", "job0")
    elif sign == "progress":
        line.send(ask.ReportProgress(worker_id="w", job_id="job0", output=1))
    else:
        line.send(ask.Chunk(worker_id="w", job_id="job0", body={"output": 1}))
    assert line.at(69.999) == RUNNING
    assert line.at(70.0) == AGAIN


def test_a_ping_without_the_job_proves_nothing_of_it() -> None:
    """The answer to the take was lost: the worker lives, asks again, and never lists the job."""
    line = running()
    line.now = 30.0
    line.ping()
    line.take()
    assert line.at(LEASE) == ("IN_PROGRESS", 1), "and is given to the taker that waits"


@pytest.mark.fidelity("worker: after a hang-up pings prove nothing: the pinger outlives its worker", source="assumed")
def test_an_orphaned_pinger_keeps_no_job() -> None:
    line = running()
    line.watch()
    line.now = 10.0
    line.hang_up()
    for line.now in (11.0, 12.0, 14.0):
        line.ping("job0")
    assert line.at(10.0 + HANG_UP_GRACE) == AGAIN


@pytest.mark.parametrize("sign", ["take", "watch", "chunk"])
def test_a_worker_that_comes_back_in_time_keeps_its_job(sign: str) -> None:
    line = running()
    line.watch()
    line.hang_up()
    line.now = 1.0
    if sign == "take":
        line.take()
    elif sign == "watch":
        line.watch()
    else:
        line.send(ask.Chunk(worker_id="w", job_id="job0", body={"output": 1}))
    assert line.at(LEASE - 0.001) == RUNNING, "as if it had never hung up"
    assert line.at(LEASE + 1.0) != RUNNING


def test_a_sign_of_one_job_proves_that_its_worker_has_the_others_too() -> None:
    line = Line()
    line.submit()
    line.submit()
    line.take(batch=2)
    line.watch()
    line.hang_up()
    line.send(ask.ReportProgress(worker_id="w", job_id="job1", output=1))
    assert line.at(LEASE - 0.001) == RUNNING
    assert line.at(LEASE) == AGAIN


def test_a_lease_that_a_hang_up_has_cut_is_given_back_once() -> None:
    line = running()
    for line.now in (0.0, 1.0, 2.0):
        line.watch()
        line.hang_up()
    assert line.at(2.0 + HANG_UP_GRACE) == AGAIN


def test_a_supervised_worker_may_hang_up() -> None:
    line = Line()
    line.send(ask.Expect(worker_id="w"))
    line.submit()
    line.take()
    line.watch()
    line.hang_up()
    assert line.at(HANG_UP_GRACE) == RUNNING


def test_a_worker_in_this_process_has_no_lease() -> None:
    line = Line()
    line.submit()
    line.send(ask.Take(worker_id="here"))
    assert line.at(599.0) == RUNNING


def test_the_job_goes_to_who_waits_and_the_late_result_changes_nothing() -> None:
    line = running()
    line.now = 39.0
    line.take("second")
    line.now = LEASE
    line.queue.advance(LEASE)
    assert line.released() == [{"id": "job0", "input": {"n": 1}}]
    line.send(ask.Finish(worker_id="w", job_id="job0", output="late"))
    assert line.at(LEASE) == ("IN_PROGRESS", 1)
    line.send(ask.Finish(worker_id="second", job_id="job0", output="right"))
    line.send(ask.Finish(worker_id="second", job_id="job0", output="twice"))
    assert line.send(ask.Status(job_id="job0"))["output"] == "right"


def test_a_job_that_ends_takes_its_lease_with_it() -> None:
    line = running()
    line.send(ask.Finish(worker_id="w", job_id="job0", output=1))
    assert line.at(LEASE) == DONE


def test_the_execution_timeout_ends_a_job_whose_lease_is_renewed() -> None:
    line = running()
    for line.now in range(10, 601, 10):
        line.ping("job0")
    assert line.at(600.0) == ("FAILED", 0)


# What a worker is told.


@pytest.mark.parametrize("end", ["cancel", "overrun", "expire", "lease"])
@pytest.mark.fidelity(
    "worker: job-stop is held, and names the jobs that have ended without their worker", source="official source"
)
def test_who_watches_is_told_to_stop(end: str) -> None:
    line = Line()
    ends = {"overrun": 10.0, "expire": 10.0, "lease": LEASE, "cancel": 0.0}
    timeout, ttl = (10.0 if end == kind else 1_000.0 for kind in ("overrun", "expire"))
    line.send(ask.Submit(input={"n": 1}, execution_timeout=timeout, ttl=ttl, retention=60.0))
    line.take()
    line.watch()
    if end == "cancel":
        line.send(ask.Cancel(job_id="job0"))
    line.queue.advance(ends[end])
    assert line.released() == [{"jobsToStop": ["job0"]}]


def test_a_stop_waits_for_who_asks_and_is_told_once() -> None:
    line = running()
    line.send(ask.Cancel(job_id="job0"))
    assert line.queue.stopped() == []
    assert line.watch() == {"jobsToStop": ["job0"]}
    assert line.watch() == {}
    assert len(line.held) == 1


def test_a_job_that_was_delivered_late_need_not_be_stopped() -> None:
    line = running()
    line.send(ask.Cancel(job_id="job0"))
    line.send(ask.Finish(worker_id="w", job_id="job0", output=1))
    assert line.watch() == {}


def test_a_job_that_is_taken_again_is_not_stopped() -> None:
    line = running()
    assert line.at(LEASE) == AGAIN
    assert line.take() == {"id": "job0", "input": {"n": 1}}
    assert line.watch() == {}


@pytest.mark.fidelity("worker: job-take-batch hands out several jobs as a list", source="official source")
def test_a_batch_takes_what_is_there_and_waits_for_one() -> None:
    line = Line()
    for _ in range(3):
        line.submit()
    assert [job["id"] for job in line.take(batch=2)["jobs"]] == ["job0", "job1"]
    assert [job["id"] for job in line.take(batch=5)["jobs"]] == ["job2"]
    line.take(batch=5)
    line.submit()
    assert line.released() == [{"jobs": [{"id": "job3", "input": {"n": 1}}]}]


@pytest.mark.parametrize("announced", [True, False])
def test_a_worker_that_is_being_stopped_gets_nothing(*, announced: bool) -> None:
    line = Line()
    if announced:
        line.send(ask.Expect(worker_id="w"))
    line.take()
    line.watch()
    line.send(ask.Drain(worker_id="w"))
    assert line.released() == [{}, {}], "what is held is answered"
    line.submit()
    line.held.clear()
    line.take()
    line.watch()
    assert [hold.until for hold in line.held] == [DRAINING_HOLD] * 2
    assert line.at(DRAINING_HOLD) == QUEUED


def test_draining_somebody_unknown_does_nothing() -> None:
    line = Line()
    line.send(ask.Drain(worker_id="nobody"))
    assert line.released() == []


def test_stop_pod_drains_a_supervised_worker_and_asks_for_another() -> None:
    line = Line()
    line.send(ask.Expect(worker_id="w"))
    line.submit()
    line.submit()
    line.take()
    line.send(ask.Finish(worker_id="w", job_id="job0", output=1, stop_pod=True))
    assert (line.queue.replaced(), line.queue.replaced()) == (["w"], [])
    assert line.take() == {}


def test_stop_pod_of_a_worker_that_nobody_can_replace_is_ignored() -> None:
    line = running()
    line.submit()
    line.send(ask.Finish(worker_id="w", job_id="job0", output=1, stop_pod=True))
    assert line.queue.replaced() == []
    assert line.take()["id"] == "job1"


# Gauges.


def gauges(line: Line) -> dict[str, int]:
    workers = line.send(ask.ReadHealth())["workers"]
    return {name: count for name, count in workers.items() if count}


def test_the_gauges_follow_a_process() -> None:
    line = Line()
    line.send(ask.Expect(worker_id="w"))
    assert gauges(line) == {"initializing": 1}
    line.watch()
    assert gauges(line) == {"initializing": 1}
    line.take()
    assert gauges(line) == {"idle": 1, "ready": 1}
    line.submit()
    assert gauges(line) == {"running": 1}
    assert line.send(ask.Leave(worker_id="w")) == {"was_ready": True}
    line.send(ask.Expect(worker_id="w2", healthy=False))
    assert gauges(line) == {"unhealthy": 1}
    line.send(ask.Expect(worker_id="w2"))
    assert gauges(line) == {"initializing": 1}
    assert line.send(ask.Leave(worker_id="w2")) == {"was_ready": False}
    assert gauges(line) == {}


def test_a_worker_elsewhere_that_is_silent_for_a_lease_is_forgotten() -> None:
    line = Line()
    line.take()
    line.queue.expire_hold(line.held.pop(), HOLD)
    line.now = LEASE
    assert gauges(line) == {"idle": 1, "ready": 1}
    line.now = LEASE + 0.001
    assert gauges(line) == {}


def test_a_worker_elsewhere_that_hangs_up_idle_is_forgotten() -> None:
    line = Line()
    line.take()
    line.hang_up()
    assert gauges(line) == {}


@pytest.mark.parametrize(
    "request_", [ask.Finish(worker_id="w", job_id="x"), ask.Lose(worker_id="w", job_id="x"), ask.Leave(worker_id="w")]
)
def test_what_a_stranger_says_changes_nothing(request_: ask.Request) -> None:
    line = Line()
    line.submit()
    reply = line.queue.handle(request_, 0.0)
    assert isinstance(reply, Reply)
    assert (reply.kind is ReplyKind.NOT_FOUND) is isinstance(request_, ask.Finish)
    assert line.at(0.0) == QUEUED
    assert gauges(line) == {}
