"""The table of outcomes, row by row; and what Retry-After says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod_sdk._values._outcomes import (
    Failure,
    Outcome,
    outcome_of,
    retry_after,
)
from tests.flows import answer, failure

ERRORS = [
    "ConnectError",
    "ConnectTimeout",
    "PoolTimeout",
    "ProxyError",
    "InvalidURL",
    "ReadTimeout",
    "WriteTimeout",
    "ReadError",
    "WriteError",
    "RemoteProtocolError",
    "LocalProtocolError",
    "DecodingError",
]


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_a_2xx_is_an_answer(status: int) -> None:
    assert outcome_of(answer(status)) is Outcome.ANSWERED


@pytest.mark.parametrize("status", [429, 521, 523, 525, 526, 530])
def test_these_never_reached_the_origin(status: int) -> None:
    assert outcome_of(answer(status)) is Outcome.BUSY


@pytest.mark.parametrize(
    "status", [300, 301, 302, 304, 307, 308, 400, 401, 402, 403, 404, 405, 409, 413, 422, 451, 499]
)
def test_other_3xx_and_4xx_are_refusals(status: int) -> None:
    assert outcome_of(answer(status)) is Outcome.REFUSED


@pytest.mark.parametrize("status", [408, 500, 501, 502, 503, 504, 505, 511, 520, 522, 524, 527, 529, 599, 600, 999])
def test_these_may_have_got_through(status: int) -> None:
    assert outcome_of(answer(status)) is Outcome.UNKNOWN


@pytest.mark.parametrize("name", ERRORS)
def test_what_counts_is_how_much_was_sent_and_not_what_the_error_is_called(name: str) -> None:
    assert outcome_of(failure(name, sent=0)) is Outcome.NEVER_SENT
    assert outcome_of(failure(name, sent=1)) is Outcome.UNKNOWN


@pytest.mark.parametrize("error", [ConnectionRefusedError(), TimeoutError(), RuntimeError(), KeyboardInterrupt()])
def test_who_does_not_say_what_was_sent_has_sent(error: BaseException) -> None:
    assert outcome_of(Failure(error)) is Outcome.UNKNOWN


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
