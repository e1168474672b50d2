"""`runpod.serverless.utils.rp_ssrf`: which addresses a job's URLs may lead to, as runpod-python 1.12.0 decides it.

Only public ones, unless RUNPOD_ALLOW_PRIVATE_DOWNLOAD_URLS says otherwise, as it does in an emulator's worker. An
address is looked at when it is connected to, at each redirect anew.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import urllib.request
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from ..._missing import missing_from

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.client import HTTPMessage, HTTPResponse

_SCHEMES = ("http", "https")
_URL = "%/:=&?~#+!$,;'@()*[]"  # what stays as it is in one
_MAX_BYTES = 5 * 1024**3  # RUNPOD_MAX_DOWNLOAD_BYTES says otherwise
_MAX_REDIRECTS = 5
_SHARED = ipaddress.ip_network("100.64.0.0/10")  # of providers (RFC 6598)


class SSRFError(ValueError):
    """A URL that leads where no job's URL may, or to more than may be downloaded."""


def is_safe_address(ip: str) -> bool:
    """Whether this is the address of one public host."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    if address.version == 4 and address in _SHARED:
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def resolve_and_validate(host: str, port: int) -> list[str]:
    """Return the addresses of a host.

    Raises:
        SSRFError: there are none, or one of them is not public.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise SSRFError(f"could not resolve host {host!r}: {error}") from error
    addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
    for address in addresses if _is_strict() else ():
        if not is_safe_address(address):
            raise SSRFError(f"host {host!r} resolves to non-public address {address}")
    return addresses


def max_download_bytes() -> int:
    """Return how large a download may be."""
    try:
        given = int(os.environ.get("RUNPOD_MAX_DOWNLOAD_BYTES", ""))
    except ValueError:
        return _MAX_BYTES
    return given if given > 0 else _MAX_BYTES


def opened(url: str, timeout: float, headers: dict[str, str]) -> HTTPResponse:
    """Return the answer to a GET; its body is still to be read.

    Raises:
        SSRFError: it leads where it may not.
        OSError: nothing usable came, or a status above 399.
    """
    if _is_strict() and urllib.request.getproxies().get(urlsplit(url).scheme) and not _bypasses_proxy(url):
        raise SSRFError(f"refusing to fetch {url} through a proxy: set RUNPOD_ALLOW_PRIVATE_DOWNLOAD_URLS=true")
    _check_url(url)
    opener = urllib.request.build_opener(_Http, _Https, _Redirects)
    request = urllib.request.Request(quote(url, safe=_URL), headers=headers)  # noqa: S310  checked above
    try:
        answer: HTTPResponse = opener.open(request, timeout=timeout)
    except HTTPException as error:
        raise ConnectionError(f"{url}: {type(error).__name__}: {error}") from error
    limit = max_download_bytes()
    if (answer.length or 0) > limit:
        answer.close()
        raise SSRFError(f"download exceeds size cap: {answer.length} > {limit} bytes")
    return answer


def pieces_of(answer: HTTPResponse, size: int) -> Iterator[bytes]:
    """Read a body.

    Raises:
        SSRFError: it is larger than a download may be.
        OSError: it ends too early.
    """
    total, limit = 0, max_download_bytes()
    while piece := _read(answer, size):
        total += len(piece)
        if total > limit:
            answer.close()
            raise SSRFError(f"download exceeds size cap: >{limit} bytes")
        yield piece
    if answer.length:
        raise ConnectionResetError(f"{answer.length} bytes of the body have not come")


def _read(answer: HTTPResponse, size: int) -> bytes:
    try:
        return answer.read(size)
    except HTTPException as error:
        raise ConnectionError(f"{type(error).__name__}: {error}") from error


def _is_strict() -> bool:
    return os.environ.get("RUNPOD_ALLOW_PRIVATE_DOWNLOAD_URLS", "").strip().lower() not in ("1", "true", "yes")


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES:
        raise SSRFError(f"blocked URL scheme {parts.scheme!r}: {url}")
    if not parts.hostname:
        raise SSRFError(f"URL has no host: {url}")


def _bypasses_proxy(url: str) -> bool:
    return bool(urllib.request.proxy_bypass(urlsplit(url).netloc))


def _connected(address: tuple[str, int], *more: Any, **options: Any) -> socket.socket:
    """Connect to the first of a host's addresses that answers, each looked at before."""
    host, port = address
    last: OSError | None = None
    for ip in resolve_and_validate(host, port):
        try:
            return socket.create_connection((ip, port), *more, **options)
        except OSError as error:
            last = error
    raise last or OSError(f"{host} has no address")


class _CheckedConnection(HTTPConnection):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._create_connection = _connected


class _CheckedSecureConnection(HTTPSConnection):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._create_connection = _connected


class _Http(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self.do_open(_CheckedConnection, req)


class _Https(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self.do_open(_CheckedSecureConnection, req, context=self._context)  # type: ignore[attr-defined]  # pyright: ignore  as the class itself does


class _Redirects(urllib.request.HTTPRedirectHandler):
    max_redirections = _MAX_REDIRECTS

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        _check_url(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


__getattr__ = missing_from(__name__)
