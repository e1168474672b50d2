"""What must come of each fault, for each operation: the one table, and how its rows are brought about.

The rules are those of the table of outcomes: a submit that may have arrived is never repeated, nor is a purge; looks
are; a retry is settled by one look; a stream reads on and is repaired.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pytest

from tests.faults.acts import (
    CHUNKED,
    HEADERS,
    LENGTH_TWICE,
    always,
    answer_and_close,
    before_the_body,
    cut,
    endless_interim,
    in_the_body,
    in_the_headers,
    instead,
    nothing,
    of_length,
    status,
    unread,
    unread_reset,
)
from tests.faults.flavours import ASYNC, SYNC, Flavour, listed, settled
from tests.faults.one_job import CHUNKS
from tests.faults.server import Connection, answer, response

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from tests.faults.server import Act

# ok       the right value after one request
# again    the right value after a second request
# settled  the right value, found out by one look at the job with /status; for cancel after a second request, for a
#          wait because a held request that failed is followed by a plain one
# mended   every chunk once, in order, in spite of a lost read
# unknown  SubmissionUnknownError after one request, and a record of it
# error    another APIError after one request; a retry has been looked for in vain
# down     APIConnectionError, after all the attempts and all the time that the policies allow
# gap      StreamInterruptedError
Cell = Literal["ok", "again", "settled", "mended", "unknown", "error", "down", "gap"]

TABLE = """
                                    run      run_sync status   wait     stream   cancel   retry    purge    health
no fault                            ok       ok       ok       ok       ok       ok       ok       ok       ok
refused                             again    again    again    settled  again    again    again    again    again
refused, as nobody can tell         unknown  unknown  again    settled  mended   again    error    error    again
no TLS there                        down     down     down     down     down     down     down     down     down
no TLS there, as nobody can tell    unknown  unknown  down     down     gap      down     error    error    down
dropped unread                      unknown  unknown  again    settled  mended   again    error    error    again
reset unread                        unknown  unknown  again    settled  mended   again    error    error    again
dropped after reading               unknown  unknown  again    settled  mended   settled  settled  error    again
reset after reading                 unknown  unknown  again    settled  mended   settled  settled  error    again
stalled after reading               unknown  unknown  again    settled  mended   settled  settled  error    again
cut in the status line              unknown  unknown  again    settled  mended   settled  settled  error    again
cut in the headers                  unknown  unknown  again    settled  mended   settled  settled  error    again
stalled in the headers              unknown  unknown  again    settled  mended   settled  settled  error    again
cut before the body                 unknown  unknown  again    settled  mended   settled  settled  error    again
cut in the body                     unknown  unknown  again    settled  mended   settled  settled  error    again
reset in the body                   unknown  unknown  again    settled  mended   settled  settled  error    again
stalled in the body                 unknown  unknown  again    settled  mended   settled  settled  error    again
byte by byte                        unknown  unknown  again    settled  mended   settled  settled  error    again
garbage                             unknown  unknown  again    settled  mended   settled  settled  error    again
headers without end                 unknown  unknown  again    settled  mended   settled  settled  error    again
interim answers without end         unknown  unknown  again    settled  mended   settled  settled  error    again
content-length too long             unknown  unknown  again    settled  mended   settled  settled  error    again
content-length too short            unknown  unknown  error    error    mended   error    settled  error    error
content-length twice                unknown  unknown  again    settled  mended   settled  settled  error    again
bad chunk size                      unknown  unknown  again    settled  mended   settled  settled  error    again
chunks without end                  unknown  unknown  again    settled  mended   settled  settled  error    again
not gzip                            unknown  unknown  again    settled  mended   settled  settled  error    again
closed between requests             ok       ok       ok       ok       ok       ok       ok       ok       ok
keep-alive race, dropped unread     unknown  unknown  again    settled  mended   again    error    error    again
keep-alive race, after reading      unknown  unknown  again    settled  mended   settled  settled  error    again
HTTP 429                            again    again    again    settled  again    again    again    again    again
HTTP 521                            again    again    again    settled  again    again    again    again    again
HTTP 408                            unknown  unknown  again    settled  mended   again    error    error    again
HTTP 502                            unknown  unknown  again    settled  mended   settled  settled  error    again
HTTP 520                            unknown  unknown  again    settled  mended   settled  settled  error    again
HTTP 302                            error    error    error    error    error    error    error    error    error
HTTP 400                            error    error    error    settled  error    error    error    error    error
"""

# What keeps each request back, in `obstacles.py`: not one byte of it is sent.
OBSTACLES_TABLE = """
                                    run      run_sync status   wait     stream   cancel   retry    purge    health
