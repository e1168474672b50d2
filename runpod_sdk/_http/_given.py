"""An httpx client that the caller passed in: its settings are honoured, or refused by name.

Headers, parameters, cookies, proxies, hooks, an auth flow and a timeout take part. Refused is what would take the place
of the key, change what is sent as a body, or send a request to another place or a second time.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from runpod_sdk._values._arguments import RESERVED_HEADERS
from runpod_sdk.clock._base import LATE_MAX

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from runpod_sdk._values._service import Service

    from ._message import Address, Transfer

    AnyClient = httpx.Client | httpx.AsyncClient

# What httpx sets by itself, and means nothing by.
_DEFAULTS = {"accept": "*/*", "connection": "keep-alive"}
_AGENT = "python-httpx/"
_TIMEOUT = httpx.Timeout(5.0)
# Query parameters of the service's, which are the SDK's to set. docs: operation-reference.
_PARAMETERS = frozenset({"wait", "ttl"})
# All of them write the header that the key goes in.
_LOGINS = (httpx.BasicAuth, httpx.DigestAuth, httpx.NetRCAuth)
# The answers after which an auth flow has a reason to send a request again. All of them say that nothing was done.
_LOGIN_ASKED = frozenset({401, 403, 407})
# How often an auth flow may send one request, and how often something else for it; ours.
_OWN_MAX, _OTHER_MAX = 3, 10


def check_client(client: AnyClient, service: Service) -> None:
    """Refuse what cannot take part.

    Raises:
        ValueError: the client is closed, or carries something that cannot take part.
    """
    if client.is_closed:
        raise ValueError("http_client is closed")
    if client.follow_redirects:
        raise ValueError("http_client follows redirects, which may submit a job twice: use follow_redirects=False")
    base_url = str(client.base_url).rstrip("/")
    if base_url and base_url != service.base_url:
        raise ValueError("http_client has a base_url of its own: pass it as base_url=… instead")
    login = next((kind.__name__ for kind in _LOGINS if isinstance(client.auth, kind)), None)
    if login is not None:
        raise ValueError(f"http_client has auth={login}: it writes the header that the key goes in")
    for name in client.params:
        if name in _PARAMETERS:
            raise ValueError(f"http_client has params with {name!r}: the SDK sets that one")
    for name, value in client.headers.items():
        _check_header(name, value.strip().lower())


def _check_header(name: str, value: str) -> None:
    if _DEFAULTS.get(name) == value:
        return
    if name in RESERVED_HEADERS or (name in ("accept", "content-type") and value != "application/json"):
        raise ValueError(f"http_client has the header {name!r}: the SDK sets that one")
    if name == "accept-encoding" and not _readable(value):
        raise ValueError(f"http_client has the header {name}={value!r}: an answer so encoded could not be read")


def _readable(encodings: str) -> bool:
    """Whether httpx decodes all of these."""
    known = {"gzip", "deflate", "identity"}
    known |= {"br"} if find_spec("brotli") or find_spec("brotlicffi") else set()
    known |= {"zstd"} if find_spec("zstandard") else set()
    return {each.partition(";")[0].strip() for each in encodings.split(",")} <= known | {""}


def request_of(client: AnyClient, address: Address, transfer: Transfer, trace: object) -> httpx.Request:
    """Return a request with all that the client carries; `trace` is called before each step of it."""
    query = urlsplit(transfer.target.reveal()).query
    return client.build_request(
        transfer.method,
        address.base_url + transfer.target.reveal(),
        # httpx would put the client's parameters in the place of those that a URL has.
        params=httpx.QueryParams(query) if client.params else None,
        headers={name: value for name, value in transfer.headers.reveal().items() if not _is_theirs(client, name)},
        content=transfer.content.reveal(),
        extensions={"timeout": _limits(client, transfer), "trace": trace},
    )


def _is_theirs(client: AnyClient, name: str) -> bool:
    """Whether a header of ours gives way to the client's."""
    if name == "user-agent":
        return not client.headers.get(name, _AGENT).startswith(_AGENT)
    return name == "accept-encoding" and name in client.headers


