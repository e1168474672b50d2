"""What outlives an emulator beside its jobs: batches, webhooks, faults that last, and workers that are kept out."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod_sdk import Client, RunpodError
from runpod_sdk.emulator import Emulator, Fault, Options, Scaling
from runpod_sdk.emulator._doors._rates import RATES
from runpod_sdk.emulator._limits import RATES_WINDOW
from tests.emulator.test_webhooks import Receiver

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    Begin = Callable[..., contextlib.AbstractContextManager["Run"]]

SCALING = Scaling(scaler="request_count", scaler_value=1, max_workers=3, cold_start=10, idle_timeout=10)


class Run:
    """One emulator on a file, with an endpoint that has workers, and one that has none."""

    def __init__(self, path: Path, **options: Any) -> None:
        self.emulator = Emulator(db=path, options=Options(**options))
        self.emulator.endpoint("e")
        self.emulator.endpoint("nobody", workers=0)
        self.client = Client(**self.emulator.connection)

    def control(self, method: str, path: str, body: Any = None) -> Any:
        with httpx.Client(transport=self.emulator.transport) as client:
            answer = client.request(method, f"https://emulator.invalid/_emulator/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def attempts(self) -> list[tuple[int, Any]]:
        return [(row["attempt"], row["status"]) for row in self.emulator.ledger.rows() if row["kind"] == "webhook"]


@pytest.fixture
def begin(tmp_path: Path) -> Begin:
    """Return what begins a run on the same file."""

    @contextlib.contextmanager
    def begun(**options: Any) -> Generator[Run]:
        run = Run(tmp_path / "state.db", **options)
        with run.emulator, run.client:
            yield run

    return begun


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


# Batches.


def test_a_draft_is_filled_and_finalized_in_the_next_run(begin: Begin) -> None:
    with begin() as run:
        draft = run.client.endpoint("e").batches.create()
        draft.add([{"mock_return": 1}, {"mock_return": 2}, {"mock_return": 3}])
        dropped = draft.page().results[1].id
        draft.remove(dropped)
        before = draft.state()
    with begin() as run:
        draft = run.client.endpoint("e").batches.batch(draft.id)
        assert draft.state() == before
        assert dropped not in [request.id for request in draft.page().results]
        draft.add([{"mock_return": 4}])
        assert not run.emulator.jobs
        draft.finalize()
        draft.wait(timeout=1000)
    with begin() as run:
        results = list(run.client.endpoint("e").batches.batch(draft.id).results(timeout=60))
        assert sorted(result.output for result in results) == [1, 3, 4]
        assert run.client.endpoint("e").batches.batch(draft.id).state().completed == 3


def test_a_batch_goes_on_where_it_was(begin: Begin) -> None:
    with begin() as run:
        inputs = [{"mock_return": n, "mock_delay": 100} for n in range(4)]
        batch = run.client.endpoint("e").batches.submit(inputs)
        run.emulator.clock.sleep(150)
        state, page = batch.state(), batch.page()
        assert (state.completed, state.in_progress) == (1, 1)
    with begin() as run:
        batch = run.client.endpoint("e").batches.batch(batch.id)
        again = batch.state()
        assert (again.status, again.total, again.completed) == (state.status, 4, 1)
        assert again.created_at == state.created_at
        assert [(each.id, each.output) for each in batch.page().results] == [
            (each.id, each.output) for each in page.results
        ]
        assert [each.id for each in run.client.endpoint("e").batches.list()] == [batch.id]
        assert batch.wait(timeout=10_000).completed == 4
        assert run.emulator.ledger.verdict().submitted == 4


def test_a_batch_that_is_being_cancelled_ends_in_the_next_run(begin: Begin) -> None:
    with begin() as run:
        batch = run.client.endpoint("e").batches.submit([{"mock_delay": 100, "n": n} for n in range(3)])
        run.emulator.clock.sleep(10)
        assert batch.cancel().status == "FINALIZED", "it waits for what is in progress"
    with begin() as run:
        batch = run.client.endpoint("e").batches.batch(batch.id)
        assert batch.state().status == "FINALIZED"
        run.emulator.clock.sleep(1000)
        assert batch.state().status == "CANCELLED"


def test_a_request_of_a_batch_that_was_forgotten_is_still_one(begin: Begin) -> None:
    with begin(batch_status=True) as run:
        batch = run.client.endpoint("e").batches.submit([{"mock_return": 1}, {"mock_return": 2}])
        batch.wait(timeout=1000)
        run.client.endpoint("e").job(batch.page().results[0].id).state(ttl=10)
        run.emulator.clock.sleep(60)
        state = batch.state()
    with begin(batch_status=True) as run:
        assert run.client.endpoint("e").batches.batch(batch.id).state() == state


def test_a_reset_forgets_batches_and_faults(begin: Begin) -> None:
    with begin() as run:
        run.control("POST", "faults", {"kind": "status", "code": 503})
    with begin() as run:
        assert len(run.emulator.faults.all()) == 1
        run.emulator.faults.clear()
        batch = run.client.endpoint("e").batches.submit([{"mock_return": 1}])
        run.control("POST", "faults", {"kind": "status", "code": 503})
        run.emulator.reset()
    with begin() as run:
        assert not run.emulator.faults.all()
        with pytest.raises(RunpodError, match="404"):
            run.client.endpoint("e").batches.batch(batch.id).state()


# Webhooks.


def test_a_webhook_goes_on_with_the_try_that_was_due(begin: Begin, receiver: Receiver) -> None:
    receiver.statuses = [500, 503]
    with begin() as run:
        job = run.client.endpoint("e").run({"mock_return": 1}, webhook=receiver.url)
        ended = run.emulator.clock.time()
        run.emulator.clock.sleep(5)
        assert run.attempts() == [(1, 500)]
    with begin() as run:
        run.emulator.clock.sleep(60)
        assert run.attempts() == [(1, 500), (2, 503), (3, 200)]
        times = [row["time"] - ended for row in run.emulator.ledger.rows() if row["kind"] == "webhook"]
        assert times == pytest.approx([0, 10, 20])
    assert [body["id"] for body in receiver.got] == [job.id] * 3
    with begin() as run:
        run.emulator.clock.sleep(60)
        assert len(run.attempts()) == 3, "it is delivered"


def test_a_webhook_that_was_never_tried_is_delivered(begin: Begin, receiver: Receiver, tmp_path: Path) -> None:
    with begin() as run:
        run.client.endpoint("e").run({"mock_return": 1}, webhook="http://127.0.0.1:1/")
        run.emulator.clock.sleep(1)
        run.control("GET", "ready")
    # As a kill would leave it between the end of the job and its first try.
    with contextlib.closing(sqlite3.connect(tmp_path / "state.db")) as connection:
        connection.execute("UPDATE webhook SET attempt = 1, due = NULL, url = ?", (receiver.url,))
        connection.commit()
    with begin() as run:
        run.emulator.clock.sleep(1)
    assert [body["output"] for body in receiver.got] == [1]


def test_a_reset_forgets_what_was_to_be_delivered(begin: Begin, receiver: Receiver) -> None:
    receiver.statuses = [500]
    with begin() as run:
        run.client.endpoint("e").run({"mock_return": 1}, webhook=receiver.url)
        run.emulator.clock.sleep(1)
        run.emulator.reset()
        run.emulator.clock.sleep(60)
        assert len(receiver.got) == 1
    receiver.statuses = [500]
    with begin() as run:
        run.emulator.clock.sleep(60)
        assert len(receiver.got) == 1
        run.client.endpoint("e").run({"mock_return": 2}, webhook=receiver.url)
        run.emulator.clock.sleep(1)
    with begin() as run:
        assert len(run.emulator.jobs) == 1
        run.emulator.reset()
        run.emulator.clock.sleep(60)
        assert len(receiver.got) == 2, "nor what one before was to deliver"


# Faults, and workers that are kept out: what came from outside lasts, what a program says it says again.


def test_faults_from_outside_last_and_go_on_counting(begin: Begin) -> None:
    with begin() as run:
        run.emulator.inject(Fault.status(418, on="health"))
        run.control("POST", "faults", {"kind": "status", "code": 503, "on": ["health"], "times": 2})
        run.control("POST", "faults", {"kind": "status", "code": 500, "on": ["purge-queue"]})
        run.control("DELETE", "faults/3")
    with begin() as run:
        assert [each["fault"]["code"] for each in run.control("GET", "faults")["faults"]] == [503]
        number = run.control("GET", "faults")["faults"][0]["number"]
        assert health(run) == 503
    with begin() as run:
        (fault,) = run.control("GET", "faults")["faults"]
        assert (fault["number"], fault["struck"], fault["matched"]) == (number, 1, 1)
        assert [health(run), health(run)] == [503, 200]
        assert run.emulator.inject(Fault.status(500)).number > number
        run.control("DELETE", "faults")
    with begin() as run:
        assert run.control("GET", "faults")["faults"] == []


def test_rate_limits_go_on(begin: Begin) -> None:
    with begin(rate_limits=True) as run:
        asked = [asked_of(run, "POST", "purge-queue") for _ in range(int(RATES["purge-queue"][0]) - 1)]
        assert set(asked) == {200}
    with begin(rate_limits=True) as run:
        assert [asked_of(run, "POST", "purge-queue") for _ in range(2)] == [200, 429]
        run.emulator.clock.sleep(RATES_WINDOW)
        assert asked_of(run, "POST", "purge-queue") == 200


def health(run: Run) -> int:
    return asked_of(run, "GET", "health")


def asked_of(run: Run, method: str, name: str) -> int:
    with httpx.Client(transport=run.emulator.transport, headers={"authorization": "test"}) as client:
        return client.request(method, f"https://emulator.invalid/v2/e/{name}").status_code


def test_workers_stay_kept_out_and_what_they_have_cost_is_known(begin: Begin) -> None:
    with begin(scaling=SCALING) as run:
        run.control("POST", "workers/e", {"throttled": 2})
        run.client.endpoint("e").run_sync({"mock_delay": 30}, timeout=100)
        run.emulator.clock.sleep(100)
        assert run.client.endpoint("e").health().workers.throttled == 2
        used = seconds(run)
        assert used == 50  # of its start, its job, and its idle timeout
    with begin(scaling=SCALING) as run:
        assert run.client.endpoint("e").health().workers.throttled == 2
        assert seconds(run) == used
        run.client.endpoint("e").run_sync({"mock_delay": 30}, timeout=100)
        run.emulator.clock.sleep(100)
        assert seconds(run) == 2 * used


def seconds(run: Run) -> float:
    with httpx.Client(transport=run.emulator.transport) as client:
        lines = client.get("https://emulator.invalid/_emulator/metrics").text.splitlines()
    return next(
        float(line.split()[1]) for line in lines if line.startswith('runpod_emulator_worker_seconds_total{endpoint="e"')
    )
