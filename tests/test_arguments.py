"""What callers pass in: refused by name, value and limit before any request, or sent untouched."""

from __future__ import annotations

import enum
import json
import math
import warnings
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod_sdk._values._arguments import (
    EXECUTION_TIMEOUT_RANGE,
    TTL_RANGE,
    checked_id,
    checked_input,
    checked_seconds,
    encoded,
)
from runpod_sdk._values._operations import RUN, RUN_SYNC, Operation

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_DICT: Mapping[str, Any] = MappingProxyType({})


@given(st.from_regex(r"[A-Za-z0-9_-]{1,128}", fullmatch=True))
def test_an_id_of_the_services_characters_is_returned_as_it_is(value: str) -> None:
    assert checked_id("job_id", value) == value


@pytest.mark.parametrize("value", ["", ".", "..", "a/b", "a b", "a\n", "a%2e", "é", "a?b", "a#b", "x" * 129, "٣"])
def test_an_id_that_is_unsafe_in_a_path_is_refused_by_name(value: str) -> None:
    with pytest.raises(ValueError, match=r"job_id=.*1 to 128 of the characters"):
        checked_id("job_id", value)


@pytest.mark.parametrize("value", [None, 5, b"abc", ["a"]])
def test_an_id_that_is_no_string_is_a_type_error(value: object) -> None:
    with pytest.raises(TypeError, match=rf"endpoint_id=.*a string expected, not {type(value).__name__}"):
        checked_id("endpoint_id", value)


def test_a_long_wrong_id_is_not_shown_whole() -> None:
    with pytest.raises(ValueError, match="job_id") as caught:
        checked_id("job_id", "x" * 10_000)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("value", [5, 5.0, 604_800, 600.5])
def test_a_duration_within_the_limits_is_returned(value: float) -> None:
    assert checked_seconds("execution_timeout", value, EXECUTION_TIMEOUT_RANGE) == value


@pytest.mark.parametrize(
    ("name", "value", "limits", "message"),
    [
        ("ttl", 9.99, TTL_RANGE, "ttl=9.99: 10 … 604800 seconds expected"),
        ("ttl", -1, TTL_RANGE, "ttl=-1: 10 … 604800 seconds expected"),
        ("ttl", math.nan, TTL_RANGE, "ttl=nan: 10 … 604800 seconds expected"),
        ("ttl", math.inf, TTL_RANGE, "ttl=inf: 10 … 604800 seconds expected"),
        ("ttl", 1e12, TTL_RANGE, "ttl=1000000000000.0: 10 … 604800 seconds expected"),
        ("execution_timeout", 0, EXECUTION_TIMEOUT_RANGE, "execution_timeout=0: 5 … 604800 seconds expected"),
        ("ttl", 900_000, TTL_RANGE, "ttl=900000: 10 … 604800 seconds expected; 900000 ms is 900 s"),
        ("ttl", 3_600_000, TTL_RANGE, "ttl=3600000: 10 … 604800 seconds expected; 3600000 ms is 3600 s"),
        ("ttl", 86_400_000, TTL_RANGE, "ttl=86400000: 10 … 604800 seconds expected; 86400000 ms is 86400 s"),
        ("ttl", 604_800_000.0, TTL_RANGE, "ttl=604800000.0: 10 … 604800 seconds expected; 604800000 ms is 604800 s"),
    ],
)
def test_a_duration_out_of_range_is_refused_and_its_unit_guessed(
    name: str, value: float, limits: tuple[float, float], message: str
) -> None:
    with pytest.raises(ValueError, match="seconds expected") as caught:
        checked_seconds(name, value, limits)
    assert str(caught.value) == message


@pytest.mark.parametrize("value", [True, "900", None])
def test_a_duration_that_is_no_number_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError, match=rf"ttl={value!r}: seconds expected, not {type(value).__name__}"):
        checked_seconds("ttl", value, TTL_RANGE)


@pytest.mark.parametrize(
    "value", [{"input": {}}, {"input": {"a": 1}}, {"input": {}, "webhook": "https://a", "policy": {}, "s3Config": {}}]
)
def test_what_looks_like_a_whole_body_is_warned_of_and_sent_untouched(value: Mapping[str, Any]) -> None:
    with pytest.warns(UserWarning, match=r'job\["input"\]\["input"\]'):
        assert checked_input(value) is value


