"""What else carries requests, behind the same two methods: aiohttp for tasks, and httpx where it is given or needed.

httpx is needed behind a proxy of the environment, as it knows all kinds of proxies. aiohttp (extra `fast`) is taken
for tasks where it is installed; docs/performance.md has the figures.

Errors are httpx's: ConnectError, ConnectTimeout and PoolTimeout are raised only where not one byte of the request has
left. Nothing here repeats a request.
"""

from __future__ import annotations

from contextlib import contextmanager
from importlib.util import find_spec
from io import BytesIO
from typing import TYPE_CHECKING, Any

import httpx

from ._deadlines import bound_reads
from ._given import answer_in, auth_of, request_of
from ._message import unpacked_async

if TYPE_CHECKING:
    from collections.abc import Generator

    import aiohttp

    from ._message import Address, Incoming, Outgoing

# From this size on, bytes, aiohttp wants a body in parts, and warns of one that it has to write as a whole.
_LARGE = 2**20


def is_proxied(address: Address) -> bool:
    """Whether there is a proxy on the way to the service."""
    return address.proxy is not None


def httpx_options(address: Address) -> dict[str, Any]:
    """Return what makes a client of httpx's go the way that the environment wants; it asks no environment itself."""
    if not address.is_ours:
        return {"trust_env": False}
    options: dict[str, Any] = {"verify": address.verify or False, "trust_env": False}
    proxy = address.proxy
    if proxy is not None:
        options["proxy"] = httpx.Proxy(proxy.url, ssl_context=address.certificates if proxy.is_secure else None)
    return options


def has_aiohttp() -> bool:
    """Whether aiohttp is installed."""
    return find_spec("aiohttp") is not None


class HttpxConnections:
    """Those of an httpx client for threads: a given one, or one of our own with `most` connections at once."""

    def __init__(
        self,
        address: Address,
        *,
        given: httpx.Client | None = None,
        transport: httpx.BaseTransport | None = None,
        most: int = 0,
        keepalive: float = 0.0,
    ) -> None:
        self._address = address
        self._is_ours = given is None
        if given is None:
            limits = httpx.Limits(max_connections=most, max_keepalive_connections=most, keepalive_expiry=keepalive)
            given = httpx.Client(transport=transport, limits=limits, **httpx_options(address))
            bound_reads(given)
        self._client = given

    def exchange(self, sent: Outgoing, incoming: Incoming) -> None:
        """Make one request, and feed its answer to `incoming`."""
        client, is_ours = self._client, self._is_ours
        request = httpx_request(self._address, sent) if is_ours else request_of(client, self._address, sent)
        auth = None if is_ours else auth_of(client)
        try:
            response = client.send(request, stream=True, auth=auth, follow_redirects=False)
        except httpx.HTTPStatusError as error:
            response = answer_in(error, request)
        try:
            incoming.begin(response.status_code, response.headers.raw)
            for part in response.iter_bytes():
                incoming.feed(part)
        finally:
            response.close()

    def close(self) -> None:
        """Close every connection; those of a given client are its owner's."""
        if self._is_ours:
            self._client.close()


class AsyncHttpxConnections:
    """Those of an httpx client for tasks: a given one, or one of our own with `most` connections at once."""

    def __init__(
        self,
        address: Address,
        *,
        given: httpx.AsyncClient | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        most: int = 0,
        keepalive: float = 0.0,
    ) -> None:
        self._address = address
        self._is_ours = given is None
        if given is None:
            limits = httpx.Limits(max_connections=most, max_keepalive_connections=most, keepalive_expiry=keepalive)
            given = httpx.AsyncClient(transport=transport, limits=limits, **httpx_options(address))
        self._client = given

    async def exchange(self, sent: Outgoing, incoming: Incoming) -> None:
        """Make one request, and feed its answer to `incoming`."""
        client, is_ours = self._client, self._is_ours
        request = httpx_request(self._address, sent) if is_ours else request_of(client, self._address, sent)
        auth = None if is_ours else auth_of(client)
        try:
            response = await client.send(request, stream=True, auth=auth, follow_redirects=False)
        except httpx.HTTPStatusError as error:
            response = answer_in(error, request)
        try:
            incoming.begin(response.status_code, response.headers.raw)
            async for part in response.aiter_bytes():
                incoming.feed(part)
        finally:
            await response.aclose()

    async def close(self) -> None:
        """Close every connection; those of a given client are its owner's."""
        if self._is_ours:
            await self._client.aclose()


def httpx_request(address: Address, sent: Outgoing) -> httpx.Request:
    """Return a request as httpx writes it."""
    limit = sent.timeout
    return httpx.Request(
        sent.method,
        address.base_url + sent.target,
        headers=dict(sent.headers),
        content=sent.content,
        extensions={"timeout": {"connect": limit, "read": limit, "write": limit, "pool": limit}},
    )


class AiohttpConnections:
    """Those of aiohttp, for the tasks of one loop: `most` at once, idle ones for `keepalive` seconds."""

    def __init__(self, address: Address, *, most: int, keepalive: float) -> None:
        import aiohttp  # noqa: PLC0415  an extra
        import yarl  # noqa: PLC0415  as above

        self._base_url = address.base_url
        self._url = yarl.URL
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=most, keepalive_timeout=keepalive, ssl=address.verify or False),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # as for all other connections, httpx does it
            skip_auto_headers=["User-Agent", "Accept", "Accept-Encoding", "Content-Type"],
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),  # kept by who makes the request
        )
        # aiohttp sends a GET again by itself when a connection that it reuses was closed, and a replayed read of a
        # stream destroys chunks. There is no argument for it; a test says so if the attribute goes.
        self._session._retry_connection = False  # noqa: SLF001  see above

    async def exchange(self, sent: Outgoing, incoming: Incoming) -> None:
        """Make one request, and feed its answer to `incoming`."""
        url = self._url(self._base_url + sent.target, encoded=True)
        content = sent.content or None
        data = content if content is None or len(content) < _LARGE else BytesIO(content)
        with _in_words_of_httpx():
            answer = await self._session.request(
                sent.method, url, headers=sent.headers, data=data, allow_redirects=False
            )
            try:
                is_packed = incoming.begin(answer.status, answer.raw_headers)
                parts = answer.content.iter_any()
                async for part in unpacked_async(answer.raw_headers, parts) if is_packed else parts:
                    incoming.feed(part)
            finally:
                # A body that was read to its end has given its connection back; any other takes it down.
                answer.close()

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    def __del__(self) -> None:
        # `async with` is optional: without it nobody can await the close, and aiohttp would log an error.
        session: aiohttp.ClientSession | None = getattr(self, "_session", None)
        if session is not None and not session.closed and session.connector is not None:
            connector = session.connector
            session.detach()
            connector._close()  # noqa: SLF001  what aiohttp's own __del__ does, less the noise


@contextmanager
def _in_words_of_httpx() -> Generator[None]:
    """Raise aiohttp's errors as httpx's, keeping apart what proves that nothing was sent and what does not."""
    import aiohttp  # noqa: PLC0415  an extra

    try:
        yield
    except aiohttp.ConnectionTimeoutError as error:
        raise httpx.ConnectTimeout(str(error)) from error
    except aiohttp.ClientConnectorError as error:  # no such host, nobody listens, TLS failed
        raise httpx.ConnectError(str(error)) from error
    except aiohttp.ServerTimeoutError as error:
        raise httpx.ReadTimeout(str(error)) from error
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError, aiohttp.ClientResponseError) as error:
        raise httpx.RemoteProtocolError(str(error)) from error
    except aiohttp.ClientError as error:
        raise httpx.ReadError(str(error)) from error
