"""The connections of AsyncClient: httpx's own pool breaks down with concurrency, these stay flat.

Two thin adapters, and the choice between them: aiohttp where it is installed (extra `fast`), else httpcore2, the
maintained continuation of what httpx uses; docs/transports.md has the figures. Behind a proxy of the environment
httpx's own connections are used, which know all kinds of proxies.

Both tell the truth about what was sent, in httpx's own errors: ConnectError, ConnectTimeout and PoolTimeout are raised
only where not one byte of the request has left. Nothing here repeats a request.
"""

from __future__ import annotations

from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.request import getproxies

import httpx

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Generator

    import aiohttp
    import httpcore2


def async_transport(
    verify: ssl.SSLContext, *, scheme: str, most: int, keepalive: float
) -> httpx.AsyncBaseTransport | None:
    """Return the best transport that is installed; None where httpx's own is to be used.

    Args:
        verify: what checks the service's certificate.
        scheme: of the service's URL, for which the environment may name a proxy; "" where that does not count.
        most: connections at once.
        keepalive: how long an idle one is kept, seconds.
    """
    if scheme and getproxies().keys() & {scheme, "all"}:
        return None
    kind = AiohttpTransport if find_spec("aiohttp") is not None else CoreTransport
    return kind(verify, most=most, keepalive=keepalive)


class CoreTransport(httpx.AsyncBaseTransport):
    """Connections of httpcore2."""

    def __init__(self, verify: ssl.SSLContext, *, most: int, keepalive: float) -> None:
        import httpcore2  # noqa: PLC0415  one of two is needed

        self._core = httpcore2
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=verify,
            max_connections=most,
            max_keepalive_connections=most,
            keepalive_expiry=keepalive,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Make one request."""
        url = request.url
        target = self._core.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        sent = self._core.Request(
            request.method,
            target,
            headers=request.headers.raw,
            content=await request.aread(),
            extensions=request.extensions,
        )
        with _core_errors():
            answer = await self._pool.handle_async_request(sent)
        return httpx.Response(answer.status, headers=answer.headers, stream=_CoreBody(answer))

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()


class _CoreBody(httpx.AsyncByteStream):
    def __init__(self, answer: httpcore2.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _core_errors():
            async for part in self._answer.aiter_stream():
                yield part

    async def aclose(self) -> None:
        with _core_errors():
            await self._answer.aclose()


@contextmanager
def _core_errors() -> Generator[None]:
    """Raise httpcore2's errors as httpx's of the same name: they mean the same."""
    try:
        yield
    except Exception as error:
        kind = type(error)
        same: Any = getattr(httpx, kind.__name__, None) if kind.__module__.startswith("httpcore2") else None
        if same is None:
            raise
        raise same(str(error)) from error


class AiohttpTransport(httpx.AsyncBaseTransport):
    """Connections of aiohttp."""

    def __init__(self, verify: ssl.SSLContext, *, most: int, keepalive: float) -> None:
        self._verify = verify
        self._most = most
        self._keepalive = keepalive
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Make one request."""
        import aiohttp  # noqa: PLC0415  one of two is needed
        import yarl  # noqa: PLC0415  as above

        if self._session is None:
            self._session = self._new_session()
        limit = request.extensions["timeout"]
        timeout = aiohttp.ClientTimeout(connect=limit["pool"], sock_connect=limit["connect"], sock_read=limit["read"])
        with _aiohttp_errors():
            answer = await self._session.request(
                request.method,
                yarl.URL(str(request.url), encoded=True),
                headers=request.headers,
                data=await request.aread() or None,
                timeout=timeout,
                allow_redirects=False,
            )
        return httpx.Response(answer.status, headers=answer.raw_headers, stream=_AiohttpBody(answer))

    def _new_session(self) -> aiohttp.ClientSession:
        """Open a session in the running loop."""
        import aiohttp  # noqa: PLC0415  as above

        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._most, keepalive_timeout=self._keepalive, ssl=self._verify),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # httpx does it
            skip_auto_headers=["User-Agent", "Accept", "Accept-Encoding", "Content-Type"],
        )
        # aiohttp sends a GET again by itself when a connection that it reuses was closed, and a replayed read of a
        # stream destroys chunks. There is no argument for it; a test says so if the attribute goes.
        session._retry_connection = False  # noqa: SLF001  see above
        return session

    async def aclose(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()

    def __del__(self) -> None:
        # `async with` is optional: without it nobody can await the close, and aiohttp would log an error.
        session = self._session
        if session is not None and not session.closed and session.connector is not None:
            connector = session.connector
            session.detach()
            connector._close()  # noqa: SLF001  what aiohttp's own __del__ does, less the noise


class _AiohttpBody(httpx.AsyncByteStream):
    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _aiohttp_errors():
            async for part in self._answer.content.iter_any():
                yield part

    async def aclose(self) -> None:
        # A body that was read to its end has given its connection back; any other takes it down.
        self._answer.close()


@contextmanager
def _aiohttp_errors() -> Generator[None]:
    """Raise aiohttp's errors as httpx's, keeping apart what proves that nothing was sent and what does not."""
    import aiohttp  # noqa: PLC0415  as above

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
    except (aiohttp.ClientError, OSError) as error:
        raise httpx.ReadError(str(error)) from error
