"""Scaling as a whole: an emulator, its workers, and the SDK that waits for a job and is told why it is queued."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import httpx
import pytest

from runpod_sdk import Client, WaitTimeoutError
from runpod_sdk.emulator import Emulator, Fault, Options, Scaling

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runpod_sdk import Endpoint
    from runpod_sdk.emulator import EmulatedEndpoint

JOB = {"mock_return": "done", "mock_delay": 300}
LONG = Scaling(scaler="request_count", scaler_value=1, max_workers=2, cold_start=120)


class Whole:
    """An emulator with one endpoint that scales, and a client of it."""

    def __init__(self, scaling: Scaling | None, **declared: Any) -> None:
        self.emulator = Emulator(options=Options(scaling=scaling))
        self.declared: EmulatedEndpoint = self.emulator.endpoint("e", **declared)
        self.client = Client(**self.emulator.connection)
        self.endpoint: Endpoint = self.client.endpoint("e")

    def workers(self) -> dict[str, int]:
        return {kind: count for kind, count in self.endpoint.health().raw["workers"].items() if count}

    def reasons(self, timeout: float) -> list[str]:
        """Return why one more job was queued, each reason once, as long as it waits."""
        told: list[str] = []

        def note(state: Any) -> None:
            if state.queue_reason is not None and state.queue_reason.cause not in told:
                told.append(state.queue_reason.cause)

        job = self.endpoint.run(JOB)
        try:
            job.wait(timeout=timeout, on_update=note)
        except WaitTimeoutError:
            job.cancel()
        return told

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.emulator.close()


# Each reason, from the service's own gauges to the one who waits.


def test_a_cold_start_is_a_reason() -> None:
    with Whole(LONG) as whole:
        assert whole.reasons(1000) == ["initializing"]


def test_workers_that_are_busy_are_a_reason() -> None:
    with Whole(LONG) as whole:
        for _ in range(2):
            whole.endpoint.run(JOB)
        whole.emulator.clock.sleep(130)
        assert whole.workers() == {"running": 2}
        assert whole.reasons(1000) == ["queue_ahead"]


def test_throttled_workers_are_a_reason() -> None:
    with Whole(LONG) as whole:
        whole.declared.bar_workers(throttled=2)
        assert whole.reasons(100) == ["throttled"]


def test_unhealthy_workers_are_a_reason() -> None:
    with Whole(LONG) as whole:
        whole.declared.bar_workers(unhealthy=2)
        assert whole.reasons(100) == ["unhealthy"]


def test_an_endpoint_without_workers_is_a_reason() -> None:
    with Whole(Scaling(max_workers=0)) as whole:
        assert whole.reasons(100) == ["no_workers"]


def test_a_machine_that_is_found_later_ends_the_wait() -> None:
    with Whole(LONG) as whole:
        whole.declared.bar_workers(throttled=2)
        job = whole.endpoint.run(JOB)
        whole.emulator.clock.sleep(60)
        whole.declared.bar_workers(throttled=0)
        assert job.output(timeout=1000) == "done"
        assert job.state().delay_time_ms == 180_000


# What else is seen of it.


@pytest.mark.parametrize(("stopped", "shown"), [("uncounted", {}), ("idle", {"idle": 2, "ready": 2})])
@pytest.mark.fidelity(
    "/health: how a worker is counted that is stopped is not known (Options.scaling, stopped)", source="assumed"
)
def test_what_health_says_of_stopped_workers_is_a_choice(stopped: Any, shown: dict[str, int]) -> None:
    with Whole(Scaling(max_workers=2, stopped=stopped)) as whole:
        assert whole.workers() == shown


def test_health_shows_a_worker_from_its_start_to_its_stop() -> None:
    with Whole(Scaling(scaler="request_count", max_workers=3, cold_start=60, idle_timeout=20)) as whole:
        clock, seen = whole.emulator.clock, [whole.workers()]
        whole.endpoint.run(JOB)
        for seconds in (1, 60, 300, 20):
            clock.sleep(seconds)
            seen.append(whole.workers())
        assert seen == [{}, {"initializing": 1}, {"running": 1}, {"idle": 1, "ready": 1}, {}]


def test_workers_are_updated_while_jobs_run() -> None:
    with Whole(Scaling(min_workers=1, max_workers=1, cold_start=50)) as whole:
        first, second = whole.endpoint.run(JOB), whole.endpoint.run({**JOB, "n": 2})
        whole.emulator.clock.sleep(60)
        whole.declared.update_workers()
        assert first.output(timeout=1000) == second.output(timeout=1000) == "done"
        assert second.state().delay_time_ms == 400_000  # a start, the first job, and the start of the new version
        assert whole.emulator.ledger.verdict().is_clean


def test_worker_processes_of_a_file_scale_too(tmp_path: Path) -> None:
    (tmp_path / "handler.py").write_text(
        "import runpod\nrunpod.serverless.start({'handler': lambda job: job['input']['n'] + 1})\n", encoding="utf-8"
    )
    scaling = Scaling(scaler="request_count", max_workers=1, cold_start=3600)
    with Whole(scaling, handler=tmp_path / "handler.py") as whole:
        job = whole.endpoint.run({"n": 1})
        assert (job.output(timeout=7200), job.state().delay_time_ms) == (2, 3_600_000)


COUNTING = """
import runpod
count = 0
def handler(job):
    global count
    count += 1
    return count
