"""Plain requests with httpx, so that the checks see exactly what comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import httpx

from runpod_sdk._http._message import Address
from runpod_sdk._http._transports import httpx_options

from ._raw_endpoint import RawAnswer, UnclearError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runpod_sdk._values._service import Service
    from runpod_sdk.clock import Clock

    from ._raw_endpoint import Login

_TIMEOUT = 30.0  # seconds for a request, beside what it is held
_WRONG_KEY = "not-the-key"
_SECRET = 12  # characters; a shorter key is a test's, and may be part of any word


class RawConnection:
    """A connection to the service; `send` is what a `RawEndpoint` takes.

    Args:
        service: where it is, and the key.
        clock: measures how long an answer takes.
        transport: of httpx; None for a network.

    Raises:
        ConfigurationError: a proxy or certificates of the environment that cannot be used.
    """

    def __init__(self, service: Service, clock: Clock, transport: httpx.BaseTransport | None = None) -> None:
        self._service = service
        self._clock = clock
        address = Address(service, is_ours=transport is None)
        self._http = httpx.Client(transport=transport, follow_redirects=False, **httpx_options(address))

    def __enter__(self) -> Self:
        """Return the connection itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self._http.close()

    def send(
        self, method: str, path: str, *, query: Mapping[str, str], content: bytes | None, login: Login, hold: float
    ) -> RawAnswer:
        """Sender a request and return what came back.

        Raises:
            UnclearError: nothing did.
        """
        key = self._service.api_key.reveal()
        headers = dict(self._service.headers.reveal())
        headers["authorization"] = {"bearer": f"Bearer {key}", "raw": key, "wrong": f"Bearer {_WRONG_KEY}"}[login]
        if content is not None:
            headers["content-type"] = "application/json"
        began = self._clock.monotonic()
        try:
            with self._clock.participate():
                response = self._http.request(
                    method,
                    self._service.base_url + path,
                    params=dict(query),
                    content=content,
                    headers=headers,
                    timeout=_TIMEOUT + hold,
                )
        except httpx.HTTPError as error:
            # Only the kind: a message may name the host of a proxy, and what else stands in an environment.
            raise UnclearError(f"no answer: {type(error).__name__}") from None
        return RawAnswer(response.status_code, self._body(response), self._clock.monotonic() - began)

    def _body(self, response: httpx.Response) -> Any:
        try:
            body: Any = response.json()
        except ValueError:
            body = response.text
        return self._without_key(body)

    def _without_key(self, value: Any) -> Any:
        """Return an echo of the key as what it is."""
        key = self._service.api_key.reveal()
        if isinstance(value, str) and len(key) >= _SECRET:
            return value.replace(key, "(key)")
        if isinstance(value, dict):
            fields: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType]
            return {name: self._without_key(each) for name, each in fields.items()}
        if isinstance(value, list):
            items: list[Any] = value  # pyright: ignore[reportUnknownVariableType]
            return [self._without_key(each) for each in items]
        return value
