"""What a worker sends, compared with the official worker library's own code (runpod-python 1.12.0, rp_job.py)."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runpod_sdk.emulator._workers import _results as results

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("value", [None, 0, False, "", [], 1, "x", [1], {"a": 1}])
@pytest.mark.fidelity("worker: what a handler returns is the output, whatever JSON it is", source="official source")
def test_what_is_returned_is_the_output(value: Any) -> None:
    assert results.returned(value) == {"output": value}


@pytest.mark.fidelity("worker: an empty dict sends no output", source="official source")
def test_an_empty_dict_is_not_sent() -> None:
    assert results.returned({}) == {}


@pytest.mark.parametrize(
    ("value", "result"),
    [
        ({"error": "x"}, {"error": "x"}),
        ({"error": "x", "partial": 1}, {"output": {"partial": 1}, "error": "x"}),
        ({"error": {"code": 1}}, {"error": {"code": 1}}),
        ({"error": "", "a": 1}, {"output": {"a": 1}}),
        ({"error": None}, {}),
    ],
)
@pytest.mark.fidelity(
    "worker: a returned error fails the job, and the rest of the dict is its output", source="official source"
)
def test_a_returned_error_is_taken_out(value: dict[str, Any], result: dict[str, Any]) -> None:
    assert results.returned(value) == result
    assert "error" not in value, "it is taken out of the handler's own dict, as in production"


@pytest.mark.parametrize(("flag", "refresh"), [(True, True), (1, True), (False, False), (None, False)])
@pytest.mark.fidelity("worker: refresh_worker is taken out of the output", source="official source")
def test_refresh_worker_is_taken_out(flag: Any, refresh: bool) -> None:  # noqa: FBT001  a parameter
    result = results.returned({"refresh_worker": flag, "a": 1})
    assert result == {"output": {"a": 1}, **({"stopPod": True} if refresh else {})}


@pytest.mark.fidelity("worker: the error of a handler that raises is JSON as a string", source="official source")
def test_a_raised_error_is_a_json_string() -> None:
    def handler() -> None:
        raise ValueError("no prompt")

    with pytest.raises(ValueError, match="no prompt") as caught:
        handler()
    error = json.loads(results.raised(caught.value, "w1", "w1-host")["error"])
    assert list(error) == [
        "error_type",
        "error_message",
        "error_traceback",
        "hostname",
        "worker_id",
        "runpod_version",
    ]
    assert error["error_type"] == "<class 'ValueError'>"
    assert error["error_message"] == "no prompt"
    assert error["error_traceback"].startswith("Traceback (most recent call last):\n")
    assert error["error_traceback"].endswith("ValueError: no prompt\n")
    assert (error["worker_id"], error["hostname"], error["runpod_version"]) == ("w1", "w1-host", "1.12.0")


@pytest.mark.fidelity(
    "worker: the error of a generator that raises is a text with its traceback", source="official source"
)
def test_a_generators_error_is_a_text() -> None:
    text = results.generator_raised(ValueError("no prompt"))["error"]
    assert text.startswith("handler: no prompt \ntraceback: ")
    assert text.endswith("ValueError: no prompt\n")


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ({"error": "x"}, {"error": "x"}),
        ({"error": 5}, {"error": "5"}),
        ({"error": ""}, None),
        ({"a": 1}, None),
        (1, None),
    ],
)
@pytest.mark.fidelity("worker: an error that a generator yields ends the job", source="official source")
def test_a_yielded_error_is_a_string(value: Any, error: dict[str, Any] | None) -> None:
    assert results.ending({"output": value}) == error


@pytest.mark.parametrize("value", [object(), {1, 2}, b"x", math.nan, math.inf, [1j], {(1, 2): 3}])
@pytest.mark.fidelity("worker: a result that is not JSON is not sent", source="official source")
def test_what_is_not_json_is_not_sent(value: Any) -> None:
    with pytest.raises(results.NotJSONError):
        results.as_json({"output": value})


def test_a_circle_is_not_json() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(results.NotJSONError):
        results.as_json(circle)


def test_json_is_what_the_service_would_get() -> None:
    assert results.as_json({1: (2, 3)}) == {"1": [2, 3]}


@given(value=JSON)
@settings(derandomize=True, deadline=None)
def test_json_comes_back_equal_and_not_shared(value: Any) -> None:
    copy = results.as_json(value)
    assert copy == value
    assert not isinstance(value, list | dict) or copy is not value
