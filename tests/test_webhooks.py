"""Webhooks as they arrive: whatever the bytes are, a JobState or a ValueError."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runpod_sdk import Client, JobState
from runpod_sdk.emulator import Emulator
from runpod_sdk.webhooks import is_token, parse

BODY = {
    "id": "60902e6c-u1",
    "status": "FAILED",
    "delayTime": 3,
    "executionTime": 1500,
    "workerId": "w1",
    "error": "no",
    "retries": 1,
    "novel": [1],
}


@pytest.mark.parametrize(
    "body", [BODY, json.dumps(BODY), json.dumps(BODY).encode(), bytearray(json.dumps(BODY).encode())]
)
def test_a_body_is_read_from_whatever_a_framework_hands_out(body: Any) -> None:
    state = parse(body, endpoint_id="abc")
    assert (state.id, state.endpoint_id, state.status, state.error) == ("60902e6c-u1", "abc", "FAILED", "no")
    assert (state.worker_id, state.retries, state.delay_time_ms, state.execution_time_ms) == ("w1", 1, 3, 1500)
    assert state.raw == BODY


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        ("<html>", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("1" * 5000, "not JSON"),
        (None, "not JSON"),
        (7, "not JSON"),
        ({"id": object()}, "not JSON"),
        ("[]", "not a JSON object"),
        ("null", "not a JSON object"),
        ("{}", "does not describe a job: it has no id of a job"),
        ({"status": "COMPLETED"}, "does not describe a job: it has no id of a job"),
        ({"id": None, "status": "COMPLETED"}, "does not describe a job: it has no id of a job"),
        ({"id": "../etc", "status": "COMPLETED"}, "does not describe a job: it has no id of a job"),
        ({"id": "j1 ", "status": "COMPLETED"}, "does not describe a job: it has no id of a job"),
        ({"id": 5, "status": "COMPLETED"}, "does not describe a job: it has no id of a job"),
        ({"id": "j1"}, "does not describe a job: it has no job status"),
        ({"id": "j1", "status": 404}, "does not describe a job: it has no job status"),
        ({"id": "j1", "status": ""}, "does not describe a job: it has no job status"),
    ],
)
def test_anything_else_is_a_value_error_that_says_why(body: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse(body)


def test_a_field_that_does_not_decide_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    body = {"id": "j1", "status": "COMPLETED", "output": 7, "delayTime": "12", "workerId": 5, "retries": True}
    state = parse(body)
    assert (state.output, state.delay_time_ms, state.worker_id, state.retries) == (7, None, None, 0)
    assert state.raw == body
    assert [record.getMessage().partition(" of an answer")[0] for record in caplog.records] == [
        "workerId",
        "retries",
        "delayTime",
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ["id", "status", "output", "error", "delayTime", "executionTime", "retries", "workerId", "webhook"]
LIKELY = st.dictionaries(st.sampled_from(FIELDS), JSON | st.sampled_from(["j1", "COMPLETED", "IN_PROGRESS", 10**400]))


@given(
    body=st.binary() | st.text() | JSON.map(json.dumps) | LIKELY | LIKELY.map(json.dumps) | st.none() | st.integers()
)
@example(body={"id": "j1", "status": "COMPLETED", "delayTime": float("inf")})
@example(body={"id": "j1", "status": "COMPLETED", "output": "\ud800"})
@example(body={"id": "j1", "status": "COMPLETED", "error": {"\ud800": [float("nan")]}})
def test_nothing_but_a_state_or_a_value_error_comes_of_any_body(body: Any) -> None:
    with suppress(ValueError):
        state = parse(body)
        assert isinstance(state, JobState)
        assert repr(state)


@pytest.mark.parametrize("given_token", [None, "", "x", "tokeN", "token ", "tökén", "\ud800"])
def test_only_the_token_itself_is_the_token(given_token: str | None) -> None:
    assert not is_token(given_token, "token")
    assert is_token("token", "token")


def test_no_token_at_all_lets_nobody_in() -> None:
    with pytest.raises(ValueError, match="expected is empty"):
        is_token("", "")


def test_a_body_like_that_of_status_says_what_status_says() -> None:
    def good(job: dict[str, Any]) -> Any:
        return [1]

    def bad(job: dict[str, Any]) -> Any:
        return {"error": "no"}

    with Emulator() as emulator, Client(**emulator.connection) as client:
        for handler in (good, bad):
            emulator.endpoint(handler.__name__, handler)
            state = client.endpoint(handler.__name__).run({"a": 1}).wait()
            assert parse(state.raw, endpoint_id=handler.__name__) == state
