"""Where the service is, and as whom we call it: base URL, key, and the headers that follow from them."""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from dataclasses import dataclass, field
from typing import NoReturn
from urllib.parse import quote, urlsplit

from ._version import __version__

DEFAULT_BASE_URL = "https://api.runpod.ai/v2"  # docs: operation-reference
KEY_VARIABLE = "RUNPOD_API_KEY"
BASE_URL_VARIABLE = "RUNPOD_ENDPOINT_BASE_URL"  # runpod-python 1.12.0 reads the same one
# RFC 1035, 2.3.4; with the underscores that names of containers have.
_LABEL, _HOST_MAX = re.compile(r"[a-z0-9_-]{1,63}"), 253
_NETLOC = re.compile(r"(?:\[([^\[\]]+)\]|([^\[\]:]*))(?::([0-9]{0,9}))?")
# What a path may hold as it is (RFC 3986, 3.3), and what has been escaped before.
_PATH_SAFE = "!$&'()*+,;=:@%~"
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
    variable = "base_url" if base_url is not None else BASE_URL_VARIABLE
    _, mark, rest = given.partition("://")
    if re.search(r"[\x00-\x1f\x7f]", given.strip()):
        raise ValueError(f"{variable} holds a line end, or another control character")
    if "@" in (rest.lstrip("/").partition("/")[0] if mark else given):
        raise ValueError(f"{variable} holds a user name or password: pass the key as api_key instead")
    shown = re.sub(r"[?#].*", "?…", given, flags=re.DOTALL)  # a query may be a secret
    name = f"{variable}={shown!r}"
    try:
        parts = urlsplit(given.strip())
        host, port = host_and_port(parts.netloc)
        segments = [quote(segment, safe=_PATH_SAFE) for segment in parts.path.split("/") if segment] or ["v2"]
    except ValueError as error:
        raise ValueError(f"{name} is not a URL: {error}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError(f"{name}: a URL such as {DEFAULT_BASE_URL} expected")
    if parts.query or parts.fragment:
        raise ValueError(f"{name}: it may not hold a query or a fragment")
    is_loopback = _is_loopback(host)
    if parts.scheme == "http" and not (is_loopback or allow_http):
        raise ValueError(f"{name} would send the key unencrypted: use https, or pass allow_http=True")
    if {".", ".."} & set(segments):
        raise ValueError(f"{name}: a path without . and .. expected")
    if "v2" in segments[:-1]:
        after = "/".join(segments[segments.index("v2") + 1 :])
        raise ValueError(f'{name} already names an endpoint ("{after}"): end it with /v2 and use client.endpoint(…)')
    netloc = (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
    return f"{parts.scheme}://{netloc}/{'/'.join(segments)}", is_loopback


def host_and_port(netloc: str) -> tuple[str, int | None]:
    """Return a host as it goes over the wire, a name in ASCII or an address without brackets; and the port, if any.

    Raises:
        ValueError: no name server and no socket takes it.
    """
    found = _NETLOC.fullmatch(netloc)
    if found is None:
        raise ValueError("a host, and perhaps a port, expected")
    address, name, digits = found.groups()
    port = int(digits) if digits else None
    if port is not None and not 0 < port < 2**16:
        raise ValueError(f"a port is from 1 to 65535, not {port}")
    if address:
        # RFC 6874: so a URL writes what stands before the name of an interface.
        address = address.lower().replace("%25", "%")
        ipaddress.IPv6Address(address)
        return address, port
    return _ascii_name(name) if name else "", port


def _ascii_name(host: str) -> str:
    name = host.lower()
    if not name.isascii():
        import idna  # noqa: PLC0415  of httpx's, for the few that need it

        try:
            name = idna.encode(name).decode("ascii")
        except UnicodeError:
            raise ValueError(f"no host is called {host!r}") from None
    labels = name.removesuffix(".").split(".")
    if len(name) > _HOST_MAX or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError(f"no host is called {host!r}")
    if len(labels) == 4 and all(label.isdigit() for label in labels):
        ipaddress.IPv4Address(name)
    return name


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