@pytest.mark.parametrize("value", [{}, {"a": 1}, {"input": "text"}, {"input": {}, "seed": 1}, {"webhook": "x"}])
def test_what_is_an_input_is_not_warned_of(value: Mapping[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert checked_input(value) is value


KEYS = st.text(max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(KEYS, JSON, max_size=4))
def test_any_json_object_arrives_as_it_was(value: dict[str, Any]) -> None:
    assert json.loads(encoded(RUN, {"input": value})) == {"input": value}


def test_a_body_is_ascii_so_that_half_a_character_survives() -> None:
    assert encoded(RUN, {"input": {"ä": "\ud800"}}) == b'{"input":{"\\u00e4":"\\ud800"}}'


def selfish() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["me"] = [value]
    return value


def deep(levels: int) -> dict[str, Any]:
    """Deeper than some Pythons write JSON: 3.14 comes to the object at the bottom, others do not."""
    value: Any = object()
    for _ in range(levels):
        value = [value]
    return {"deep": value}


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        ({"x": math.nan}, ValueError, "input['x'] is nan: JSON has no such number"),
        ({"x": [1, {"y": -math.inf}]}, ValueError, "input['x'][1]['y'] is -inf: JSON has no such number"),
        ({"x": b"hunter2"}, TypeError, "input['x'] is of type bytes: JSON holds no bytes; send base64 text or a URL"),
        ({"x": bytearray(b"hunter2")}, TypeError, "input['x'] is of type bytearray: JSON holds no bytes"),
        ({"x": ({"hunter2"},)}, TypeError, "input['x'][0] is of type set: JSON cannot hold it"),
        ({"x": {("a", "b"): 1}}, TypeError, "input['x'] has a key that is of type tuple: JSON keys are strings"),
        ({"x": NO_DICT}, TypeError, "input['x'] is of type mappingproxy: JSON cannot hold it"),
        (selfish(), ValueError, "is nested too deeply, or holds itself"),
        (deep(300), ValueError, "is nested too deeply, or holds itself"),
        (deep(10_000), ValueError, "is nested too deeply, or holds itself"),
    ],
    ids=["nan", "inf", "bytes", "bytearray", "set", "key", "mapping", "circle", "deep", "deeper"],
)
def test_what_json_cannot_hold_is_named_by_its_place_and_not_shown(
    value: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind) as caught:
        encoded(RUN, {"input": value})
    assert message in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_bad_extra_body_is_named_as_such() -> None:
    with pytest.raises(TypeError, match=r"extra_body\['x'\] is of type bytes"):
        encoded(RUN, {"input": {}, "x": b""})


@pytest.mark.parametrize(("operation", "mib"), [(RUN, 10), (RUN_SYNC, 20)])
def test_a_body_above_the_services_limit_is_not_sent(operation: Operation, mib: int) -> None:
    frame, most = len(b'{"input":{"x":""}}'), mib * 2**20
    assert operation.body_max == most
    assert len(encoded(operation, {"input": {"x": "a" * (most - frame)}})) == most
    with pytest.raises(ValueError, match=rf"the body of {operation.name} is {most + 1} bytes: .*\({mib} MiB\)"):
        encoded(operation, {"input": {"x": "a" * (most - frame + 1)}})


class Likely(enum.Enum):
    ONE = 1


class NaTType(datetime):
    """What pandas has where a date is missing."""


class Array:
    """What numpy, torch and pandas have in common."""

    def tolist(self) -> list[int]:
        return [1]


class generic:  # noqa: N801  as numpy calls the base of its numbers
    def tolist(self) -> int:
        return 1


class int64(generic):  # noqa: N801  as above
    pass


class Frame:
    columns = ("a",)

    def to_dict(self, orient: str) -> object:
        return orient


@pytest.mark.parametrize(
    ("value", "instead"),
    [
        (Array(), ".tolist()"),
        (Frame(), '.to_dict("records")'),
        (datetime(2026, 1, 1, tzinfo=UTC), ".isoformat()"),
        (time(12), ".isoformat()"),
        (timedelta(1), ".total_seconds()"),
        (int64(), ".item()"),
        (NaTType(2026, 1, 1, tzinfo=UTC), "None, or leave it out"),
        (math.nan, "None, or leave it out"),
        (Decimal("1.5"), "float(…), or str(…)"),
        (Path("a"), "str(…), or what the file holds as base64 text"),
        (UUID(int=1), "str(…)"),
        (Likely.ONE, ".value"),
        ({1}, "list(…)"),
        (iter("ab"), "list(…)"),
        (object(), ""),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_json_cannot_hold_is_answered_by_what_to_send_instead(value: object, instead: str) -> None:
    with pytest.raises((TypeError, ValueError), match=r"input\['x'\]") as caught:
        encoded(RUN, {"input": {"x": value}})
    assert str(caught.value).partition("; send ")[2] == instead
