"""Validates URLs: a possible host, no secrets in them, no key over plain http."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import quote, urlsplit

EXAMPLE = "https://api.runpod.ai/v2"
# RFC 1035, 2.3.4; with the underscores that names of containers have.
_LABEL, _HOST_MAX = re.compile(r"[a-z0-9_-]{1,63}"), 253
_NETLOC = re.compile(r"(?:\[([^\[\]]+)\]|([^\[\]:]*))(?::([0-9]{0,9}))?")
# What a path may hold as it is (RFC 3986, 3.3), and what has been escaped before.
_PATH_SAFE = "!$&'()*+,;=:@%~"


class ServicePlace(NamedTuple):
    """A checked URL: its origin, the segments of its path, and whether it is on this machine."""

    origin: str
    segments: tuple[str, ...]
    is_loopback: bool

    def url(self, *otherwise: str) -> str:
        """Return it without a slash at its end; `otherwise` is its path where it has none."""
        return "/".join([self.origin, *(self.segments or otherwise)])


def checked_url(variable: str, given: str, *, allow_http: bool) -> ServicePlace:
    """Return a URL that requests may go to.

    Raises:
        ValueError: it cannot be meant; the error names the variable, and shows nothing secret.
    """
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
        segments = tuple(quote(segment, safe=_PATH_SAFE) for segment in parts.path.split("/") if segment)
    except ValueError as error:
        raise ValueError(f"{name} is not a URL: {error}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError(f"{name}: a URL such as {EXAMPLE} expected")
    if parts.query or parts.fragment:
        raise ValueError(f"{name}: it may not hold a query or a fragment")
    is_loopback = _is_loopback(host)
    if parts.scheme == "http" and not (is_loopback or allow_http):
        raise ValueError(f"{name} would send the key unencrypted: use https, or pass allow_http=True")
    if {".", ".."} & set(segments):
        raise ValueError(f"{name}: a path without . and .. expected")
    netloc = (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
    return ServicePlace(f"{parts.scheme}://{netloc}", segments, is_loopback)


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


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
