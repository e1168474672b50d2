"""Where the service is, and as whom we call it: base URL, key, and the headers that follow from them."""

from __future__ import annotations

import ipaddress
import os
import sys
from dataclasses import dataclass, field
from typing import NoReturn
from urllib.parse import urlsplit

from ._version import __version__

DEFAULT_BASE_URL = "https://api.runpod.ai/v2"  # docs: operation-reference
KEY_VARIABLE = "RUNPOD_API_KEY"
BASE_URL_VARIABLE = "RUNPOD_ENDPOINT_BASE_URL"  # runpod-python 1.12.0 reads the same one
USER_AGENT = f"runpod-sdk-python/{__version__} (Python {sys.version_info.major}.{sys.version_info.minor})"


@dataclass(frozen=True, slots=True)
class Service:
    """A checked base URL and the key to it. The key is never part of a repr."""

    base_url: str
    api_key: str = field(repr=False)
    is_loopback: bool = False

    @classmethod
    def resolve(cls, api_key: str | None, base_url: str | None, *, allow_http: bool) -> Service:
        """Check both, taking what is None from the environment.

        Raises:
            TypeError, ValueError: no key, a key that no header can carry, or a base URL that cannot be meant.
        """
        url, is_loopback = _checked_url(base_url, allow_http=allow_http)
        return cls(url, _checked_key(api_key), is_loopback)

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


def _checked_url(base_url: str | None, *, allow_http: bool) -> tuple[str, bool]:
    """Return what stands before `/{endpoint_id}`, without a slash at its end, and whether it is this machine."""
    given = os.environ.get(BASE_URL_VARIABLE) or DEFAULT_BASE_URL if base_url is None else _text("base_url", base_url)
    name = f"base_url={given!r}" if base_url is not None else f"{BASE_URL_VARIABLE}={given!r}"
    _, mark, rest = given.partition("://")
    if "@" in (rest.lstrip("/").partition("/")[0] if mark else given):
        raise ValueError(f"{name.partition('=')[0]} holds a user name or password: pass the key as api_key instead")
    try:
        parts = urlsplit(given.strip())
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise ValueError(f"{name} is not a URL: {error}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError(f"{name}: a URL such as {DEFAULT_BASE_URL} expected")
    if parts.query or parts.fragment:
        raise ValueError(f"{name}: it may not hold a query or a fragment")
    is_loopback = _is_loopback(host)
    if parts.scheme == "http" and not (is_loopback or allow_http):
        raise ValueError(f"{name} would send the key unencrypted: use https, or pass allow_http=True")
    segments = [segment for segment in parts.path.split("/") if segment] or ["v2"]
    if "v2" in segments[:-1]:
        after = "/".join(segments[segments.index("v2") + 1 :])
        raise ValueError(f'{name} already names an endpoint ("{after}"): end it with /v2 and use client.endpoint(…)')
    netloc = (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
    return f"{parts.scheme}://{netloc}/{'/'.join(segments)}", is_loopback


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} is of type {type(value).__name__}: a string expected")
    return value


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
