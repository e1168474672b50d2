"""Whatever comes as an answer to whatever was asked: a value of ours, or an error of ours, soon."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runpod_sdk import RetryPolicy
from runpod_sdk.errors import RunpodError
from tests.faults.flavours import FLAVOURS, Flavour, ImpatientClock, settled
from tests.faults.server import Connection, FaultServer
from tests.faults.table import CALLS
from tests.scale import scaled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

# A job that never ends and a stream that never dries up are legal answers; what is taken of them.
TIMEOUT, CHUNKS_MAX = 20.0, 10
# More requests than any of these calls may make.
REQUESTS_MAX = 400
PIECE = 2**16
JOB_ID = "j1"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=10,
)
# Field by field, what the service would say, or something else.
words = st.sampled_from(["IN_QUEUE", "IN_PROGRESS", "COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT", "ON_HOLD", ""])
chunk = st.fixed_dictionaries({}, optional={"output": json_values, "metrics": json_values})
counts = st.dictionaries(st.sampled_from(["completed", "inQueue", "idle", "running", "odd"]), json_values, max_size=5)
shaped = st.fixed_dictionaries(
    {},
    optional={
        "id": st.just(JOB_ID) | json_values,
        "status": words | json_values,
        "output": json_values,
        "error": json_values,
        "delayTime": st.integers() | json_values,
        "executionTime": st.integers() | json_values,
        "retries": st.integers() | json_values,
        "workerId": st.text(max_size=8) | json_values,
        "stream": st.lists(chunk | json_values, max_size=3) | json_values,
        "removed": st.integers() | json_values,
        "jobs": counts | json_values,
        "workers": counts | json_values,
        "title": json_values,
        "detail": json_values,
    },
)
statuses = st.sampled_from([200, 200, 200, 201, 204, 302, 400, 404, 429, 500, 503, 520]) | st.integers(200, 999)
header_values = st.binary(max_size=20).filter(lambda value: not set(value) & set(b"\r\n\0"))
headers = st.dictionaries(
    st.sampled_from(["content-type", "content-encoding", "retry-after", "location", "x-odd"]), header_values, max_size=3
)


class Canned(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Gives one answer to everything."""

    def __init__(self, status: int, headers: dict[str, bytes], body: bytes) -> None:
        self.requests = 0
        self.pieces = 0
        self._status = status
        self._headers = [(name.encode(), value) for name, value in headers.items()]
        self._body = body

    def handle_request(self, request: httpx.Request) -> httpx.Response:  # noqa: ARG002  httpx's signature
        self.requests += 1
        return httpx.Response(self._status, headers=self._headers, stream=Body(self, self._body))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.handle_request(request)


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """Comes in pieces as large as httpx reads them."""

    def __init__(self, canned: Canned, body: bytes) -> None:
        self._canned = canned
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self._body), PIECE):
            self._canned.pieces += 1
            yield self._body[start : start + PIECE]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece


async def some(stream: Any) -> Any:
    """Take the first chunks of a stream of either flavour."""
    if hasattr(stream, "__anext__"):
        async with stream:
            return [await anext(stream, None) for _ in range(CHUNKS_MAX)]
    with stream:
        return [next(stream, None) for _ in range(CHUNKS_MAX)]


async def ask_everything(client: Any) -> None:
    endpoint = client.endpoint("e")
    job = endpoint.job(JOB_ID)
    calls: list[Callable[[], Coroutine[Any, Any, object]]] = [
        lambda: CALLS["run"].body(endpoint),
        lambda: settled(endpoint.run_sync({"n": 1}, timeout=TIMEOUT)),
        lambda: CALLS["status"].body(endpoint),
        lambda: settled(job.output(timeout=TIMEOUT)),
        lambda: some(job.stream(timeout=TIMEOUT, on_gap="raise")),
        lambda: CALLS["cancel"].body(endpoint),
        lambda: CALLS["retry"].body(endpoint),
        lambda: CALLS["purge"].body(endpoint),
        lambda: CALLS["health"].body(endpoint),
    ]
    for call in calls:
        try:
            told = repr(await call())
        except RunpodError as error:
            told = str(error)
        assert 0 < len(told) < 2000


def play(flavour: Flavour, transport: Canned) -> None:
    async def whole() -> None:
        options: dict[str, Any] = {"clock": ImpatientClock(), "retry": RetryPolicy(attempts=2)}
        async with flavour.opened(None, base_url="http://localhost:1", transport=transport, **options) as client:
            await ask_everything(client)

    flavour.run(whole())
    assert transport.requests < REQUESTS_MAX


@settings(max_examples=scaled(30))
@given(flavour=st.sampled_from(FLAVOURS), status=statuses, headers=headers, body=st.binary(max_size=200))
@example(flavour=FLAVOURS[0], status=200, headers={"content-encoding": b"gzip"}, body=b"\x1f\x8b\x08")
@example(flavour=FLAVOURS[0], status=429, headers={"retry-after": b"9" * 400}, body=b"")
@example(flavour=FLAVOURS[0], status=429, headers={"retry-after": b"Fri, 31 Dec 9999 23:59:59 -2359"}, body=b"")
def test_bytes(flavour: Flavour, status: int, headers: dict[str, bytes], body: bytes) -> None:
    play(flavour, Canned(status, headers, body))


@pytest.mark.slow
@settings(max_examples=scaled(80))
@given(flavour=st.sampled_from(FLAVOURS), status=statuses, data=shaped | json_values | st.lists(chunk, max_size=3))
@example(
    flavour=FLAVOURS[0], status=200, data={"id": JOB_ID, "status": "FAILED", "error": '{"error_type": [], "a": 1}'}
)
@example(flavour=FLAVOURS[1], status=200, data={"id": JOB_ID, "status": "FAILED", "error": {"error_message": 1}})
@example(flavour=FLAVOURS[0], status=200, data={"id": JOB_ID, "status": "COMPLETED", "output": "\ud800"})
def test_json_shaped_like_ours(flavour: Flavour, status: int, data: object) -> None:
    play(flavour, Canned(status, {}, json.dumps(data).encode()))


@settings(max_examples=scaled(10))
@given(flavour=st.sampled_from(FLAVOURS), raw=st.binary(max_size=300), starts_well=st.booleans())
def test_bytes_instead_of_http(flavour: Flavour, raw: bytes, starts_well: bool) -> None:  # noqa: FBT001  hypothesis's
    def act(connection: Connection) -> None:
        connection.read()
        connection.send(b"HTTP/1.1 200 OK\r\n" + raw if starts_well else raw)
        connection.close()

    with FaultServer(default=act) as server:
        flavour.play(server, ask_everything, clock=ImpatientClock(), retry=RetryPolicy(attempts=2))


@pytest.mark.slow
@pytest.mark.parametrize("flavour", FLAVOURS, ids=lambda flavour: flavour.name)
def test_reading_ends_where_what_is_unpacked_passes_the_cap(flavour: Flavour, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runpod_sdk._http._message.BODY_CAP", 2**20)
    packed = gzip.compress(b"0" * 2**26, compresslevel=1)
    bomb = Canned(200, {"content-encoding": b"gzip"}, packed)
    play(flavour, bomb)
    assert len(packed) / PIECE > 4
    assert bomb.pieces == bomb.requests, "of each answer, one piece was read"
