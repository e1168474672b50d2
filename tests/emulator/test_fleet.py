"""Which workers are up: asked of a queue directly, with workers that take whatever they are given."""

from __future__ import annotations

import heapq
import itertools
import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod_sdk.emulator import Options, Scaling
from runpod_sdk.emulator._queue import _requests as ask
from runpod_sdk.emulator._queue._queue import Queue
from runpod_sdk.emulator._queue._requests import Hold, ReplyKind
from runpod_sdk.emulator._scaling import drawn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runpod_sdk.emulator._queue._effects import Effects
    from runpod_sdk.emulator._queue._fleet import Usage


class Site:
    """A queue that scales, with as many workers as it may have; each runs a job for `execution` seconds."""

    def __init__(
        self, execution: float = 10.0, workers: int | None = None, chances: Iterable[float] = (), **scaling: Any
    ) -> None:
        numbers, drawn_from = itertools.count(), itertools.chain(chances, itertools.repeat(0.5))
        self.scaling = Scaling(**scaling)
        self.execution = execution
        self.now = 0.0
        self.started: list[tuple[float, str, str]] = []
        self.ended: list[str] = []
        self.deadline = math.inf
        self._ends: list[tuple[float, int, str, str]] = []
        self.queue = Queue(
            "e",
            new_id=lambda: f"job{next(numbers)}",
            options=Options(scaling=self.scaling),
            chance=lambda: next(drawn_from),
        )
        for number in range(self.scaling.max_workers if workers is None else workers):
            self.take(f"w{number}")

    def tell(self, request: ask.Request) -> Any:
        answer, effects = self.queue.handle(request, self.now)
        self._carry_out(effects)
        return answer

    def take(self, worker: str) -> None:
        answer = self.tell(ask.Take(worker_id=worker))
        if not isinstance(answer, Hold) and answer.body:
            self._run(worker, answer.body)

    def die(self, worker: str) -> None:
        self._ends = [each for each in self._ends if each[2] != worker]
        self.tell(ask.Leave(worker_id=worker))

    def submit(self, count: int = 1, *, low: bool = False) -> None:
        for _ in range(count):
            self.tell(ask.Submit(input={"n": 1}, execution_timeout=1e6, ttl=1e6, retention=1e6, low_priority=low))

    def go(self, seconds: float) -> None:
        """Let time pass, and everything happen that is due meanwhile, in its order."""
        until = self.now + seconds
        while True:
            due = min(self.deadline, self._ends[0][0] if self._ends else math.inf)
            if due > until:
                break
            self.now = due
            if self._ends and self._ends[0][0] == due:
                _, _, worker, job_id = heapq.heappop(self._ends)
                self.ended.append(job_id)
                self.tell(ask.Finish(worker_id=worker, job_id=job_id, output=1))
                self.take(worker)
            else:
                self._carry_out(self.queue.advance(due))
        self.now = until
        self._carry_out(self.queue.advance(until))

    def workers(self) -> dict[str, int]:
        """Return the workers of /health that there are."""
        shown = self.tell(ask.ReadHealth()).body["workers"]
        return {kind: count for kind, count in shown.items() if count and kind != "ready"}

    @property
    def usage(self) -> Usage:
        self._carry_out(self.queue.advance(self.now))
        used = self.queue.usage()
        assert used is not None
        return used

    def _run(self, worker: str, job: dict[str, Any]) -> None:
        self.started.append((self.now, worker, job["id"]))
        heapq.heappush(self._ends, (self.now + self.execution, len(self.started), worker, job["id"]))

    def _carry_out(self, effects: Effects) -> None:
        self.deadline = effects.next_deadline
        for hold, reply in effects.answers:
            assert isinstance(hold.request, ask.Take)
            self._run(hold.request.worker_id, reply.body)


# When workers are started.


@pytest.mark.fidelity(
    "worker: request count scaling wants ceil((queued + in progress) / value) workers (Options.scaling)",
    source="documented",
)
@pytest.mark.parametrize(
    ("jobs", "value", "wanted"), [(0, 4, 0), (1, 4, 1), (4, 4, 1), (5, 4, 2), (64, 4, 16), (64, 1, 20), (3, 0.5, 6)]
)
def test_request_count(jobs: int, value: float, wanted: int) -> None:
    site = Site(scaler="request_count", scaler_value=value, max_workers=20, execution=1e5)
    site.submit(jobs)
    assert site.workers() == ({"initializing": wanted} if wanted else {})
    site.go(10)
    assert site.workers() == ({"running": min(wanted, jobs)} if wanted else {}) | (
        {"idle": wanted - jobs} if wanted > jobs else {}
    )


