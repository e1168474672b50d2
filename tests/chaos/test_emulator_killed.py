"""The emulator is killed while the SDK is on the other side, again and again: what was acknowledged is there.

`TEST_SCALE=100` makes it 200 kills.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from random import Random
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod_sdk import Client, RunpodError
from tests.emulator.test_webhooks import Receiver
from tests.scale import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

KILLS = scaled(2)
CALLERS = 4
RATE = 20  # a lease of 40 seconds is over in two, and a result is kept for a minute and a half


class Served:
    """An emulator on a file, at a port of its own, and then again at the same."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.url = ""
        self._port = 0
        self.start()

    def start(self) -> None:
        words = ["emulate", "--db", str(self._path), "--port", str(self._port), "--workers", "3", "--json", "--quiet"]
        self._process = subprocess.Popen(  # noqa: S603  our own program
            [sys.executable, "-m", "runpod_sdk", *words, "--time-scale", str(RATE)], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.url = json.loads(self._process.stdout.readline())["url"]
        self._port = int(self.url.removesuffix("/v2").rpartition(":")[2])

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def verdict(self) -> dict[str, Any]:
        answer: dict[str, Any] = httpx.get(self.url.removesuffix("v2") + "_emulator/verdict").json()
        return answer


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path / "state.db")
    yield served
    served.kill()


class Callers:
    """Threads that submit, and read what comes of it, until they are told to stop."""

    def __init__(self, url: str, first: int, webhook: str) -> None:
        self._webhook = webhook
        self._client = Client(api_key="test", base_url=url)
        self._next = first
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self.acknowledged: dict[str, int] = {}
        self.delivered: set[str] = set()
        self.enough = threading.Semaphore(0)
        self._threads = [threading.Thread(target=self._call, daemon=True) for _ in range(CALLERS)]
        for thread in self._threads:
            thread.start()

    def _call(self) -> None:
        endpoint = self._client.endpoint("local")
        while not self._stop.is_set():
            with self._lock:
                number, self._next = self._next, self._next + 1
            try:
                webhook = self._webhook if number % 3 == 0 else None
                job = endpoint.run({"mock_return": number, "mock_delay": number % 7}, webhook=webhook)
                self.acknowledged[job.id] = number
                self.enough.release()
                if number % 2:
                    assert job.output(timeout=30) == number
                    self.delivered.add(job.id)
            except RunpodError:  # it has just been killed
                self._stop.wait(0.01)

    def stop(self) -> int:
        """Return the number of the next job."""
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
        self._client.close()
        return self._next


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


def test_what_was_acknowledged_is_there(served: Served, receiver: Receiver) -> None:
    chance, first, acknowledged = Random(KILLS), 0, 0  # noqa: S311  a test that repeats
    for kill in range(KILLS):
        with Client(api_key="test", base_url=served.url) as client:
            batch_id = client.endpoint("local").batches.submit([{"mock_return": n, "kill": kill} for n in range(5)]).id
        callers = Callers(served.url, first, receiver.url)
        for _ in range(chance.randrange(1, 40)):
            assert callers.enough.acquire(timeout=60)
        served.kill()
        served.start()
        first = callers.stop()
        with Client(api_key="test", base_url=served.url) as client:
            for job_id in callers.delivered:
                assert client.endpoint("local").job(job_id).status() == "COMPLETED"
            for job_id, number in callers.acknowledged.items():
                assert client.endpoint("local").job(job_id).output(timeout=120) == number
            batch = client.endpoint("local").batches.batch(batch_id)
            assert batch.wait(timeout=120).completed == 5
            assert sorted(result.output for result in batch.results(timeout=120)) == [*range(5)]
            called = {job_id for job_id, number in callers.acknowledged.items() if number % 3 == 0}
            for _ in range(10_000):  # the last ones are on their way
                if called <= {body["id"] for body in receiver.got}:
                    break
                client.endpoint("local").health()
            assert called <= {body["id"] for body in receiver.got}
        acknowledged += len(callers.acknowledged)
        verdict = served.verdict()
        assert verdict["conserved"], verdict
        assert not verdict["doubled"], verdict
    print(f"{KILLS} kills: {acknowledged} jobs were acknowledged, each was run, delivered and reported")  # noqa: T201  the result
