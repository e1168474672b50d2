"""What a notebook shows while something goes on: a real kernel runs the cells, and what it sent is looked at."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from tests.examples.test_examples import needs

pytestmark = pytest.mark.slow

BEGIN = """
import threading
from runpod_sdk import Client, WaitTimeoutError
from runpod_sdk.emulator import Emulator, progress_update

def handler(job):
    if job["input"].get("fast"):
        return "fast"
    progress_update(job, "<b>half</b>")
    emulator.clock.sleep(20)
    return {"done": True}

emulator = Emulator()
emulator.endpoint("abc", handler, workers=4)
emulator.endpoint("none", handler, workers=0)
client = Client(**emulator.connection)
endpoint = client.endpoint("abc")
"""
Shown = list[dict[str, Any]]


def displays(*cells: str, **environment: str) -> list[Shown]:
    """Run cells after BEGIN, and return what each of them displayed."""
    needs("nbclient", "ipykernel")
    done = subprocess.run(  # noqa: S603  a script of ours
        [sys.executable, str(Path(__file__).with_name("cells.py"))],
        input=json.dumps([BEGIN, *cells]),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return cast("list[Shown]", json.loads(done.stdout))[1:]


@pytest.fixture(scope="module")
def cells() -> dict[str, Shown]:
    """Run every cell in one kernel: to start one takes a second."""
    sources = {
        "slow": "output = endpoint.run_sync({'a': 1})",
        "fast": "output = endpoint.run_sync({'fast': 1})",
        "queued": """
try:
    client.endpoint("none").run_sync({'a': 1}, timeout=60)
except WaitTimeoutError:
    pass""",
        "callback": "output = endpoint.run_sync({'a': 1}, on_update=lambda state: None)",
        "look": """
try:
    endpoint.run({'a': 1}).wait(0)
except WaitTimeoutError:
    pass""",
        "thread": """
thread = threading.Thread(target=lambda: endpoint.run_sync({'a': 1}))
thread.start()
thread.join()""",
        "map": "outputs = [result.output for result in endpoint.map([{'fast': 1}] * 30, progress=True)]",
        "state": "endpoint.run({'fast': 1}).wait()",
    }
    return dict(zip(sources, displays(*sources.values()), strict=True))


def texts(shown: Shown) -> list[str]:
    return [message["data"]["text/plain"] for message in shown]


def test_a_wait_shows_one_line_that_changes_and_is_gone_at_its_end(cells: dict[str, Shown]) -> None:
    shown = cells["slow"]
    assert [message["type"] for message in shown] == ["display_data"] + ["update_display_data"] * (len(shown) - 1)
    assert len({message["place"] for message in shown}) == 1
    assert any("IN_PROGRESS · <b>half</b>" in text for text in texts(shown))
    assert any("&lt;b&gt;half&lt;/b&gt;" in message["data"]["text/html"] for message in shown)
    assert shown[-1]["data"] == {"text/html": "", "text/plain": ""}


def test_a_job_that_ends_at_once_shows_nothing(cells: dict[str, Shown]) -> None:
    assert cells["fast"] == []


def test_the_line_says_why_a_job_stays_in_the_queue_and_is_gone_after_an_error_too(cells: dict[str, Shown]) -> None:
    assert any("IN_QUEUE · the endpoint has no workers" in text for text in texts(cells["queued"]))
    assert texts(cells["queued"])[-1] == ""


@pytest.mark.parametrize("name", ["callback", "look", "thread"])
def test_who_is_told_otherwise_looks_once_or_is_no_cell_sees_no_line(cells: dict[str, Shown], name: str) -> None:
    assert cells[name] == []


def test_a_bulk_run_shows_one_bar_that_ends_full(cells: dict[str, Shown]) -> None:
    shown = cells["map"]
    assert len({message["place"] for message in shown}) == 1
    assert 'value="30" max="30"' in shown[-1]["data"]["text/html"]
    assert texts(shown)[-1] == 'map on endpoint "abc" · 30/30 done, 0 failed'


def test_a_state_is_shown_as_a_table(cells: dict[str, Shown]) -> None:
    [shown] = [message for message in cells["state"] if message["type"] == "execute_result"]
    assert '<td style="text-align:left">&#x27;fast&#x27;</td>' in shown["data"]["text/html"]


def test_the_line_can_be_turned_off() -> None:
    assert displays("output = endpoint.run_sync({'a': 1})", RUNPOD_SDK_LIVE="off") == [[]]