@pytest.mark.fidelity(
    "worker: queue delay scaling adds workers once jobs have waited for longer than its value (Options.scaling)",
    source="documented",
)
def test_queue_delay_starts_nobody_before_a_job_is_late() -> None:
    site = Site(max_workers=5)
    site.submit()
    site.go(3.9)
    assert site.workers() == {}
    site.go(0.1)
    assert site.workers() == {"initializing": 1}
    site.go(10)
    assert [moment for moment, *_ in site.started] == [14.0]


@pytest.mark.fidelity(
    "worker: queue delay scaling adds one worker for each late job (Options.scaling, step)", source="assumed"
)
def test_each_late_job_adds_a_worker() -> None:
    site = Site(max_workers=5)
    site.submit(2)
    site.go(2)
    site.submit(7)
    site.go(2)
    assert site.workers() == {"initializing": 2}
    site.go(2)
    assert site.workers() == {"initializing": 5}


def test_a_step_adds_so_many_at_once() -> None:
    site = Site(max_workers=5, step=2, cold_start=100)
    site.submit(9)
    counts: list[int] = []
    for _ in range(4):
        site.go(4)
        counts.append(site.workers().get("initializing", 0))
    assert counts == [2, 4, 5, 5]


@pytest.mark.fidelity("worker: a job with lowPriority starts no worker (Options.scaling)", source="documented")
@pytest.mark.parametrize("scaler", ["queue_delay", "request_count"])
def test_low_priority_starts_nobody(scaler: str) -> None:
    site = Site(scaler=scaler)
    site.submit(9, low=True)
    site.go(1000)
    assert site.workers() == {}
    site.submit()
    site.go(1000)
    assert len(site.ended) == 10


def test_active_workers_are_up_from_the_beginning_and_stay() -> None:
    site = Site(min_workers=2, max_workers=3)
    assert site.workers() == {"initializing": 2}
    site.go(3600)
    assert site.workers() == {"idle": 2}
    site.submit()
    assert [moment for moment, *_ in site.started] == [3600.0]


def test_nobody_is_started_beyond_the_maximum_whoever_asks() -> None:
    site = Site(scaler="request_count", scaler_value=1, max_workers=2, workers=7)
    site.submit(50)
    site.go(600)
    assert len(site.ended) == 50
    assert {worker for _, worker, _ in site.started} == {"w5", "w6"}
    assert site.usage.peak == 2


# How long a start takes.


def test_starts_are_drawn_from_a_distribution() -> None:
    site = Site(
        scaler="request_count", scaler_value=1, max_workers=3, cold_start=(20, 40, 100), chances=[0.0, 0.25, 1.0]
    )
    site.submit(3)
    site.go(200)
    assert [moment for moment, *_ in site.started] == [20.0, 30.0, 30.0]  # the third comes too late


@pytest.mark.parametrize(
    ("times", "chance", "expected"),
    [
        (5.0, 0.9, 5.0),
        ((7.0,), 0.9, 7.0),
        ((20.0, 90.0), 0.5, 55.0),
        ((1.0, 2.0, 10.0), 0.75, 6.0),
        ((1.0, 2.0), 1.0, 2.0),
    ],
)
def test_a_distribution_is_its_quantiles(times: float | tuple[float, ...], chance: float, expected: float) -> None:
    assert drawn(times, chance) == expected


def test_measured_start_times_may_be_in_any_order() -> None:
    assert Scaling(cold_start=(9, 2, 5)).cold_start == (2.0, 5.0, 9.0)


