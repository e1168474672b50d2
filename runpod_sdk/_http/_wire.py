"""Sends one request and returns its answer or the transport's error, sync and async.

Nothing here decides anything but what carries a request, and nothing here or below sends one twice or follows a
redirect. Held requests have connections of their own, so that a hundred waiters do not keep a submit waiting.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING, Any, Protocol

from runpod_sdk._values._outcomes import SENT

from ._errors import Passing, hide_writers, transports_own
from ._message import Address
from ._signals import from_outside, raised_by_handler

if TYPE_CHECKING:
    import asyncio

    import httpx

    from runpod_sdk._values._outcomes import Result
    from runpod_sdk._values._requests import Request
    from runpod_sdk._values._service import Service
    from runpod_sdk.clock import Clock

    from ._message import Transfer

# Connections at once: ordinary requests, and held ones (the service takes 400 status requests at once; docs).
_ORDINARY_MAX, _HELD_MAX = 200, 400
# Idle connections are dropped before the server does it, seconds; a request on one that was just closed is a race.
_KEEPALIVE = 5.0


class Carrier(Protocol):
    """Connections for threads."""

    def carry(self, transfer: Transfer) -> None:
        """Make one request, count what is sent of it, and feed it its answer."""
        ...

    def close(self) -> None:
        """Close every connection."""
        ...


class AsyncCarrier(Protocol):
    """Connections for asyncio."""

    async def carry(self, transfer: Transfer) -> None:
        """Make one request, count what is sent of it, and feed it its answer.

        Raises:
            TimeoutError: its time is up.
        """
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


def _check_kind(name: str, given: object, kind: str, *, is_right: bool) -> None:
    """Refuse what is of the other flavour: it would fail with the first request, a submit whose outcome is unknown."""
    if given is not None and not is_right:
        raise TypeError(f"{name} is of type {type(given).__name__}: an {kind} expected")


def _check_client(client: httpx.Client | httpx.AsyncClient, service: Service) -> None:
    from ._given import check_client  # noqa: PLC0415  whoever has a client has httpx

    check_client(client, service)


def is_proxied(address: Address) -> bool:
    """Whether there is a proxy on the way to the service: httpx knows all kinds of them."""
    return address.proxy is not None


def _limits(*, held: bool) -> dict[str, Any]:
    return {"most": _HELD_MAX if held else _ORDINARY_MAX, "keepalive": _KEEPALIVE}


class Wire:
    """Sends for threads. A client of the caller's own is used as it is, and never closed.

    `trust` says that connect errors of what is given prove that nothing was sent, where it cannot say so itself.
    """

    def __init__(
        self,
        service: Service,
        clock: Clock,
        http_client: httpx.Client | None,
        transport: httpx.BaseTransport | None,
        *,
        trust: bool = False,
    ) -> None:
        is_right = hasattr(http_client, "is_closed") and not hasattr(http_client, "aclose")
        _check_kind("http_client", http_client, "httpx.Client", is_right=is_right)
        _check_kind("transport", transport, "httpx.BaseTransport", is_right=hasattr(transport, "handle_request"))
        if http_client is not None and not service.is_endpoint:
            _check_client(http_client, service)
        self._address = Address(service, is_ours=http_client is None and transport is None)
        self._clock = clock
        self._given = http_client
        self._transport = transport
        self._trust = trust
        self._lock = threading.Lock()
        self._carriers: dict[bool, Carrier] = {}
        self._pid = os.getpid()
        self._closed = False

    def transfer(self, request: Request, until: float, begun_by: float) -> Transfer:
        """Return a request to be sent now. If sending it is interrupted, it says what has left by then."""
        return self._address.transfer(request, self._clock, until, begun_by)

    def send(self, transfer: Transfer) -> Result:
        """Make one request."""
        handled = sys.exception()
        try:
            try:
                carrier = self._carrier(held=transfer.is_held)
                transfer.check_time()
                transfer.sent = SENT
                carrier.carry(transfer)
            except (Exception, Passing) as error:  # noqa: BLE001  what is the transport's own is sorted by _outcomes
                foreign_in = from_outside if self._address.is_ours else raised_by_handler
                return transfer.failure(transports_own(error, handled, foreign_in))
        except BaseException as error:
            hide_writers(error)
            raise
        return transfer.result()

    def _carrier(self, *, held: bool) -> Carrier:
        self.check_open()
        if os.getpid() != self._pid:
            # A fork shares the sockets of its parent: leave them to it.
            self._lock, self._carriers, self._pid = threading.Lock(), {}, os.getpid()
        carrier = self._carriers.get(held)
        if carrier is not None:
            return carrier
        with self._lock:
            if held not in self._carriers:
                self._carriers[held] = self._new_carrier(held=held)
            return self._carriers[held]

    def _new_carrier(self, *, held: bool) -> Carrier:
        limits = _limits(held=held)
        if self._given is None and self._transport is None and not is_proxied(self._address):
            from ._connections import Connections  # noqa: PLC0415  50 ms that an import need not pay

            return Connections(self._address, **limits)
        from ._transports import HttpxConnections  # noqa: PLC0415  as above

        return HttpxConnections(self._address, self._given, self._transport, trust=self._trust, **limits)

    def twin(self) -> AsyncWire | None:
        """Return an async wire that ends no later than this one; None if the caller's transport has no async side."""
        import httpx  # noqa: PLC0415  as above

        self.check_open()
        transport = self._transport
        if self._given is not None or not isinstance(transport, httpx.AsyncBaseTransport | None):
            return None
        return AsyncWire(self._address, self._clock, None, transport, trust=self._trust, lender=self)

    def check_open(self) -> None:
        """Raise RuntimeError if this object is closed."""
        if self._closed:
            raise RuntimeError("the client is closed")

    def close(self) -> None:
        """Close the connections that this object opened; may be called twice."""
        self._closed = True
        if os.getpid() == self._pid:
            for carrier in self._carriers.values():
                carrier.close()

    def __del__(self) -> None:
        try:  # noqa: SIM105  at the end of the interpreter half of it is gone, `suppress` too
            self.close()
        except Exception:  # noqa: BLE001, S110  `with` is optional, and nobody hears of this
            pass