def limits_of(client: AnyClient, transfer: Transfer) -> dict[str, float]:
    """Return the limits of the parts of a request, as httpx keeps them: what is left of its own.

    A task has the limit anyway, and that one is patient where the loop stood still; not in virtual time.
    """
    limit = transfer.seconds
    patience = 2 * LATE_MAX if isinstance(client, httpx.AsyncClient) and not transfer.is_virtual else 0.0
    return {"connect": limit, "read": limit + patience, "write": limit + patience, "pool": limit}


def _limits(client: AnyClient, transfer: Transfer) -> dict[str, Any]:
    """Return the limits of the parts of a request: ours, or the client's where they are shorter.

    The client's counts for an answer beyond the time that the service was asked to hold it.
    """
    limits = limits_of(client, transfer)
    if client.timeout == _TIMEOUT:  # nobody asked for it
        return limits
    extra = {"read": transfer.hold}
    theirs = {part: most + extra.get(part, 0.0) for part, most in client.timeout.as_dict().items() if most is not None}
    return {part: min(limit, theirs.get(part, limit)) for part, limit in limits.items()}


def auth_of(client: AnyClient) -> httpx.Auth | None:
    """Return the client's auth flow, kept from sending twice what may have been accepted."""
    return None if client.auth is None else _Guarded(client.auth)


class _Guarded(httpx.Auth):
    """An auth flow that may send its request again only after an answer that asks for a login."""

    def __init__(self, auth: httpx.Auth) -> None:
        self._auth = auth

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        flow, turns = self._auth.sync_auth_flow(request), _Turns(request)
        try:
            following = next(flow)
            while True:
                response = yield turns.begin(following)
                following = flow.send(response)
                if turns.is_over(response):
                    return
        except StopIteration:
            turns.check()
        finally:
            flow.close()

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        flow, turns = self._auth.async_auth_flow(request), _Turns(request)
        try:
            following = await anext(flow)
            while True:
                response = yield turns.begin(following)
                following = await flow.asend(response)
                if turns.is_over(response):
                    return
        except StopAsyncIteration:
            turns.check()
        finally:
            await flow.aclose()


class _Turns:
    """What an auth flow has sent so far."""

    def __init__(self, request: httpx.Request) -> None:
        self._target = _target(request)
        self._trace = request.extensions.get("trace")
        self._own = self._other = 0
        self._is_own = False

    def begin(self, request: httpx.Request) -> httpx.Request:
        """Count a request that is about to be sent."""
        self._is_own = _target(request) == self._target
        if self._is_own:  # a flow may have made it anew
            request.extensions = {**request.extensions, "trace": self._trace}
        self._own += self._is_own
        self._other += not self._is_own
        if self._other > _OTHER_MAX:
            raise httpx.LocalProtocolError("the auth flow keeps sending other requests, and not the one it is for")
        return request

    def is_over(self, response: httpx.Response) -> bool:
        """Whether an answer is the last word: to the request itself, and not one that asks for a login."""
        return self._is_own and (response.status_code not in _LOGIN_ASKED or self._own >= _OWN_MAX)

    def check(self) -> None:
        """Refuse to take the answer to something else for that to the request."""
        if not self._is_own:
            raise httpx.LocalProtocolError("the auth flow ended without sending the request")


def _target(request: httpx.Request) -> tuple[Any, ...]:
    url = request.url
    return request.method, url.raw_scheme, url.raw_host, url.port, url.raw_path.partition(b"?")[0]


def answer_in(error: httpx.HTTPStatusError, request: httpx.Request) -> httpx.Response:
    """Return the answer for which a hook raised, as `response.raise_for_status()` does.

    Raises:
        httpx.HTTPStatusError: it is the answer to something else, such as an auth flow's request for a token.
    """
    if _target(error.request) != _target(request):
        raise error
    response = error.response
    if response.is_closed and not response.is_stream_consumed:  # httpx closes what a hook raises for, unread
        headers = {name: value for name, value in response.headers.items() if not name.startswith("content-")}
        return httpx.Response(response.status_code, headers=headers)
    return response
