"""Parses one answer with httptools (llhttp, Node's parser), by the contract in `_parsing.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httptools
import httpx

from ._parsing import BYTES_MAX, HEAD_MAX, no_answer, too_long, unasked

if TYPE_CHECKING:
    from ._message import Transfer


class HttptoolsParser:
    """Reads with httptools, which calls the methods that begin with `on_`."""

    __slots__ = (
        "_ends_with_connection",
        "_headers",
        "_is_interim",
        "_parser",
        "_seen",
        "_status",
        "_transfer",
        "is_complete",
        "is_reusable",
    )

    def __init__(self, transfer: Transfer) -> None:
        self.is_complete = self.is_reusable = False
        self._transfer = transfer
        self._headers: list[tuple[bytes, bytes]] = []
        self._status = 0
        self._is_interim = False
        self._ends_with_connection = False
        self._seen = 0
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Take in what came."""
        self._seen += len(data)
        parser = self._parser
        if parser is None or self._seen > BYTES_MAX:
            raise too_long()
        is_early = True
        problem: BaseException | None = None
        try:
            if len(data) > 1:
                parser.feed_data(memoryview(data)[:-1])
            is_early = self.is_complete
            if not is_early:
                parser.feed_data(data[-1:])
        except httptools.HttpParserCallbackError as error:
            problem = error.__context__ or error
        except httptools.HttpParserError as error:
            problem = httpx.RemoteProtocolError(f"{type(error).__name__}: {error}")
        if self.is_complete:
            self._parser = None  # which knows this object
            self.is_reusable = self.is_reusable and not is_early
        elif problem is not None:
            self._parser = None
            raise problem
        elif not self._status and self._seen > HEAD_MAX:
            raise too_long()

    def end(self) -> None:
        """Take note that no more will come."""
        self._parser = None
        if not self._seen:
            raise no_answer()
        if not self._ends_with_connection:
            raise httpx.RemoteProtocolError("the server closed the connection before the end of its answer")
        self._transfer.finish()
        self.is_complete = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._status:  # else it is a trailer, which nobody reads
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self.is_complete or self._parser is None:
            return
        status = self._parser.get_status_code()
        if status == 101:
            raise unasked()
        self._is_interim = status < 200
        if self._is_interim:
            self._headers = []
            return
        self._status = status
        names = {name.lower() for name, _ in self._headers}
        self._ends_with_connection = not (names & {b"content-length", b"transfer-encoding"})
        self._transfer.begin(status, self._headers)

    def on_body(self, data: bytes) -> None:
        if not self.is_complete:
            self._transfer.feed(data)

    def on_message_complete(self) -> None:
        if self._is_interim or self.is_complete or self._parser is None:
            return
        self.is_reusable = self._parser.should_keep_alive()  # now: with the next byte httptools has forgotten it
        self._transfer.finish()
        self.is_complete = True
