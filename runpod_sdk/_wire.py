"""The HTTP under the shells: one request, one answer or the transport's error, for threads and for tasks.

Nothing here decides anything, and nothing here or below sends a request twice: redirects are not followed, and httpx
itself repeats nothing. Held requests have a pool of their own, so that a hundred waiters do not keep a submit waiting.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from ._deadlines import bound_reads, within
from ._outcomes import Answer, BodyTooLargeError, Failure, Result

if TYPE_CHECKING:
    import asyncio
    import ssl

    import httpx

    from ._requests import Request
    from ._service import Service
    from .clock import Clock

# Connections at once: ordinary requests, and held ones (the service takes 400 status requests at once; docs).
_ORDINARY_MAX, _HELD_MAX = 200, 400
# Idle connections are dropped before the far side does it, seconds; a request on one that was just closed is a race.
_KEEPALIVE = 5.0
# The largest answer that is read, bytes, decompressed; ours. Inputs of the service end at 20 MiB.
BODY_CAP = 256 * 2**20


class _Address:
    """How requests are written: the service's origin and headers, prepared once."""

    def __init__(self, service: Service) -> None:
        self._base_url = service.base_url
        self._headers = service.headers
        self.key = service.api_key
        self._trust_env = not service.is_loopback  # a proxy that cannot see this machine's loopback would get the key
        self._verify: ssl.SSLContext | None = None

    def request(self, request: Request, timeout: float) -> httpx.Request:
        import httpx  # noqa: PLC0415  56 ms that an import of the package need not pay

        return httpx.Request(
            request.method,
            self._base_url + request.path,
            headers={**self._headers, **{name.lower(): value for name, value in request.headers.items()}},
            content=request.content,
            extensions={"timeout": {"connect": timeout, "read": timeout, "write": timeout, "pool": timeout}},
        )

    @property
    def verify(self) -> ssl.SSLContext:
        """What both pools check certificates with: reading them costs 20 ms, so once, and only where there are any."""
        if self._verify is None:
            import httpx  # noqa: PLC0415  see above

            is_tls = self._base_url.startswith("https:")
            self._verify = httpx.create_ssl_context(verify=is_tls, trust_env=self._trust_env)
        return self._verify

    def client(self, transport: httpx.BaseTransport | None, *, held: bool) -> httpx.Client:
        import httpx  # noqa: PLC0415  see above

        most = _HELD_MAX if held else _ORDINARY_MAX
        limits = httpx.Limits(max_connections=most, max_keepalive_connections=most, keepalive_expiry=_KEEPALIVE)
        client = httpx.Client(transport=transport, limits=limits, verify=self.verify, trust_env=self._trust_env)
        bound_reads(client)
        return client

    def async_client(self, transport: httpx.AsyncBaseTransport | None, *, held: bool) -> httpx.AsyncClient:
        import httpx  # noqa: PLC0415  see above

        from ._transports import async_transport  # noqa: PLC0415  see above

        most = _HELD_MAX if held else _ORDINARY_MAX
        limits = httpx.Limits(max_connections=most, max_keepalive_connections=most, keepalive_expiry=_KEEPALIVE)
        chosen = transport or async_transport(
            self.verify,
            scheme=self._base_url.partition(":")[0] if self._trust_env else "",
            most=most,
            keepalive=_KEEPALIVE,
        )
        return httpx.AsyncClient(transport=chosen, limits=limits, verify=self.verify, trust_env=self._trust_env)


def _check_kind(name: str, given: object, kind: str, *, is_right: bool) -> None:
    """Refuse what is of the other flavour: it would fail with the first request, a submit whose outcome is unknown."""
    if given is not None and not is_right:
        raise TypeError(f"{name} is of type {type(given).__name__}: an {kind} expected")


class _Reader:
    """Collects one answer: its body up to the cap, and in the time that the request has."""

    def __init__(self, clock: Clock, timeout: float, key: str) -> None:
        self._key = key.encode()
        self._clock = clock
        self._until = clock.monotonic() + timeout
        self._response: httpx.Response | None = None
        self._chunks: list[bytes] = []
        self._left = BODY_CAP

    def begin(self, response: httpx.Response) -> None:
        self._response = response

    def feed(self, chunk: bytes) -> None:
        self._left -= len(chunk)
        if self._left < 0:
            raise BodyTooLargeError(f"the answer is larger than {BODY_CAP} bytes")
        if self._clock.monotonic() > self._until:
            raise TimeoutError("the answer came too slowly")
        self._chunks.append(chunk)

    def answer(self) -> Answer | None:
        """Return what has come: whole, if nothing was raised."""
        if self._response is None:
            return None
        status, body = self._response.status_code, b"".join(self._chunks)
        if status >= 300:  # an error page may quote the request; an output is never touched
            body = body.replace(self._key, b"***")
        return Answer(status, self._response.headers, body)


