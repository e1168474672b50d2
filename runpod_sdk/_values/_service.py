"""Where the service is, and as whom we call it: base URL, key, and the headers that follow from them."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from typing import NoReturn

from ._operations import OPERATIONS
from ._urls import checked_url
from ._version import __version__

DEFAULT_BASE_URL = "https://api.runpod.ai/v2"  # docs: operation-reference
KEY_VARIABLE = "RUNPOD_API_KEY"
BASE_URL_VARIABLE = "RUNPOD_ENDPOINT_BASE_URL"  # runpod-python 1.12.0 reads the same one
USER_AGENT = f"runpod-sdk-python/{__version__} (Python {sys.version_info.major}.{sys.version_info.minor})"


@dataclass(frozen=True, slots=True)
class Service:
    """A checked base URL and the key to it. The key is never part of a repr.

    Attributes:
        base_url: what stands before an endpoint's id; or before an operation, where it is the URL of one endpoint.
        is_endpoint: whether it is that of one endpoint.
    """

    base_url: str
    api_key: str = field(repr=False)
    is_loopback: bool = False
    allow_http: bool = False
    is_endpoint: bool = False

    @classmethod
    def resolve(cls, api_key: str | None, base_url: str | None, *, allow_http: bool) -> Service:
        """Check both, taking what is None from the environment.

        Raises:
            TypeError, ValueError: no key, a key that no header can carry, or a base URL that cannot be meant.
        """
        if base_url is None:
            variable, given = BASE_URL_VARIABLE, os.environ.get(BASE_URL_VARIABLE) or DEFAULT_BASE_URL
        else:
            variable, given = "base_url", _text("base_url", base_url)
        place = checked_url(variable, given, allow_http=allow_http)
        if "v2" in place.segments[:-1]:
            after = "/".join(place.segments[place.segments.index("v2") + 1 :])
            why = f'already names an endpoint ("{after}"): end it with /v2 and use client.endpoint(…)'
            raise ValueError(f"{variable}={given!r} {why}")
        return cls(place.url("v2"), _checked_key(api_key), place.is_loopback, allow_http)

    def at(self, url: str) -> Service:
        """Return one endpoint at a URL of its own, called with the same key.

        Raises:
            TypeError, ValueError: a URL that cannot be meant.
        """
        place = checked_url("url", _text("url", url), allow_http=self.allow_http)
        if place.segments and place.segments[-1] in OPERATIONS:
            raise ValueError(f"url={place.url()!r} is that of an operation: leave /{place.segments[-1]} out")
        return Service(place.url(), self.api_key, place.is_loopback, self.allow_http, is_endpoint=True)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key belongs into no pickle")

    @property
    def headers(self) -> dict[str, str]:
        """Return what every request carries."""
        return {
            "authorization": f"Bearer {self.api_key}",
            "accept": "application/json",
            "accept-encoding": "gzip, deflate",
            "user-agent": USER_AGENT,
        }


def _checked_key(api_key: str | None) -> str:
    key = os.environ.get(KEY_VARIABLE) if api_key is None else _text("api_key", api_key)
    if key is None or not key.strip():
        found = "is missing" if key is None else "is empty"
        raise ValueError(f"the API key {found}: pass api_key=… or set the environment variable {KEY_VARIABLE}")
    key = key.strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ValueError("api_key holds white space, control or non-ASCII characters: it cannot be a key")
    return key


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} is of type {type(value).__name__}: a string expected")
    return value