@pytest.mark.fidelity(
    "worker: a worker that stopped a short time ago starts sooner, as with FlashBoot (Options.scaling, warm_for)",
    source="documented",
)
@pytest.mark.parametrize(("pause", "took"), [(59.9, 2.0), (60.0, 30.0)])
def test_a_worker_that_stopped_a_short_time_ago_starts_warm(pause: float, took: float) -> None:
    site = Site(scaler="request_count", max_workers=1, cold_start=30, warm_start=2, warm_for=60)
    site.submit()
    site.go(30 + 10 + 5 + pause)
    site.submit()
    site.go(100)
    assert [moment for moment, *_ in site.started] == [30.0, pytest.approx(45 + pause + took)]
    assert (site.usage.cold, site.usage.warm) == ((1, 1) if took == 2 else (2, 0))


# When workers are stopped, and what they cost.


@pytest.mark.fidelity(
    "worker: a worker stays up, and is paid for, for the idle timeout after its job (Options.scaling)",
    source="documented",
)
@pytest.mark.parametrize("scaler", ["queue_delay", "request_count"])
def test_a_worker_stops_after_its_idle_timeout(scaler: str) -> None:
    site = Site(scaler=scaler, scaler_value=4, idle_timeout=5)
    site.submit()
    start = 4.0 if scaler == "queue_delay" else 0.0
    site.go(start + 10 + 10 + 4.9)
    assert site.workers() == {"idle": 1}
    site.go(0.1)
    assert site.workers() == {}
    assert (site.usage.seconds, site.usage.starting, site.usage.up) == (25.0, 10.0, 0)


def test_a_job_that_comes_in_the_idle_timeout_is_taken_at_once_and_begins_it_anew() -> None:
    site = Site(idle_timeout=5)
    site.submit()
    site.go(4 + 10 + 10 + 4)
    site.submit()
    assert site.started[-1][0] == 28.0
    site.go(10 + 4.9)
    assert site.workers() == {"idle": 1}


def test_surplus_workers_may_stop_at_once() -> None:
    site = Site(scaler="request_count", scaler_value=1, max_workers=2, surplus="at_once")
    site.submit(2)
    site.go(20)
    assert site.workers() == {}
    assert site.usage.seconds == 40.0


def test_seconds_are_billed_as_whole_ones() -> None:
    site = Site(scaler="request_count", max_workers=1, cold_start=0.2, idle_timeout=0.1, execution=1)
    for _ in range(3):
        site.submit()
        site.go(100)
    assert site.usage.seconds == pytest.approx(3.9)
    assert site.usage.billed == 6


def test_a_worker_that_is_kept_up_costs_until_now() -> None:
    site = Site(min_workers=1, max_workers=1)
    site.go(99.5)
    assert (site.usage.seconds, site.usage.billed, site.usage.up) == (99.5, 100, 1)


# What comes between.


def test_throttled_workers_take_nothing_until_they_are_let_in() -> None:
    site = Site(scaler="request_count", scaler_value=1, max_workers=3)
    site.tell(ask.BarWorkers(throttled=2, unhealthy=1))
    site.submit(3)
    site.go(500)
    assert (site.workers(), site.started) == ({"throttled": 2, "unhealthy": 1}, [])
    site.tell(ask.BarWorkers(throttled=0))
    assert site.workers() == {"initializing": 2, "unhealthy": 1}
    site.go(100)
    assert len(site.ended) == 3


def test_a_worker_keeps_its_job_and_is_barred_after_it() -> None:
    site = Site(scaler="request_count", max_workers=1)
    site.submit(2)
    site.go(15)
    site.tell(ask.BarWorkers(throttled=1))
    assert site.workers() == {"running": 1}
    site.go(100)
    assert (site.workers(), len(site.ended)) == ({"throttled": 1}, 1)


@pytest.mark.fidelity(
    "worker: a release replaces idle workers at once, and running ones after their job (Options.scaling)",
    source="documented",
)
def test_a_release_replaces_workers_while_jobs_run() -> None:
    site = Site(min_workers=2, max_workers=2, warm_for=1000, warm_start=1)
    site.go(20)
    site.submit()
    site.go(1)
    site.tell(ask.UpdateWorkers())
    assert site.workers() == {"running": 1, "initializing": 1}
    site.go(9)
    assert (site.workers(), site.ended) == ({"initializing": 2}, ["job0"])
    site.go(10)
    assert (site.usage.cold, site.usage.warm) == (4, 0)
    assert site.workers() == {"idle": 2}