nobody listens                      down     down     down     down     down     down     down     down     down
no answer to SYN                    down     down     down     down     down     down     down     down     down
TLS stalls                          down     down     down     down     down     down     down     down     down
TLS breaks off                      down     down     down     down     down     down     down     down     down
no such host                        down     down     down     down     down     down     down     down     down
its name is not found in time       down     down     down     down     down     down     down     down     down
no place among the connections      down     down     down     down     down     down     down     down     down
a proxy refuses CONNECT             down     down     down     down     down     down     down     down     down
a proxy stalls                      down     down     down     down     down     down     down     down     down
a proxy hangs up                    down     down     down     down     down     down     down     down     down
"""


# What carries the requests: each kind of connections that the SDK opens itself; transports of the caller's, which are
# httpx's too; and such as keep to themselves what they send.
WIRES: dict[str, Flavour] = {
    "h11": SYNC,
    "httptools": SYNC,
    "async-h11": ASYNC,
    "async-httptools": ASYNC,
    "httpx": SYNC,
    "async-httpx": ASYNC,
    "given": SYNC,
    "async-given": ASYNC,
    "mute": SYNC,
    "async-mute": ASYNC,
}
MUTE = ("mute", "async-mute")
GIVEN = ("given", "async-given", *MUTE)
OURS = tuple(name for name in WIRES if name not in GIVEN)
TELLING = tuple(name for name in WIRES if name not in MUTE)


def choose(wire: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let clients choose these connections, as they do where httptools is not installed, or behind a proxy."""
    if wire.endswith("httptools"):
        pytest.importorskip("httptools", reason="the extra fast is not installed")
    monkeypatch.setattr("runpod_sdk._http._parsers.has_httptools", lambda: wire.endswith("httptools"))
    if wire.endswith("httpx"):

        def is_proxied(_: object) -> bool:
            return True

        monkeypatch.setattr("runpod_sdk._http._wire.is_proxied", is_proxied)


