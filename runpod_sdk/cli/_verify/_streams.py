"""Claims about /stream; some need a worker with a generator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from ._claims import claim
from ._raw_endpoint import FINAL, NOT_FINAL
from ._requests import was_held

if TYPE_CHECKING:
    from ._raw_endpoint import RawAnswer, RawEndpoint

    Result = tuple[bool, RawAnswer | str]

_ITEMS = ["a", "b", "c"]
_PAUSE = 0.5  # seconds between two reads, should the service not hold them
_HOLD = 10.0  # seconds of an empty answer without wait


@claim("stream-object", "/stream answers with an object of status and stream", "official source", jobs=1)
def _stream_object(endpoint: RawEndpoint) -> Result:
    job_id, _ = endpoint.completed({"mock_return": "done"})
    answer = endpoint.ask("GET", f"/stream/{job_id}", hold=10)
    return set(answer.fields) == {"status", "stream"} and isinstance(answer.fields["stream"], list), answer


@claim("stream-post", "POST to /stream answers as GET does", "official source", jobs=1)
def _stream_post(endpoint: RawEndpoint) -> Result:
    job_id, _ = endpoint.completed({"mock_return": "done"})
    got, posted = (endpoint.ask(method, f"/stream/{job_id}", hold=10) for method in ("GET", "POST"))
    return got.status == posted.status == 200 and got.body == posted.body, posted


@claim("stream-wait", "/stream?wait=1000 is held for a second while there is nothing", "official source", jobs=1)
def _stream_wait(endpoint: RawEndpoint) -> Result:
    job_id = endpoint.running({"mock_delay": 20})
    answer = endpoint.ask("GET", f"/stream/{job_id}", query={"wait": "1000"}, hold=1)
    is_empty = answer.fields.get("stream") == [] and answer.job_status in NOT_FINAL
    return is_empty and was_held(answer, 1.0), f"{answer} after {answer.seconds:.1f} s"


@claim("stream-hold", "/stream without wait is held for 10 seconds", "official source", jobs=1, slow=True)
def _stream_hold(endpoint: RawEndpoint) -> Result:
    job_id = endpoint.running({"mock_delay": 20})
    answer = endpoint.ask("GET", f"/stream/{job_id}", hold=_HOLD)
    return answer.job_status in NOT_FINAL and was_held(answer, _HOLD), f"{answer} after {answer.seconds:.1f} s"


@claim("stream-chunks", "/stream hands out what was yielded, in order", "documented", jobs=1, needs_generator=True)
def _stream_chunks(endpoint: RawEndpoint) -> Result:
    job_id = endpoint.submit({"mock_return": _ITEMS}, endpoint_id=endpoint.generator_id)
    chunks, answer = _read_all(endpoint, job_id)
    outputs = [chunk.get("output") for chunk in chunks]
    return outputs == _ITEMS, f"outputs {outputs}, then {answer}"


@claim(
    "stream-drains", "chunks that were read are not handed out again", "official source", jobs=1, needs_generator=True
)
def _stream_drains(endpoint: RawEndpoint) -> Result:
    job_id = endpoint.submit({"mock_return": _ITEMS}, endpoint_id=endpoint.generator_id)
    _read_all(endpoint, job_id)
    answer = _read(endpoint, job_id)
    return answer.fields.get("stream") == [] and answer.job_status in FINAL, answer


@claim("stream-output", "a generator's output is [] or all it yielded", "documented", jobs=1, needs_generator=True)
def _stream_output(endpoint: RawEndpoint) -> Result:
    job_id = endpoint.submit({"mock_return": _ITEMS}, endpoint_id=endpoint.generator_id)
    answer = endpoint.ended(job_id)
    return answer.fields.get("output") in ([], _ITEMS), answer


def _read(endpoint: RawEndpoint, job_id: str) -> RawAnswer:
    return endpoint.ask("GET", f"/stream/{job_id}", endpoint_id=endpoint.generator_id, hold=10)


def _read_all(endpoint: RawEndpoint, job_id: str) -> tuple[list[dict[str, Any]], RawAnswer]:
    """Read until the status is final and no chunk came, or too many; what came, and the last answer."""
    chunks: list[dict[str, Any]] = []
    end = endpoint.clock.monotonic() + endpoint.patience
    while endpoint.clock.monotonic() < end:
        answer = _read(endpoint, job_id)
        came = cast("list[dict[str, Any]]", answer.fields.get("stream", []))
        chunks += came
        is_over = answer.job_status in FINAL and not came
        if is_over or answer.status != 200 or len(chunks) > len(_ITEMS):
            return chunks, answer
        if not came:
            endpoint.clock.sleep(_PAUSE)
    return chunks, endpoint.status(job_id)


CHECKS = (
    _stream_object,
    _stream_post,
    _stream_wait,
    _stream_hold,
    _stream_chunks,
    _stream_drains,
    _stream_output,
)
