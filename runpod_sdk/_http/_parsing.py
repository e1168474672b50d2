"""The interface of an answer parser; implemented by `_h11.py` and `_httptools.py`.

The framing is the library's. Decided here is only whether a connection may carry another request: after an answer that
ended with the last byte that came. A byte more would be taken for the beginning of the next answer, and so the id of
one job for that of another.
"""

from __future__ import annotations

from typing import Protocol

import httpx

# The most bytes before the body: status line, headers, and interim answers; ours, and httpcore's.
HEAD_MAX = 100 * 2**10
# The most bytes of one answer, its framing included: an end to trailers and to remarks on chunks; ours.
BYTES_MAX = 2**29


class Parser(Protocol):
    """Reads the answer to one request, and hands it to its transfer.

    Attributes:
        is_complete: whether all of it has come.
        is_reusable: whether its connection may carry another request.
    """

    is_complete: bool
    is_reusable: bool

    def feed(self, data: bytes) -> None:
        """Take in what came; not empty, and not after the answer is complete.

        Raises:
            httpx.RemoteProtocolError: it is no answer.
            Exception: what the transfer raises.
        """
        ...

    def end(self) -> None:
        """Take note that no more will come.

        Raises:
            httpx.RemoteProtocolError: the answer is not whole.
        """
        ...


def no_answer() -> httpx.RemoteProtocolError:
    """Return the error for a connection that ended before the answer began."""
    return httpx.RemoteProtocolError("Server disconnected without sending a response.")


def too_long() -> httpx.RemoteProtocolError:
    """Return the error for what goes on and on."""
    return httpx.RemoteProtocolError("the answer is too long")


def unasked() -> httpx.RemoteProtocolError:
    """Return the error for a change of protocol that nobody asked for."""
    return httpx.RemoteProtocolError("the server changes the protocol, unasked")