runpod.serverless.start({"handler": handler})
"""


@pytest.mark.slow
def test_a_process_that_was_stopped_has_ended_and_starts_anew(tmp_path: Path) -> None:
    (tmp_path / "handler.py").write_text(COUNTING, encoding="utf-8")
    scaling = Scaling(scaler="request_count", scaler_value=1, max_workers=2, cold_start=60, idle_timeout=20)
    with Whole(scaling, handler=tmp_path / "handler.py") as whole:
        clock, declared = whole.emulator.clock, whole.declared
        clock.sleep(1)
        assert declared.processes == {}, "it was tried, and nobody wants it"
        assert [whole.endpoint.run({"n": n}).output(timeout=100) for n in range(2)] == [1, 2]
        (first,) = declared.processes.items()
        clock.sleep(30)
        assert (whole.workers(), declared.processes) == ({}, {})
        job = whole.endpoint.run({"n": 3})
        assert (job.output(timeout=100), job.state().delay_time_ms) == (1, 60_000), "what it had loaded is gone"
        (second,) = declared.processes.items()
        assert (second[0], second[1] != first[1]) == (first[0], True), "the same worker, in another process"
        declared.update_workers()
        clock.sleep(1)
        assert declared.processes == {}
        assert whole.endpoint.run({"n": 4}).output(timeout=100) == 1
        assert whole.emulator.ledger.verdict().is_clean


def test_a_process_stays_as_long_as_its_worker_is_warm(tmp_path: Path) -> None:
    (tmp_path / "handler.py").write_text(COUNTING, encoding="utf-8")
    warm = Scaling(scaler="request_count", max_workers=1, cold_start=60, idle_timeout=20, warm_for=100, warm_start=2)
    with Whole(warm, handler=tmp_path / "handler.py") as whole:
        clock, told = whole.emulator.clock, list[tuple[Any, int | None]]()
        for number, pause in enumerate((0, 90, 130, 90)):
            clock.sleep(pause)
            job = whole.endpoint.run({"n": number})
            told.append((job.output(timeout=100), job.state().delay_time_ms))
        assert told == [(1, 60_000), (2, 2_000), (1, 60_000), (2, 2_000)], (
            "what it had loaded is there while it is warm"
        )
        clock.sleep(30)
        assert (whole.workers(), len(whole.declared.processes)) == ({}, 1)
        whole.declared.update_workers()
        clock.sleep(1)
        assert whole.declared.processes == {}, "a release leaves nothing warm"


def test_processes_scale_with_the_jobs_and_one_that_dies_is_followed(tmp_path: Path) -> None:
    (tmp_path / "handler.py").write_text(COUNTING, encoding="utf-8")
    scaling = Scaling(max_workers=3, scaler="request_count", scaler_value=1, cold_start=5, idle_timeout=60)
    with Whole(scaling, handler=tmp_path / "handler.py") as whole:
        jobs = [whole.endpoint.run({"n": n}) for n in range(3)]
        assert [job.output(timeout=100) for job in jobs] == [1, 1, 1], "each had a process of its own"
        whole.emulator.inject(Fault.kill_worker(times=1))
        job = whole.endpoint.run({"n": 3})
        assert job.wait(timeout=100).retries == 1
        whole.emulator.clock.sleep(1)
        assert len(whole.declared.processes) == 2, "nobody follows who is not wanted"


def test_the_same_seed_gives_the_same_start_times() -> None:
    def delays(seed: int) -> list[int | None]:
        scaling = Scaling(scaler="request_count", scaler_value=1, max_workers=4, cold_start=(20, 90), seed=seed)
        with Whole(scaling) as whole:
            jobs = [whole.endpoint.run(JOB) for _ in range(4)]
            return [job.wait(timeout=1000).delay_time_ms for job in jobs]

    assert delays(0) == delays(0) != delays(1)
    assert all(20_000 <= (delay or 0) <= 90_000 for delay in delays(0))


@pytest.mark.parametrize("call", ["bar_workers", "update_workers"])
def test_an_endpoint_that_does_not_scale_refuses_it(call: str) -> None:
    with Whole(None) as whole, pytest.raises(ValueError, match="does not scale"):
        getattr(whole.declared, call)()


def test_a_negative_number_of_workers_is_refused() -> None:
    with Whole(LONG) as whole, pytest.raises(ValueError, match="throttled=-1"):
        whole.declared.bar_workers(throttled=-1)


# Over HTTP, for other languages.


@pytest.fixture
def control() -> Iterator[httpx.Client]:
    with Whole(LONG) as whole:
        yield httpx.Client(transport=whole.emulator.transport, base_url="http://localhost/_emulator")


def test_workers_are_barred_and_updated_over_http(control: httpx.Client) -> None:
    answer = control.post("workers/e", json={"throttled": 1, "unhealthy": 1, "update": True})
    assert (answer.status_code, answer.json()) == (200, {"throttled": 1, "unhealthy": 1, "updated": True})
    health = control.get("http://localhost/v2/e/health", headers={"authorization": "test"}).json()
    assert (health["workers"]["throttled"], health["workers"]["unhealthy"]) == (1, 1)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("workers/other", {"throttled": 1}, 404),
        ("workers/e", {}, 400),
        ("workers/e", [], 400),
        ("workers/e", {"throttled": -1}, 400),
        ("workers/e", {"throttled": True}, 400),
        ("workers/e", {"update": 1}, 400),
        ("workers/e", {"busy": 1}, 400),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused(control: httpx.Client, path: str, body: object, status: int) -> None:
    assert control.post(path, json=body).status_code == status


def test_an_endpoint_that_does_not_scale_is_a_conflict() -> None:
    with Whole(None) as whole, httpx.Client(transport=whole.emulator.transport) as client:
        answer = client.post("http://localhost/_emulator/workers/e", json={"update": True})
        assert (answer.status_code, answer.json()["error"][:31]) == (409, "the endpoint does not scale; se")
