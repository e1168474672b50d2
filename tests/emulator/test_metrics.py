"""What /_emulator/metrics says, as Prometheus' own parser reads it."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod_sdk import Client
from runpod_sdk.emulator import Emulator, Options, Scaling
from tests.lazy import Lazy

if TYPE_CHECKING:
    from collections.abc import Iterator

parser: Any = Lazy("prometheus_client.parser")

Sample = tuple[str, frozenset[tuple[str, str]]]


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    scaling = Scaling(scaler="request_count", scaler_value=1, max_workers=2, cold_start=20)
    with Emulator(options=Options(scaling=scaling)) as emulator:
        emulator.endpoint("e")
        yield emulator


class Scraped:
    """The samples of one answer, and the kinds of its families."""

    def __init__(self, emulator: Emulator) -> None:
        with httpx.Client(transport=emulator.transport) as client:
            answer = client.get("http://localhost/_emulator/metrics")
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        families = list(parser.text_string_to_metric_families(answer.text))
        self.kinds: dict[str, str] = {family.name: family.type for family in families}
        self.samples: dict[Sample, float] = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
        }

    def of(self, name: str, **labels: str) -> float:
        return self.samples["runpod_emulator_" + name, frozenset({"endpoint": "e", **labels}.items())]


def test_jobs_and_workers_are_counted_as_they_move(emulator: Emulator) -> None:
    with Client(**emulator.connection) as client:
        endpoint = client.endpoint("e")
        jobs = [endpoint.run({"mock_return": 1, "mock_delay": 100}) for _ in range(3)]
        emulator.clock.sleep(30)
        seen = Scraped(emulator)
        assert (seen.of("jobs", status="IN_QUEUE"), seen.of("jobs", status="IN_PROGRESS")) == (1, 2)
        assert (seen.of("queue_length"), seen.of("queue_oldest_seconds")) == (1, 30)
        assert (seen.of("workers", state="running"), seen.of("worker_starts_total", kind="cold")) == (2, 2)
        assert seen.of("worker_seconds_total") == 60
        jobs[2].cancel()
        for job in jobs[:2]:
            job.wait(timeout=1000)
        endpoint.run({"mock_error": "bad"}).wait(timeout=1000)
        seen = Scraped(emulator)
        assert (seen.of("jobs", status="COMPLETED"), seen.of("jobs", status="CANCELLED")) == (2, 1)
        assert (seen.of("jobs_submitted_total"), seen.of("jobs_completed_total"), seen.of("jobs_failed_total")) == (
            4,
            2,
            1,
        )
        emulator.clock.sleep(1801)
        seen = Scraped(emulator)
        assert (seen.of("jobs", status="COMPLETED"), seen.of("jobs_submitted_total")) == (0, 4)


def test_delays_and_executions_are_histograms(emulator: Emulator) -> None:
    with Client(**emulator.connection) as client:
        for _ in range(2):
            client.endpoint("e").run({"mock_return": 1, "mock_delay": 4}).wait(timeout=1000)
    seen = Scraped(emulator)
    assert seen.kinds["runpod_emulator_queue_delay_seconds"] == "histogram"
    assert [seen.of("queue_delay_seconds_bucket", le=bound) for bound in ("0.1", "10", "30", "+Inf")] == [1, 1, 2, 2]
    assert (seen.of("queue_delay_seconds_count"), seen.of("queue_delay_seconds_sum")) == (2, 20)
    assert [seen.of("execution_seconds_bucket", le=bound) for bound in ("2", "5")] == [0, 2]


def test_what_never_grows_back_is_a_counter(emulator: Emulator) -> None:
    kinds = Scraped(emulator).kinds
    assert {kind for name, kind in kinds.items() if name.endswith("_total")} <= {"counter"}
    assert {kinds["runpod_emulator_jobs"], kinds["runpod_emulator_workers"], kinds["runpod_emulator_holds"]} == {
        "gauge"
    }
    assert kinds["runpod_emulator_jobs_submitted"] == "counter"


def test_an_endpoint_that_does_not_scale_has_no_worker_seconds() -> None:
    with Emulator() as emulator:
        emulator.endpoint("e")
        seen = Scraped(emulator)
    assert seen.of("workers", state="idle") == 1
    assert not [name for name, _ in seen.samples if "worker_s" in name]


def test_held_requests_are_counted_by_operation() -> None:
    asked = threading.Event()
    go_on = threading.Event()

    def handler(_: dict[str, Any]) -> int:
        asked.set()
        assert go_on.wait(30)
        return 1

    with Emulator() as emulator, emulator.serve() as server:
        emulator.endpoint("e", handler)
        url = f"http://127.0.0.1:{server.port}"
        answers: list[httpx.Response] = []
        waiter = threading.Thread(
            target=lambda: answers.append(
                httpx.post(
                    f"{url}/v2/e/runsync", json={"input": {"n": 1}}, headers={"authorization": "test"}, timeout=60
                )
            )
        )
        waiter.start()
        assert asked.wait(30)
        text = httpx.get(f"{url}/_emulator/metrics").text
        go_on.set()
        waiter.join(30)
    (family,) = [each for each in parser.text_string_to_metric_families(text) if each.name == "runpod_emulator_holds"]
    assert [(sample.labels, sample.value) for sample in family.samples] == [
        ({"endpoint": "e", "operation": "runsync"}, 1)
    ]
    assert json.loads(answers[0].content)["output"] == 1
