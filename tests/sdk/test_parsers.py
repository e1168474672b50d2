"""Answers as they come, byte by byte or all at once: both parsers read the same, and know what is left over."""

from __future__ import annotations

import gzip
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod_sdk._flows import _api
from runpod_sdk._http import _message
from runpod_sdk._http._h11 import H11Parser
from runpod_sdk._http._message import Term, Transfer
from runpod_sdk._values._hidden import Hidden
from runpod_sdk._values._outcomes import BodyTooLargeError
from runpod_sdk.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_sdk._http._parsing import Parser

PARSERS: dict[str, Callable[[Transfer], Parser]] = {"h11": H11Parser}
try:
    from runpod_sdk._http._httptools import HttptoolsParser
except ImportError:
    pass
else:
    PARSERS["httptools"] = HttptoolsParser

parsers = pytest.mark.parametrize("parser", PARSERS.values(), ids=PARSERS)

OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 4\r\n\r\nnull"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nnu\r\n2\r\nll\r\n0\r\nx-trailer: 1\r\n\r\n"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + OK
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"
UPGRADABLE = OK.replace(b"content-type", b"upgrade: h2c\r\nconnection: upgrade, keep-alive\r\ncontent-type")
CLOSING = OK.replace(b"content-type", b"connection: close\r\ncontent-type")
OLD = OK.replace(b"1.1", b"1.0")
ENDLESS = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\nnull"


def transfer() -> Transfer:
    clock = SystemClock()
    until = clock.monotonic() + 60.0
    return Transfer(_api.status("abc", "j1"), Hidden({}), Hidden("/"), Hidden("key"), Term(clock, until, until))


def read(parser: Callable[[Transfer], Parser], *parts: bytes, ends: bool = False) -> tuple[Parser, Any]:
    """Feed parts, and perhaps the end; return the parser, and the answer if it is whole."""
    carried = transfer()
    reading = parser(carried)
    for part in parts:
        if not reading.is_complete:
            reading.feed(part)
    if ends and not reading.is_complete:
        reading.end()
    return reading, carried.answer() if reading.is_complete else None


@parsers
@pytest.mark.parametrize("answer", [OK, CHUNKED, INTERIM, EMPTY, UPGRADABLE], ids=range(5))
def test_an_answer_that_ends_with_the_last_byte_leaves_its_connection_good(parser: Any, answer: bytes) -> None:
    for cut in range(1, len(answer)):
        reading, found = read(parser, answer[:cut], answer[cut:])
        assert (reading.is_complete, reading.is_reusable) == (True, True)
        assert found.body == (b"" if answer is EMPTY else b"null")
        assert not read(parser, answer[:cut])[0].is_complete
    assert read(parser, *(bytes([byte]) for byte in answer))[0].is_reusable


@pytest.mark.one_in(3)
@parsers
@pytest.mark.parametrize("answer", [OK, CHUNKED, INTERIM, EMPTY], ids=range(4))
@pytest.mark.parametrize("rest", [b"\r\n", b"\n", b" ", b"x", OK, OK[:1], b"\0" * 99], ids=range(7))
def test_a_byte_more_and_it_carries_nothing_more(parser: Any, answer: bytes, rest: bytes) -> None:
    whole = answer + rest
    for cut in range(len(answer)):
        reading, found = read(parser, *filter(None, (whole[:cut], whole[cut:])))
        assert (reading.is_complete, reading.is_reusable) == (True, False)
        assert found.status == (204 if answer is EMPTY else 200)


@parsers
@pytest.mark.parametrize("answer", [CLOSING, OLD], ids=range(2))
def test_a_connection_that_will_be_closed_carries_nothing_more(parser: Any, answer: bytes) -> None:
    reading, found = read(parser, answer)
    assert (found.body, reading.is_reusable) == (b"null", False)


@parsers
def test_a_body_may_end_with_the_connection(parser: Any) -> None:
    reading, found = read(parser, ENDLESS[:20], ENDLESS[20:])
    assert not reading.is_complete
    reading, found = read(parser, ENDLESS, ends=True)
    assert (found.body, reading.is_reusable) == (b"null", False)


@parsers
@pytest.mark.parametrize("answer", [OK, CHUNKED, INTERIM], ids=range(3))
def test_an_answer_that_breaks_off_is_none(parser: Any, answer: bytes) -> None:
    for cut in range(len(answer)):
        with pytest.raises(httpx.RemoteProtocolError):
            read(parser, *filter(None, [answer[:cut]]), ends=True)


@pytest.mark.one_in(3)
@parsers
@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"\x16\x03\x01\x00\xa5" * 9,
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: two\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nabc",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x-%d: y\r\n" * 20_000,
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * 20_000,
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000,
    ],
    ids=range(12),
)
def test_what_is_no_answer_is_refused(parser: Any, answer: bytes) -> None:
    parts = [answer[at : at + 1000] for at in range(0, len(answer), 1000)]
    with pytest.raises(httpx.RemoteProtocolError):
        read(parser, *parts, ends=True)


@parsers
def test_trailers_without_end_have_one(parser: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_h11", "_httptools"):
        monkeypatch.setattr(f"runpod_sdk._http.{name}.BYTES_MAX", 100_000, raising=False)
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n"
    with pytest.raises(httpx.RemoteProtocolError):
        read(parser, head, *[b"x-trailer: y\r\n" * 100] * 100)


@parsers
def test_a_body_is_unpacked_when_all_of_it_is_there(parser: Any) -> None:
    packed = gzip.compress(b"null" * 1000)
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(packed)
    assert read(parser, head, packed[:7], packed[7:])[1].body == b"null" * 1000
    with pytest.raises(httpx.DecodingError):
        read(parser, head, b"x" * len(packed))


@parsers
@pytest.mark.parametrize("is_packed", [False, True])
def test_a_body_above_the_cap_is_cut_off(parser: Any, is_packed: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001
    monkeypatch.setattr(_message, "BODY_CAP", 1000)
    body = gzip.compress(b"x" * 1001) if is_packed else b"x" * 1001
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: %b\r\n" % (b"gzip" if is_packed else b"identity")
    with pytest.raises(BodyTooLargeError):
        read(parser, head + b"content-length: %d\r\n\r\n" % len(body) + body)


@parsers
def test_header_names_and_values_are_as_written_but_for_case_and_blanks(parser: Any) -> None:
    _, found = read(
        parser, b"HTTP/1.1 429 Too Many\r\nRetry-After:  3  \r\nX-Empty:\r\nA: 1\r\na: 2\r\n\r\n", ends=True
    )
    assert (found.status, found.headers) == (429, {"retry-after": "3", "x-empty": "", "a": "1, 2"})


@given(
    answer=st.sampled_from([OK, CHUNKED, INTERIM, ENDLESS]),
    cuts=st.sets(st.integers(1, 150)),
    rest=st.binary(max_size=3),
)
def test_the_parsers_agree(answer: bytes, cuts: set[int], rest: bytes) -> None:
    whole = answer + rest
    places = [0, *sorted(cut for cut in cuts if cut < len(whole)), len(whole)]
    parts = [whole[begin:end] for begin, end in pairwise(places)]
    found = {
        (found.body, reading.is_reusable)
        for reading, found in (read(each, *parts, ends=True) for each in PARSERS.values())
    }
    assert len(found) == 1
