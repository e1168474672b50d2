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

from runpod_sdk._values._outcomes import SENT

from ._deadlines import bound_reads
from ._given import answer_in, auth_of, request_of
from ._message import unpacked_async
from ._trace import Trace, tells

if TYPE_CHECKING:
    from collections.abc import Generator

    import aiohttp

    from ._message import Address, Transfer

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
        trust: bool = False,
        most: int = 0,
        keepalive: float = 0.0,
    ) -> None:
        self._address = address
        self._trust = trust
        self._is_ours = given is None
        if given is None:
            limits = httpx.Limits(max_connections=most, max_keepalive_connections=most, keepalive_expiry=keepalive)
            given = httpx.Client(transport=transport, limits=limits, **httpx_options(address))
            bound_reads(given)
        self._client = given
        self._tells = tells(given, address.base_url)

    def carry(self, transfer: Transfer) -> None:
        """Make one request, and feed it its answer."""
        client, is_ours = self._client, self._is_ours
        trace = Trace(transfer, tells=self._tells)
        written = httpx_request if is_ours else request_of
        request = written(client, self._address, transfer, trace.note)
        auth = None if is_ours else auth_of(client)
        try:
            response = client.send(request, stream=True, auth=auth, follow_redirects=False)
        except httpx.HTTPStatusError as error:
            response = answer_in(error, request)
        except Exception as error:
            trace.failed(error, trust=self._trust)
            raise
        try:
            transfer.begin(response.status_code, response.headers.raw)
            for part in response.iter_bytes():
                transfer.feed(part)
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
        trust: bool = False,
        most: int = 0,
        keepalive: float = 0.0,
    ) -> None:
        self._address = address
        self._trust = trust
        self._is_ours = given is None
        if given is None:
            limits = httpx.Limits(max_connections=most, max_keepalive_connections=most, keepalive_expiry=keepalive)
            given = httpx.AsyncClient(transport=transport, limits=limits, **httpx_options(address))
        self._client = given
        self._tells = tells(given, address.base_url)

    async def carry(self, transfer: Transfer) -> None:
        """Make one request, and feed it its answer."""
        client, is_ours = self._client, self._is_ours
        trace = Trace(transfer, tells=self._tells)
        written = httpx_request if is_ours else request_of
        request = written(client, self._address, transfer, trace.note_async)
        auth = None if is_ours else auth_of(client)
        try:
            response = await client.send(request, stream=True, auth=auth, follow_redirects=False)
        except httpx.HTTPStatusError as error:
            response = answer_in(error, request)
        except BaseException as error:
            trace.failed(error, trust=self._trust)
            await trace.close_half_open()
            raise
        try:
            transfer.begin(response.status_code, response.headers.raw)
            async for part in response.aiter_bytes():
                transfer.feed(part)
        finally:
            await response.aclose()

    async def close(self) -> None:
        """Close every connection; those of a given client are its owner's."""
        if self._is_ours:
            await self._client.aclose()


def httpx_request(_client: object, address: Address, transfer: Transfer, trace: object) -> httpx.Request:
    """Return a request as httpx writes it; `trace` is called before each step of it."""
    limit = transfer.timeout
    return httpx.Request(
        transfer.method,
        address.base_url + transfer.target.reveal(),
        headers=dict(transfer.headers.reveal()),
        content=transfer.content.reveal(),
        extensions={
            "timeout": {"connect": limit, "read": limit, "write": limit, "pool": limit},
            "trace": trace,
        },
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
            trace_configs=[_tracing()],
        )
        # aiohttp sends a GET again by itself when a connection that it reuses was closed, and a replayed read of a
        # stream destroys chunks. There is no argument for it; a test says so if the attribute goes.
        self._session._retry_connection = False  # noqa: SLF001  see above

    async def carry(self, transfer: Transfer) -> None:
        """Make one request, and feed it its answer."""
        transfer.sent = 0
        with _in_words_of_httpx():
            answer = await self._session.request(
                transfer.method,
                self._url(self._base_url + transfer.target.reveal(), encoded=True),
                headers=transfer.headers.reveal(),
                data=_written(transfer.content.reveal()),
                allow_redirects=False,
                trace_request_ctx=transfer,
            )
            try:
                is_packed = transfer.begin(answer.status, answer.raw_headers)
                parts = answer.content.iter_any()
                async for part in unpacked_async(answer.raw_headers, parts) if is_packed else parts:
                    transfer.feed(part)
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


def _written(content: bytes | None) -> bytes | BytesIO | None:
    return content or None if content is None or len(content) < _LARGE else BytesIO(content)


def _tracing() -> aiohttp.TraceConfig:
    """Count a request as sent from the moment on in which it has a connection: the next step writes it."""
    import aiohttp  # noqa: PLC0415  an extra

    async def has_connection(_session: object, context: Any, _facts: object) -> None:
        context.trace_request_ctx.sent = SENT

    config = aiohttp.TraceConfig()
    config.on_connection_create_end.append(has_connection)
    config.on_connection_reuseconn.append(has_connection)
    return config


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
