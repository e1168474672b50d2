"""The built-in handler does what the official mock worker's input says."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from runpod_sdk.emulator import Emulator

    Call = Callable[..., httpx.Response]


def run_sync(call: Call, emulator: Emulator, **job_input: Any) -> dict[str, Any]:
    state: dict[str, Any] = call(emulator, "POST", "/e/runsync?wait=300000", json={"input": job_input}).json()
    return state


@pytest.fixture(autouse=True)
def endpoint(emulator: Emulator) -> None:
    emulator.endpoint("e")


@pytest.mark.parametrize("value", [None, 0, False, "", [], "text", {"a": 1}, [1, [2]]])
def test_mock_return(call_once: Call, emulator: Emulator, value: Any) -> None:
    state = run_sync(call_once, emulator, mock_return=value)
    assert (state["status"], state["output"]) == ("COMPLETED", value)


def test_without_mock_return_it_says_hello(call_once: Call, emulator: Emulator) -> None:
    assert run_sync(call_once, emulator, anything=1)["output"] == "Hello World!"


def test_mock_delay(call_once: Call, emulator: Emulator) -> None:
    assert run_sync(call_once, emulator, mock_delay=12.5)["executionTime"] == 12_500


def test_mock_error(call_once: Call, emulator: Emulator) -> None:
    state = run_sync(call_once, emulator, mock_error=True, mock_delay=1)
    assert (state["status"], json.loads(state["error"])["error_message"]) == ("FAILED", "Mock error")
    assert state["executionTime"] == 1000


def test_mock_crash(call_once: Call, emulator: Emulator) -> None:
    state = run_sync(call_once, emulator, mock_crash=True)
    assert (state["status"], state["error"], state["retries"]) == ("FAILED", "job timed out after 1 retries", 1)


def test_mock_refresh(call_once: Call, emulator: Emulator) -> None:
    first = run_sync(call_once, emulator, mock_refresh=True, mock_return=[1])
    second = run_sync(call_once, emulator, mock_return=1)
    assert first["output"] == {"mock_return": [1]}
    assert first["workerId"] != second["workerId"]


def test_mock_progress(call_once: Call, emulator: Emulator) -> None:
    job_input = {"mock_progress": {"updates": ["a", "b"], "wait_time": 10}, "mock_return": "done"}
    job_id = call_once(emulator, "POST", "/e/run", json={"input": job_input}).json()["id"]
    seen: list[Any] = []
    for _ in range(3):
        emulator.clock.sleep(8)
        seen.append(call_once(emulator, "GET", f"/e/status/{job_id}").json()["output"])
    assert seen == ["a", "b", "done"]


def test_mock_logs(call_once: Call, emulator: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "runpod_sdk.emulator.mock"):
        run_sync(call_once, emulator, mock_logs=[{"level": "warn", "message": "careful"}, {"message": "hello"}])
    assert [(record.levelname, record.message.split(" | ")[1]) for record in caplog.records] == [
        ("WARNING", "careful"),
        ("INFO", "hello"),
    ]


def test_a_list_streams_item_by_item(call_once: Call, emulator: Emulator) -> None:
    body = {"input": {"mock_return": ["a", "b", "c"], "mock_delay": 4}}
    job_id = call_once(emulator, "POST", "/e/run", json=body).json()["id"]
    answers: list[tuple[float, str, list[Any]]] = []
    while not answers or answers[-1][1] == "IN_PROGRESS":
        answer = call_once(emulator, "GET", f"/e/stream/{job_id}").json()
        outputs = [chunk["output"] for chunk in answer["stream"]]
        answers.append((emulator.clock.monotonic(), answer["status"], outputs))
    assert answers[:2] == [(4.0, "IN_PROGRESS", ["a"]), (8.0, "IN_PROGRESS", ["b"])]
    assert [output for _, _, outputs in answers for output in outputs] == ["a", "b", "c"]
    assert answers[-1][:2] == (12.0, "COMPLETED")


def test_a_stream_can_break_off(call_once: Call, emulator: Emulator) -> None:
    job_id = run_sync(call_once, emulator, mock_return=["a"], mock_error=True)["id"]
    answer = call_once(emulator, "GET", f"/e/stream/{job_id}").json()
    assert answer == {"status": "FAILED", "stream": [{"output": "a"}]}


def test_your_choice_of_aggregation_holds(call_once: Call, emulator: Emulator) -> None:
    emulator.endpoint("bare", return_aggregate_stream=False)
    answer = call_once(emulator, "POST", "/bare/runsync", json={"input": {"mock_return": [1, 2]}})
    assert answer.json()["output"] == []