def hold_briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a stalled request that the service may hold end as soon as any other."""
    for name in (
        "_values._policies.HOLD_MIN",
        "_flows._looks.HOLD_MIN",
        "_flows._holds.HOLD_MIN",
        "_flows._stream.HOLD_MIN",
        "_flows._reads.HOLD_MIN",
        "_flows._reads.STREAM_HOLD",
    ):
        monkeypatch.setattr(f"runpod_sdk.{name}", 0.01)
    monkeypatch.setattr("runpod_sdk._flows._api.RUN_SYNC_HOLD", 0.01)


@dataclass(frozen=True)
class Row:
    """A fault and its cells.

    Before each call, `warm` answers requests on the same connections. `is_slow`: only the client's timeout ends it.
    `is_refused`: nothing listens until the client pauses.
    """

    name: str
    cells: dict[str, Cell]
    acts: tuple[Act, ...] = ()
    wires: tuple[str, ...] = TELLING
    is_slow: bool = False
    warm: Act | None = None
    scheme: str = "http"
    is_refused: bool = False


@dataclass(frozen=True)
class Call:
    """One operation as users call it: what it sends, on which job, and what it returns when all is well."""

    operation: str
    body: Callable[[Any], Coroutine[Any, Any, Any]]
    value: Any
    status: str = "COMPLETED"


async def _run(endpoint: Any) -> Any:
    return (await settled(endpoint.run({"n": 1}))).id


async def _run_sync(endpoint: Any) -> Any:
    return await settled(endpoint.run_sync({"n": 1}))


async def _status(endpoint: Any) -> Any:
    return await settled(endpoint.job("j1").status())


async def _wait(endpoint: Any) -> Any:
    return await settled(endpoint.job("j1").output())


async def _stream(endpoint: Any) -> Any:
    return await listed(endpoint.job("j1").stream())


async def _cancel(endpoint: Any) -> Any:
    return (await settled(endpoint.job("j1").cancel())).status


async def _retry(endpoint: Any) -> Any:
    return (await settled(endpoint.job("j1").retry())).id


async def _purge(endpoint: Any) -> Any:
    return (await settled(endpoint.purge_queue())).removed


async def _health(endpoint: Any) -> Any:
    return (await settled(endpoint.health())).jobs.in_queue


CALLS = {
    "run": Call("run", _run, "j1"),
    "run_sync": Call("runsync", _run_sync, list(CHUNKS)),
    "status": Call("status", _status, "COMPLETED"),
    "wait": Call("status-sync", _wait, list(CHUNKS)),
    "stream": Call("stream", _stream, list(CHUNKS)),
    "cancel": Call("cancel", _cancel, "CANCELLED", status="IN_PROGRESS"),
    "retry": Call("retry", _retry, "j1", status="FAILED"),
    "purge": Call("purge-queue", _purge, 2),
    "health": Call("health", _health, 2),
}


_FAULTS: dict[str, dict[str, Any]] = {
    "no fault": {},
    "refused": {"is_refused": True},
    "refused, as nobody can tell": {"wires": MUTE, "is_refused": True},
    "no TLS there": {"scheme": "https"},
    "no TLS there, as nobody can tell": {"wires": MUTE, "scheme": "https"},
    "dropped unread": {"acts": (unread,)},
    "reset unread": {"acts": (unread_reset,)},
    "dropped after reading": {"acts": (cut(nothing),), "wires": tuple(WIRES)},
    "reset after reading": {"acts": (cut(nothing, Connection.reset),)},
    "stalled after reading": {"acts": (cut(nothing, Connection.stall),), "is_slow": True, "wires": OURS},
    "cut in the status line": {"acts": (cut(lambda _: 10),)},
    "cut in the headers": {"acts": (cut(in_the_headers),)},
    "stalled in the headers": {"acts": (cut(in_the_headers, Connection.stall),), "is_slow": True, "wires": OURS},
    "cut before the body": {"acts": (cut(before_the_body),)},
    "cut in the body": {"acts": (cut(in_the_body),)},
    "reset in the body": {"acts": (cut(in_the_body, Connection.reset),)},
    "stalled in the body": {"acts": (cut(in_the_body, Connection.stall),), "is_slow": True, "wires": OURS},
    "byte by byte": {"acts": (cut(in_the_body, Connection.trickle),), "is_slow": True, "wires": OURS},
    "garbage": {"acts": (always(b"\x00\xff garbage\r\n\r\n" * 9),)},
    "headers without end": {"acts": (always(HEADERS),)},
    "interim answers without end": {"acts": (endless_interim,), "is_slow": True, "wires": OURS},
    "content-length too long": {"acts": (of_length(10),)},
    "content-length too short": {"acts": (of_length(-3),)},
    "content-length twice": {"acts": (always(LENGTH_TWICE),)},
    "bad chunk size": {"acts": (always(CHUNKED + b"xyz\r\n{}\r\n0\r\n\r\n"),)},
    "chunks without end": {"acts": (always(CHUNKED + b"2\r\n{}\r\n"),)},
    "not gzip": {"acts": (instead(lambda body: response(200, body, "content-encoding: gzip", "connection: close")),)},
    "closed between requests": {"warm": answer_and_close},
    "keep-alive race, dropped unread": {"warm": answer, "acts": (unread,)},
    "keep-alive race, after reading": {"warm": answer, "acts": (cut(nothing),)},
    "HTTP 429": {"acts": (status(429),)},
    "HTTP 521": {"acts": (status(521),)},
    "HTTP 408": {"acts": (status(408),)},
    "HTTP 502": {"acts": (status(502, is_done=True),)},
    "HTTP 520": {"acts": (status(520, is_done=True),)},
    "HTTP 302": {"acts": (status(302, "location: https://elsewhere.invalid/v2/e/run"),)},
    "HTTP 400": {"acts": (status(400),)},
}


def rows() -> list[Row]:
    """Read the table."""
    return [Row(name, cells, **_FAULTS[name]) for name, cells in _read(TABLE).items()]


def obstacles() -> dict[str, dict[str, Cell]]:
    """Read the table of obstacles."""
    return _read(OBSTACLES_TABLE)


def _read(table: str) -> dict[str, dict[str, Cell]]:
    head, *lines = table.strip("\n").splitlines()
    found: dict[str, Any] = {
        line[:36].strip(): dict(zip(head.split(), line[36:].split(), strict=True)) for line in lines
    }
    return found
