"""The table of outcomes, row by row; and what Retry-After says."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod_sdk._values._outcomes import (
    BodyTooLargeError,
    Failure,
    Outcome,
    outcome_of,
    retry_after,
)
from tests.flows import answer, failure

NEVER_SENT = ["ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol", "InvalidURL"]
ON_THE_WAY = [
    "ReadTimeout",
    "WriteTimeout",
    "ReadError",
    "WriteError",
    "CloseError",
    "RemoteProtocolError",
    "LocalProtocolError",
    "DecodingError",
    "TransportError",
    "NetworkError",
    "TimeoutException",
    "StreamError",
    "TooManyRedirects",
]


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_a_2xx_is_an_answer(status: int) -> None:
    assert outcome_of(answer(status), trust_connect_errors=False) is Outcome.ANSWERED


@pytest.mark.parametrize("status", [429, 521, 523, 525, 526, 530])
def test_these_never_reached_the_origin(status: int) -> None:
    assert outcome_of(answer(status), trust_connect_errors=False) is Outcome.BUSY


@pytest.mark.parametrize(
    "status", [300, 301, 302, 304, 307, 308, 400, 401, 402, 403, 404, 405, 409, 413, 422, 451, 499]
)
def test_other_3xx_and_4xx_are_refusals(status: int) -> None:
    assert outcome_of(answer(status), trust_connect_errors=True) is Outcome.REFUSED


@pytest.mark.parametrize("status", [408, 500, 501, 502, 503, 504, 505, 511, 520, 522, 524, 527, 529, 599, 600, 999])
def test_these_may_have_got_through(status: int) -> None:
    assert outcome_of(answer(status), trust_connect_errors=True) is Outcome.UNKNOWN


@pytest.mark.parametrize("name", NEVER_SENT)
def test_errors_before_the_first_byte_are_proof_that_nothing_was_sent(name: str) -> None:
    assert outcome_of(failure(name), trust_connect_errors=True) is Outcome.NEVER_SENT


@pytest.mark.parametrize("name", NEVER_SENT)
def test_nothing_is_proof_from_a_transport_that_is_not_trusted(name: str) -> None:
    assert outcome_of(failure(name), trust_connect_errors=False) is Outcome.UNKNOWN


def raised(name: str) -> Failure:
    kind = getattr(httpx, name)
    return Failure(kind("") if name != "TooManyRedirects" else kind("", request=httpx.Request("GET", "https://a")))


@pytest.mark.parametrize("name", ON_THE_WAY)
def test_every_other_error_of_httpx_is_unknown(name: str) -> None:
    assert outcome_of(raised(name), trust_connect_errors=True) is Outcome.UNKNOWN


class ConnectError(Exception):
    """Of another library, and of the same name."""


class Subclass(httpx.ConnectError):
    """What a plugged-in transport may raise for something else."""


@pytest.mark.parametrize(
    "error",
    [
        ConnectError(),
        Subclass(""),
        ConnectionRefusedError(),
        TimeoutError(),
        OSError(),
        RuntimeError(),
        BodyTooLargeError(),
        type("ConnectError", (Exception,), {"__module__": "httpxplus"})(),
    ],
    ids=lambda error: type(error).__mro__[0].__name__,
)
def test_the_allow_list_is_of_exact_classes(error: Exception) -> None:
    assert outcome_of(Failure(error), trust_connect_errors=True) is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3", 3.0),
        (" 3 ", 3.0),
        ("0", 0.0),
        ("1.5", 1.5),
        ("120", 120.0),
        ("Wed, 01 Jan 2025 00:00:10 GMT", 10.0),
        ("Wed, 01 Jan 2025 00:00:10 +0000", 10.0),
        ("Wed, 01 Jan 2025 01:00:10 +0100", 10.0),
        ("Wednesday, 01-Jan-25 00:00:10 GMT", 10.0),
        ("Wed Jan  1 00:00:10 2025", 10.0),
        ("Tue, 31 Dec 2024 23:59:59 GMT", 0.0),
    ],
)
def test_retry_after_is_a_number_or_a_date(text: str, seconds: float) -> None:
    now = 1_735_689_600.0  # 2025-01-01T00:00:00Z
    assert retry_after(answer(429, retry_after=text), now) == seconds


@pytest.mark.parametrize(
    "text", ["", " ", "soon", "-1", "1e3", "²", "NaN", "inf", ".", "1,5", "Wed, 99 Foo 2025", "0x10"]
)
def test_garbage_in_retry_after_is_not_there(text: str) -> None:
    assert retry_after(answer(429, retry_after=text), 0.0) is None


@given(st.text(max_size=40) | st.from_regex(r"\w{3}, \d{1,2} \w{3} \d{1,9} [\d:.]{1,12} [-+]?\d{1,18}", fullmatch=True))
def test_no_retry_after_raises_anything(text: str) -> None:
    seconds = retry_after(answer(429, retry_after=text), 1e9)
    assert seconds is None or seconds >= 0


def test_a_request_without_an_answer_asks_for_no_wait() -> None:
    assert retry_after(failure("ReadTimeout"), 0.0) is None
    assert retry_after(answer(429), 0.0) is None
