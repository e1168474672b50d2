"""Chunks above 1 MB are split."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runpod_sdk.emulator._limits import CHUNK_BYTES
from runpod_sdk.emulator._queue._chunks import split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    from runpod_sdk.emulator import Emulator

    Call = Callable[..., httpx.Response]


@settings(max_examples=25)
@given(unit=st.text(min_size=1, max_size=3), size=st.integers(1, 3 * CHUNK_BYTES))
@pytest.mark.fidelity("/stream: a chunk over 1 MB is split", source="documented")
def test_text_is_cut_and_nothing_of_it_lost(unit: str, size: int) -> None:
    text = (unit * (size // len(unit) + 1))[:size]
    parts = [body["output"] for body in split({"output": text})]
    assert "".join(parts) == text
    assert all(0 < len(json.dumps(part)) <= CHUNK_BYTES for part in parts)


@pytest.mark.parametrize("output", ["", "short", None, 7, ["x" * 2 * CHUNK_BYTES], {"a": "x" * 2 * CHUNK_BYTES}])
@pytest.mark.fidelity("/stream: only text is split; any other chunk passes whole", source="assumed")
def test_what_is_small_or_no_text_passes_whole(output: Any) -> None:
    assert split({"output": output, "metrics": 1}) == [{"output": output, "metrics": 1}]


def test_what_stands_beside_comes_first() -> None:
    first, *others = split({"output": "x" * 2 * CHUNK_BYTES, "metrics": {"n": 1}})
    assert first["metrics"] == {"n": 1}
    assert all(list(each) == ["output"] for each in others)


@pytest.mark.fidelity(
    "/stream: in the output of an aggregating worker a chunk that was split is whole", source="assumed"
)
def test_a_reader_gets_the_parts_in_order(call: Call, emulator: Emulator) -> None:
    def handler(job: dict[str, Any]) -> Iterator[str]:
        yield "a" * (2 * CHUNK_BYTES)
        yield "b"

    emulator.endpoint("e", handler, return_aggregate_stream=True)
    job_id = call(emulator, "POST", "/e/run", json={"input": {"n": 1}}).json()["id"]
    emulator.clock.sleep(1)
    outputs = [chunk["output"] for chunk in call(emulator, "GET", f"/e/stream/{job_id}").json()["stream"]]
    assert outputs[-1] == "b"
    assert "".join(outputs[:-1]) == "a" * (2 * CHUNK_BYTES)
    assert len(outputs) > 2
    assert call(emulator, "GET", f"/e/status/{job_id}").json()["output"] == ["a" * (2 * CHUNK_BYTES), "b"]
