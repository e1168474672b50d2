"""Requests through httpx clients: the caller's own, or ours where a proxy is in the way.

One is needed behind a proxy of the environment, as httpx knows all kinds of proxies, and for a transport of the
caller's. Nothing here repeats a request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx

from ._deadlines import improve, within
from ._given import answer_in, auth_of, limits_of, request_of
from ._stale import SubmitAnswers
from ._trace import Trace, tells

if TYPE_CHECKING:
    from ._message import Address, Transfer
    from ._sockets import Limit


def httpx_options(address: Address) -> dict[str, Any]:
    """Return what makes a client of httpx's go the way that the environment wants; it asks no environment itself."""
    if not address.is_ours:
        return {"trust_env": False}
    options: dict[str, Any] = {"verify": address.verify or False, "trust_env": False}
    proxy = address.proxy
    if proxy is not None:
        options["proxy"] = httpx.Proxy(proxy.url, ssl_context=address.certificates if proxy.is_secure else None)
    return options


class HttpxConnections:
    """Those of a sync httpx client: a given one, or one of our own with `most` connections at once."""

    def __init__(
        self,
        address: Address,
        given: httpx.Client | None,
        transport: httpx.BaseTransport | None,
        *,
        trust: bool,
        most: int,
        keepalive: float,
    ) -> None:
        self._address = address
        self._trust = trust
        self._answers = SubmitAnswers()
        self._is_ours = given is None
        if given is None:
            limits = httpx.Limits(max_connections=most, max_keepalive_connections=most, keepalive_expiry=keepalive)
            given = httpx.Client(transport=transport, limits=limits, **httpx_options(address))
            improve(given)
        self._client = given
        self._tells = tells(given, address.base_url)

    def carry(self, transfer: Transfer) -> None:
        """Make one request, and feed it its answer."""
        client, is_ours = self._client, self._is_ours
        trace = Trace(transfer, tells=self._tells)
        written = httpx_request if is_ours else request_of
        request = written(client, self._address, transfer, trace.note)
        auth = None if is_ours else auth_of(client)
        with within(transfer.seconds) as limit:
            try:
                response = client.send(request, stream=True, auth=auth, follow_redirects=False)
            except httpx.HTTPStatusError as error:
                response = answer_in(error, request)
            except Exception as error:
                trace.failed(error, trust=self._trust)
                raise
            trace.watch(response)
            try:
                self._read(transfer, response, limit)
                if trace.is_heard:
                    self._check(transfer, trace)
            finally:
                trace.watch(None)

    def _read(self, transfer: Transfer, response: httpx.Response, limit: Limit) -> None:
        try:
            transfer.begin(response.status_code, response.headers.raw)
            for part in response.iter_bytes():
                if limit.left <= 0:
                    raise httpx.ReadTimeout("timed out")
                transfer.feed(part)
        finally:
            response.close()

    def _check(self, transfer: Transfer, trace: Trace) -> None:
        if transfer.starts_job and not self._address.is_ours:
            try:
                self._answers.check(transfer.answer())
            except httpx.RemoteProtocolError:
                trace.drop()
                raise

    def close(self) -> None:
        """Close every connection; those of a given client are its owner's."""
        if self._is_ours:
            self._client.close()


class AsyncHttpxConnections:
    """Those of an async httpx client: a given one, or one of our own with `most` connections at once."""

    def __init__(
        self,
        address: Address,
        given: httpx.AsyncClient | None,
        transport: httpx.AsyncBaseTransport | None,
        *,
        trust: bool,
        most: int,
        keepalive: float,
    ) -> None:
        self._address = address
        self._trust = trust
        self._answers = SubmitAnswers()
        self._is_ours = given is None
        if given is None:
            limits = httpx.Limits(max_connections=most, max_keepalive_connections=most, keepalive_expiry=keepalive)
            given = httpx.AsyncClient(transport=transport, limits=limits, **httpx_options(address))
            improve(given)
        self._client = given
        self._tells = tells(given, address.base_url)

    async def carry(self, transfer: Transfer) -> None:
        """Make one request, and feed it its answer."""
        async with transfer.limit():
            await self._carry(transfer)

    async def _carry(self, transfer: Transfer) -> None:
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
        trace.watch(response)
        try:
            await self._read(transfer, response)
            if trace.is_heard:
                await self._check(transfer, trace)
        finally:
            trace.watch(None)

    async def _read(self, transfer: Transfer, response: httpx.Response) -> None:
        try:
            transfer.begin(response.status_code, response.headers.raw)
            async for part in response.aiter_bytes():
                transfer.feed(part)
        finally:
            await response.aclose()

    async def _check(self, transfer: Transfer, trace: Trace) -> None:
        if transfer.starts_job and not self._address.is_ours:
            try:
                self._answers.check(transfer.answer())
            except httpx.RemoteProtocolError:
                await trace.drop_async()
                raise

    async def close(self) -> None:
        """Close every connection; those of a given client are its owner's."""
        if self._is_ours:
            await self._client.aclose()


def httpx_request(
    client: httpx.Client | httpx.AsyncClient, address: Address, transfer: Transfer, trace: object
) -> httpx.Request:
    """Return a request as httpx writes it; `trace` is called before each step of it."""
    return httpx.Request(
        transfer.method,
        address.base_url + transfer.target.reveal(),
        headers=dict(transfer.headers.reveal()),
        content=transfer.content.reveal(),
        extensions={"timeout": limits_of(client, transfer), "trace": trace},
    )