class Wire:
    """Sends for threads. A client of the caller's own is used as it is, and never closed."""

    def __init__(
        self, service: Service, clock: Clock, http_client: httpx.Client | None, transport: httpx.BaseTransport | None
    ) -> None:
        _check_kind("http_client", http_client, "httpx.Client", is_right=not hasattr(http_client, "aclose"))
        _check_kind("transport", transport, "httpx.BaseTransport", is_right=hasattr(transport, "handle_request"))
        self._service = service
        self._address = _Address(service)
        self._clock = clock
        self._given = http_client
        self._transport = transport
        self._lock = threading.Lock()
        self._pools: dict[bool, httpx.Client] = {}
        self._pid = os.getpid()
        self._closed = False

    def send(self, request: Request, timeout: float) -> Result:
        """Make one request."""
        client = self._client(held=request.hold > 0 and not request.is_submit)
        reader = _Reader(self._clock, timeout, self._address.key)
        try:
            with within(timeout):
                self._exchange(client, self._address.request(request, timeout), reader)
        except Exception as error:  # noqa: BLE001  whatever a transport raises is sorted by _outcomes, not here
            return Failure(error, reader.answer())
        return reader.answer() or Failure(RuntimeError("the transport returned nothing"))

    @staticmethod
    def _exchange(client: httpx.Client, request: httpx.Request, reader: _Reader) -> None:
        response = client.send(request, stream=True, auth=None, follow_redirects=False)
        try:
            reader.begin(response)
            for chunk in response.iter_bytes():
                reader.feed(chunk)
        finally:
            response.close()

    def _client(self, *, held: bool) -> httpx.Client:
        self.check_open()
        if self._given is not None:
            return self._given
        if os.getpid() != self._pid:
            # A fork shares the sockets of its parent: leave them to it.
            self._lock, self._pools, self._pid = threading.Lock(), {}, os.getpid()
        client = self._pools.get(held)
        if client is not None:
            return client
        with self._lock:
            if held not in self._pools:
                self._pools[held] = self._address.client(self._transport, held=held)
            return self._pools[held]

    def twin(self) -> AsyncWire | None:
        """Return a wire for tasks that ends no later than this one; None where what was given knows no tasks."""
        import httpx  # noqa: PLC0415  see _Address

        self.check_open()
        transport = self._transport
        if self._given is not None or not isinstance(transport, httpx.AsyncBaseTransport | None):
            return None
        return AsyncWire(self._service, self._clock, None, transport, lender=self)

    def check_open(self) -> None:
        """Raise RuntimeError if this object is closed."""
        if self._closed:
            raise RuntimeError("the client is closed")

    def close(self) -> None:
        """Close the connections that this object opened; may be called twice."""
        self._closed = True
        if os.getpid() == self._pid:
            for client in self._pools.values():
                client.close()

    def __del__(self) -> None:
        with suppress(Exception):  # `with` is optional; at the end of the interpreter half of it is gone
            self.close()


class AsyncWire:
    """Sends for tasks of one event loop. A client of the caller's own is used as it is, and never closed."""

    def __init__(
        self,
        service: Service,
        clock: Clock,
        http_client: httpx.AsyncClient | None,
        transport: httpx.AsyncBaseTransport | None,
        lender: Wire | None = None,
    ) -> None:
        _check_kind("http_client", http_client, "httpx.AsyncClient", is_right=hasattr(http_client, "aclose"))
        is_right = hasattr(transport, "handle_async_request")
        _check_kind("transport", transport, "httpx.AsyncBaseTransport", is_right=is_right)
        self._address = _Address(service)
        self._lender = lender  # whose transport it is, then not closed here
        self._clock = clock
        self._given = http_client
        self._transport = transport
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pools: dict[bool, httpx.AsyncClient] = {}
        self._pid = os.getpid()
        self._closed = False

    async def send(self, request: Request, timeout: float) -> Result:
        """Make one request."""
        client = self._client(held=request.hold > 0 and not request.is_submit)
        reader = _Reader(self._clock, timeout, self._address.key)
        try:
            async with self._clock.timeout(timeout):
                await self._exchange(client, self._address.request(request, timeout), reader)
        except Exception as error:  # noqa: BLE001  whatever a transport raises is sorted by _outcomes, not here
            return Failure(error, reader.answer())
        return reader.answer() or Failure(RuntimeError("the transport returned nothing"))

    @staticmethod
    async def _exchange(client: httpx.AsyncClient, request: httpx.Request, reader: _Reader) -> None:
        response = await client.send(request, stream=True, auth=None, follow_redirects=False)
        try:
            reader.begin(response)
            async for chunk in response.aiter_bytes():
                reader.feed(chunk)
        finally:
            await response.aclose()

    def _client(self, *, held: bool) -> httpx.AsyncClient:
        import asyncio  # noqa: PLC0415  a sync user need not pay for it

        if self._closed:
            raise RuntimeError("the client is closed")
        if self._lender is not None:
            self._lender.check_open()
        loop = asyncio.get_running_loop()
        if os.getpid() != self._pid:
            self._loop, self._pools, self._pid = None, {}, os.getpid()
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            raise RuntimeError(
                "this AsyncClient is in use by another event loop: its connections cannot be shared; make one per loop"
            )
        if self._given is not None:
            return self._given
        if held not in self._pools:
            self._pools[held] = self._address.async_client(self._transport, held=held)
        return self._pools[held]

    async def close(self) -> None:
        """Close the connections that this object opened; may be called twice."""
        self._closed = True
        is_lent = self._lender is not None and self._transport is not None
        if os.getpid() == self._pid and not is_lent:
            for client in self._pools.values():
                await client.aclose()
