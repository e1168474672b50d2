"""The three receivers of webhooks: fed over a socket, by the emulator and by strangers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod_sdk import Client
from runpod_sdk.emulator import Emulator
from tests.examples.test_examples import EXAMPLES, needs

if TYPE_CHECKING:
    from collections.abc import Iterator

UVICORN = [sys.executable, "-m", "uvicorn", "--app-dir", str(EXAMPLES), "--port", "0", "--no-access-log"]
FLASK = [sys.executable, "-m", "flask", "--app", str(EXAMPLES / "webhooks_flask.py"), "run", "--port", "0"]
RECEIVERS = {
    "starlette": [*UVICORN, "webhooks_starlette:app"],
    "fastapi": [*UVICORN, "webhooks_fastapi:app"],
    "flask": FLASK,
}
TOKEN = "a token, & more"  # noqa: S105  of a test


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        emulator.endpoint("abc123", lambda job: job["input"]["n"] + 1)
        yield emulator


@pytest.fixture(params=RECEIVERS)
def receiver(emulator: Emulator, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """Run a receiver, and provide a client on it that knows the token."""
    needs(*({"flask"} if request.param == "flask" else {"uvicorn", request.param}))
    with emulator.serve() as server:
        environment = {
            **os.environ,
            "RUNPOD_API_KEY": server.api_key,
            "RUNPOD_ENDPOINT_BASE_URL": server.url,
            "ENDPOINT_ID": "abc123",
            "WEBHOOK_TOKEN": TOKEN,
        }
        with subprocess.Popen(  # noqa: S603  a command of ours
            RECEIVERS[request.param], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment
        ) as process:
            assert process.stderr is not None
            try:
                line = next((line for line in process.stderr if "unning on http" in line), "")
                found = re.search(r"http://[\d.]+:\d+", line)
                assert found, line
                drain = threading.Thread(target=process.stderr.read)
                drain.start()
                with httpx.Client(base_url=found[0], params={"token": TOKEN}, timeout=60) as client:
                    yield client
            finally:
                process.terminate()
            drain.join()


def delivered(emulator: Emulator) -> list[object]:
    """Return how the receiver answered to the emulator's courier, as soon as it has."""
    for _ in range(6000):
        statuses = [row["status"] for row in emulator.ledger.rows() if row["kind"] == "webhook"]
        if statuses:
            return statuses
        threading.Event().wait(0.01)
    raise AssertionError("no webhook was delivered")


@pytest.mark.slow
def test_what_the_emulator_posts_is_noted_and_what_strangers_post_is_not(
    receiver: httpx.Client, emulator: Emulator
) -> None:
    with emulator.serve() as server, Client(server.api_key, base_url=server.url) as client:
        webhook = str(receiver.build_request("POST", "/runpod").url)
        job = client.endpoint("abc123").run({"n": 1}, webhook=webhook)
        assert delivered(emulator) == [200]
        expected = {job.id: {"status": "COMPLETED", "output": 2}}
        assert receiver.get("/ended").json() == expected

        told = {"id": job.id, "status": "FAILED", "error": "says a stranger"}
        strange = {"id": "no-such-job", "status": "COMPLETED", "output": 1}
        posted: list[tuple[str, Any, int]] = [
            ("guess", told, 403),
            ("", told, 403),
            (TOKEN, [], 400),
            (TOKEN, strange, 400),
            (TOKEN, told, 200),
        ]
        for token, body, status in posted:
            answer = receiver.post("/runpod", params={"token": token}, json=body)
            assert answer.status_code == status
        assert receiver.get("/ended").json() == expected