def test_a_worker_that_dies_is_paid_for_no_longer() -> None:
    site = Site(scaler="request_count", max_workers=1, workers=1)
    site.submit()
    site.go(12)
    site.die("w0")
    site.go(50)
    assert (site.usage.seconds, site.usage.up) == (12.0, 0)
    site.take("w1")
    site.go(20)
    assert len(site.started) == 2


def test_a_reset_stops_nobody_at_once() -> None:
    site = Site(scaler="request_count", max_workers=1)
    site.submit()
    site.go(5)
    site.deadline = site.queue.clear().next_deadline
    assert site.workers() == {"initializing": 1}
    site.go(5 + 5)
    assert site.workers() == {}


def test_an_endpoint_that_does_not_scale_bars_nobody() -> None:
    queue = Queue("e", new_id=lambda: "job")
    for request in (ask.BarWorkers(throttled=1), ask.UpdateWorkers()):
        answer, _ = queue.handle(request, 0.0)
        assert not isinstance(answer, Hold)
        assert answer.kind is ReplyKind.REFUSED


# Whatever happens.

_STEPS: tuple[Callable[[Site, int], object], ...] = (
    lambda site, number: site.submit(number),
    lambda site, _: site.submit(low=True),
    lambda site, number: site.go(number * 1.7),
    lambda site, number: site.go(number * 0.1),
    lambda site, number: site.tell(ask.BarWorkers(throttled=number % 3)),
    lambda site, number: site.tell(ask.BarWorkers(unhealthy=number % 2)),
    lambda site, _: site.tell(ask.UpdateWorkers()),
    lambda site, number: site.tell(ask.Cancel(job_id=f"job{number}")),
)


@given(
    steps=st.lists(st.tuples(st.sampled_from(_STEPS), st.integers(0, 9)), max_size=30),
    scaling=st.fixed_dictionaries(
        {
            "scaler": st.sampled_from(["queue_delay", "request_count"]),
            "scaler_value": st.sampled_from([0.5, 1, 4]),
            "max_workers": st.integers(1, 4),
            "min_workers": st.integers(0, 1),
            "idle_timeout": st.sampled_from([0, 5]),
            "cold_start": st.sampled_from([0, 7, (1, 9)]),
            "warm_for": st.sampled_from([0, 20]),
            "surplus": st.sampled_from(["at_once", "idle_timeout"]),
            "step": st.sampled_from([None, 1]),
        }
    ),
)
def test_whatever_happens_no_more_are_up_than_may_be_and_every_job_is_run_in_the_end(
    steps: list[tuple[Callable[[Site, int], object], int]], scaling: dict[str, Any]
) -> None:
    site = Site(**scaling, execution=3)
    most = site.scaling.max_workers
    for step, number in steps:
        step(site, number)
        shown = site.workers()
        up = sum(shown.get(kind, 0) for kind in ("initializing", "idle", "running"))
        assert up <= most
        assert sum(shown.values()) <= most
    site.tell(ask.BarWorkers(throttled=0, unhealthy=0))
    site.submit()
    site.go(100_000)
    health = site.tell(ask.ReadHealth()).body
    assert (health["jobs"]["inQueue"], health["jobs"]["inProgress"]) == (0, 0)
    assert site.usage.up == site.scaling.min_workers
    assert site.usage.peak <= most


# What is refused.


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"max_workers": -1}, "max_workers=-1"),
        ({"min_workers": 4}, "more than max_workers=3"),
        ({"scaler": "load"}, "scaler='load'"),
        ({"scaler_value": 0}, "scaler_value=0"),
        ({"scaler_value": math.nan}, "scaler_value=nan"),
        ({"step": 0}, "step=0"),
        ({"idle_timeout": math.inf}, "idle_timeout=inf"),
        ({"cold_start": ()}, "cold_start"),
        ({"cold_start": (1, -1)}, "cold_start=-1"),
        ({"warm_for": -1}, "warm_for=-1"),
        ({"surplus": "never"}, "surplus='never'"),
        ({"stopped": "no"}, "stopped='no'"),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Scaling(**wrong)


@pytest.mark.parametrize("wrong", [{"max_workers": 1.5}, {"max_workers": True}, {"cold_start": "20..90"}], ids=str)
def test_what_is_no_number_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        Scaling(**wrong)
