"""How the result of an exchange is classified: a table without I/O. `_operations.py` says what may be repeated.

A request that may start a job must never be sent a second time unless the first is proven not to have arrived. So an
outcome is `NEVER_SENT` only where the carrier has counted that not one byte was sent, whatever its error is called, and
everything that is not understood is `UNKNOWN`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC
from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._quotes import Quotes

# How far an answer is read beyond what is shown of it, characters: what a quote covers may be cut there.
_MARGIN = 256
# Headers that the server makes up by itself.
_PLAIN = frozenset({"connection", "content-length", "content-type", "date", "retry-after", "server"})
# Some of a request was sent, or nobody can tell.
SENT = 1


@dataclass(frozen=True, slots=True)
class Answer:
    """The service answered: status, headers (names in lower case) and the whole body, decompressed.

    It may quote the request. So no repr shows it, and what is told of it is cut by `quotes`.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    quotes: Quotes | None = field(default=None, repr=False, compare=False)

    def cut(self, text: str) -> str:
        """Return a part of the answer without what it quotes of the request."""
        return text if self.quotes is None else self.quotes.cut(text)

    def text(self, most: int) -> str:
        """Return the first characters of its body, whatever its bytes are."""
        whole = self.body[: 4 * (most + _MARGIN)].decode("utf-8", "replace")
        shown = self.cut(whole[: most + _MARGIN])
        # What a quote lost at the end of a part would be a beginning that nobody recognizes.
        return shown[:most] if len(whole) <= most + _MARGIN else shown[: -_MARGIN // 2][:most]

    def told_headers(self) -> dict[str, str]:
        """Return its headers, to be told."""
        return {name: value if name in _PLAIN else self.cut(value) for name, value in self.headers.items()}


class Failure(NamedTuple):
    """No whole answer came; the error is the transport's own.

    `partial` is what came all the same: status, headers and the beginning of a body that broke off, is too large or
    cannot be decompressed. `sent` counts the bytes of the request that may have left: 0 is proven, and a transport
    that cannot tell says `SENT`.
    """

    error: BaseException
    partial: Answer | None = None
    sent: int = SENT


Result = Answer | Failure


class BodyTooLargeError(Exception):
    """An answer was cut off because it is above the cap of the client."""


class Outcome(Enum):
    """The outcome of one request."""

    ANSWERED = auto()  # 2xx, whole
    NEVER_SENT = auto()  # proven: not one byte of it was sent
    BUSY = auto()  # refused for now, proven not accepted
    REFUSED = auto()  # refused for good
    UNKNOWN = auto()  # it may have been accepted


# 429 is the service's own refusal. assumed: with these codes Cloudflare's edge says that it never reached the origin
# (521 refused, 523 unreachable, 525 and 526 TLS, 530 DNS).
_BUSY = frozenset({429, 521, 523, 525, 526, 530})
# The request may have got through to the service before this answer was made. 408 too: an edge gave up on the origin.
_UNKNOWN = frozenset({408, 500, 502, 503, 504, 520, 522, 524})


def outcome_of(result: Result) -> Outcome:
    """Sort a result into the table."""
    if isinstance(result, Failure):
        return Outcome.NEVER_SENT if result.sent == 0 else Outcome.UNKNOWN
    if 200 <= result.status < 300:
        return Outcome.ANSWERED
    if result.status in _BUSY:
        return Outcome.BUSY
    # Codes of 500 and above that are not in the table are as unclear as those that are; 1xx never gets here.
    return Outcome.UNKNOWN if result.status in _UNKNOWN or result.status >= 500 else Outcome.REFUSED


def retry_after(result: Result, now: float) -> float | None:
    """Return the seconds that the answer's Retry-After asks for: a number, or a date compared with `now` (epoch)."""
    text = result.headers.get("retry-after", "").strip() if isinstance(result, Answer) else ""
    if not text:
        return None
    if text.isascii() and text.replace(".", "", 1).isdigit():
        return float(text)
    from email.utils import parsedate_to_datetime  # noqa: PLC0415  4 ms for what is rarely sent

    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # a year or an offset of twenty digits
        return None
    return max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now)