class AsyncWire:
    """Sends requests on one event loop. A client of the caller's own is used as it is, and never closed.

    `trust` says that connect errors of what is given prove that nothing was sent, where it cannot say so itself.
    """

    def __init__(
        self,
        service: Service | Address,
        clock: Clock,
        http_client: httpx.AsyncClient | None,
        transport: httpx.AsyncBaseTransport | None,
        *,
        trust: bool = False,
        lender: Wire | None = None,
    ) -> None:
        _check_kind("http_client", http_client, "httpx.AsyncClient", is_right=hasattr(http_client, "aclose"))
        is_right = hasattr(transport, "handle_async_request")
        _check_kind("transport", transport, "httpx.AsyncBaseTransport", is_right=is_right)
        if http_client is not None and not (isinstance(service, Address) or service.is_endpoint):
            _check_client(http_client, service)
        is_ours = http_client is None and transport is None
        self._address = service if isinstance(service, Address) else Address(service, is_ours=is_ours)
        self._lender = lender  # whose transport it is, then not closed here
        self._clock = clock
        self._given = http_client
        self._transport = transport
        self._trust = trust
        self._loop: asyncio.AbstractEventLoop | None = None
        self._carriers: dict[bool, AsyncCarrier] = {}
        self._pid = os.getpid()
        self._closed = False

    def transfer(self, request: Request, until: float, begun_by: float) -> Transfer:
        """Return a request to be sent now. If sending it is interrupted, it says what has left by then."""
        return self._address.transfer(request, self._clock, until, begun_by)

    async def send(self, transfer: Transfer) -> Result:
        """Make one request."""
        handled = sys.exception()
        try:
            try:
                carrier = self._carrier(held=transfer.is_held)
                transfer.check_time()
                transfer.sent = SENT
                await carrier.carry(transfer)
            except Exception as error:  # noqa: BLE001  what is the transport's own is sorted by _outcomes
                return transfer.failure(transports_own(error, handled))
        except BaseException as error:
            hide_writers(error)
            raise
        return transfer.result()

    def _carrier(self, *, held: bool) -> AsyncCarrier:
        import asyncio  # noqa: PLC0415  a sync user need not pay for it

        self.check_open()
        loop = asyncio.get_running_loop()
        if os.getpid() != self._pid:
            self._loop, self._carriers, self._pid = None, {}, os.getpid()
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            raise RuntimeError(
                "this AsyncClient is in use by another event loop: its connections cannot be shared; make one per loop"
            )
        if held not in self._carriers:
            self._carriers[held] = self._new_carrier(held=held)
        return self._carriers[held]

    def _new_carrier(self, *, held: bool) -> AsyncCarrier:
        limits = _limits(held=held)
        if self._given is None and self._transport is None and not is_proxied(self._address):
            from ._async_connections import AsyncConnections  # noqa: PLC0415  50 ms that an import need not pay

            return AsyncConnections(self._address, **limits)
        from ._transports import AsyncHttpxConnections  # noqa: PLC0415  as above

        return AsyncHttpxConnections(self._address, self._given, self._transport, trust=self._trust, **limits)

    def check_open(self) -> None:
        """Raise RuntimeError if this object is closed, or its lender."""
        if self._closed:
            raise RuntimeError("the client is closed")
        if self._lender is not None:
            self._lender.check_open()

    async def close(self) -> None:
        """Close the connections that this object opened; may be called twice."""
        self._closed = True
        is_lent = self._lender is not None and self._transport is not None
        if os.getpid() == self._pid and not is_lent:
            for carrier in self._carriers.values():
                await carrier.close()
