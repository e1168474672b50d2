"""Parses one answer with h11, by the contract in `_parsing.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h11
import httpx

from ._parsing import BYTES_MAX, HEAD_MAX, no_answer, too_long, unasked

if TYPE_CHECKING:
    from ._message import Transfer

# h11 has to be told that a request was sent. What may answer it depends on its method, and only for HEAD and CONNECT,
# which are never sent here.
_ASKED, _ALL_SENT = h11.Request(method="GET", target="/", headers=[("host", "h")]), h11.EndOfMessage()


class H11Parser:
    """Reads with h11."""

    __slots__ = ("_h11", "_seen", "_transfer", "is_complete", "is_reusable")

    def __init__(self, transfer: Transfer) -> None:
        self.is_complete = self.is_reusable = False
        self._transfer = transfer
        self._seen = 0
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_MAX)
        self._h11.send(_ASKED)
        self._h11.send(_ALL_SENT)

    def feed(self, data: bytes) -> None:
        """Take in what came."""
        self._seen += len(data)
        if self._seen > BYTES_MAX:
            raise too_long()
        self._h11.receive_data(data)
        self._read()

    def end(self) -> None:
        """Take note that no more will come."""
        if self._h11.their_state is h11.SEND_RESPONSE:
            raise no_answer()
        self._h11.receive_data(b"")
        self._read()

    def _read(self) -> None:
        try:
            while not self.is_complete:
                event = self._h11.next_event()
                if event is h11.NEED_DATA:
                    return
                self._take(event)
        except h11.RemoteProtocolError as error:
            raise httpx.RemoteProtocolError(str(error)) from error
        self.is_reusable = self._h11.their_state is h11.DONE and self._h11.trailing_data == (b"", False)

    def _take(self, event: object) -> None:
        if isinstance(event, h11.Data):
            self._transfer.feed(bytes(event.data))
        elif isinstance(event, h11.Response):
            self._transfer.begin(event.status_code, event.headers.raw_items())
        elif isinstance(event, h11.EndOfMessage):
            self._transfer.finish()
            self.is_complete = True
        elif not isinstance(event, h11.InformationalResponse) or event.status_code == 101:
            raise unasked()
