"""How a request is written and its answer assembled, independent of the connection.

Everything that all requests of a client share is prepared once. Nothing here sends.
"""

from __future__ import annotations

import os
import re
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple
from urllib.parse import urlsplit

from runpod_sdk._values._hidden import Hidden
from runpod_sdk._values._outcomes import Answer, BodyTooLargeError, Failure, Result
from runpod_sdk._values._quotes import Quotes

from ._errors import cut_messages, hide_writers
from ._proxies import proxy_of

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    import httpx

    from runpod_sdk._values._requests import Request
    from runpod_sdk._values._service import Service
    from runpod_sdk.clock import Clock

    from ._proxies import Proxy

# The largest answer that is read, bytes, decompressed; ours. Inputs of the service end at 20 MiB.
BODY_CAP = 256 * 2**20
# The path and query of a request.
_TARGET = re.compile(r"[!-~]+")
# What the environment may say of certificates; read in `_certificates.py`.
VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSLKEYLOGFILE")


class Address:
    """Where all requests of one client go, what each of them carries, and what the environment says of the way.

    The environment is read once, when a client is made, so that what cannot be used is told before anything is sent. It
    counts for connections of the SDK's own only. On loopback no proxy counts: it could not see this machine, and would
    get the key.

    Attributes:
        base_url: what stands before a request's path, or in the place of the id in it.
        is_ours: whether the connections are the SDK's own.
        proxy: the one on the way.

    Raises:
        ConfigurationError: an invalid environment variable.
    """

    def __init__(self, service: Service, *, is_ours: bool) -> None:
        self.base_url = service.base_url
        self._is_endpoint = service.is_endpoint
        self.is_ours = is_ours
        self.proxy: Proxy | None = None
        self._headers = service.headers
        self._written = _written(self._headers)
        self._key = service.api_key
        self._certificates: ssl.SSLContext | None = None
        if is_ours:
            self._look_around(service)

    def _look_around(self, service: Service) -> None:
        if not service.is_loopback:
            parts = urlsplit(self.base_url)
            self.proxy = proxy_of(parts.scheme, parts.hostname or "", parts.port, os.environ)
        is_secure = self.scheme == "https" or (self.proxy is not None and self.proxy.is_secure)
        if is_secure and any(map(os.environ.get, VARIABLES)):
            from ._certificates import certificates_of  # noqa: PLC0415  brings ssl, 15 ms

            self._certificates = certificates_of(os.environ)

    @property
    def scheme(self) -> str:
        """Return "http" or "https"."""
        return self.base_url.partition(":")[0]

    @property
    def verify(self) -> ssl.SSLContext | None:
        """What the service's certificate is checked with; None where it has none."""
        return self.certificates if self.scheme == "https" else None

    @property
    def certificates(self) -> ssl.SSLContext:
        """What certificates are checked with: reading the trusted ones costs 20 ms, so once."""
        if self._certificates is None:
            import httpx  # noqa: PLC0415  50 ms that an import of the package need not pay

            self._certificates = httpx.create_ssl_context(trust_env=False)
        return self._certificates

    @cached_property
    def _url(self) -> httpx.URL:
        import httpx  # noqa: PLC0415  50 ms that an import of the package need not pay

        return httpx.URL(self.base_url)

    @property
    def host(self) -> str:
        """The host as it is looked up, and as its certificate names it."""
        return self._url.raw_host.decode("ascii")

    @property
    def port(self) -> int:
        """The port."""
        return self._url.port or (443 if self.scheme == "https" else 80)

    @cached_property
    def _start(self) -> tuple[bytes, bytes]:
        """What stands before each target, and after it."""
        return self._url.raw_path.rstrip(b"/"), b" HTTP/1.1\r\nhost: %b\r\n" % self._url.netloc

    def head(self, transfer: Transfer) -> Hidden[bytes]:
        """Return what is written before a request's body. Its headers have been checked: they hold no line ends.

        Raises:
            httpx.LocalProtocolError: a path that cannot be written.
        """
        if not _TARGET.fullmatch(transfer.target.reveal()):
            import httpx  # noqa: PLC0415  as above

            raise httpx.LocalProtocolError("a path holds blanks or other characters that have to be escaped")
        prefix, rest = self._start
        own = self._written if transfer.headers is self._headers else _written(transfer.headers)
        size = len(transfer.content.reveal() or b"")
        length = b"" if transfer.method == "GET" else b"content-length: %d\r\n" % size
        prefix = transfer.method.encode("ascii") + b" " + prefix
        return Hidden(
            b"%b%b%b%b%b\r\n" % (prefix, transfer.target.reveal().encode("ascii"), rest, length, own.reveal())
        )

    def transfer(self, request: Request, clock: Clock, until: float, begun_by: float) -> Transfer:
        """Return a request that has to be over, and to be begun, at these moments of the clock."""
        headers, target = self._headers_of(request), self._target(request.path.reveal())
        return Transfer(request, headers, target, self._key, Term(clock, until, begun_by))

    def _headers_of(self, request: Request) -> Hidden[Mapping[str, str]]:
        more = {name.lower(): value for name, value in request.headers.reveal().items()}
        return Hidden({**self._headers.reveal(), **more}) if more else self._headers

    def _target(self, path: str) -> Hidden[str]:
        """Return path and query. The URL of one endpoint stands for the id, too, with which each path begins."""
        return Hidden(path[path.index("/", 1) :] if self._is_endpoint else path)


class WithdrawnError(Exception):
    """A request was about to be sent that its caller has given up."""


class TooLateError(TimeoutError):
    """A request was about to be sent with too little time left for its answer."""


class Term(NamedTuple):
    """When a request has to be over, and by when to be begun, in the time of a clock."""

    clock: Clock
    until: float
    begun_by: float


def _written(headers: Hidden[Mapping[str, str]]) -> Hidden[bytes]:
    return Hidden("".join(f"{name}: {value}\r\n" for name, value in headers.reveal().items()).encode("ascii"))


Stage = Literal["in line for a connection", "while connecting", "while sending", "waiting for the answer"]


class Transfer:
    """One request on its way, and what has come back: the answer's body up to the cap, in the time that there is.

    Attributes:
        method, target, headers, content: the request in full; `target` is its path and query. Hidden as far as the
            caller or the key are in it.
        hold, is_held, starts_job: as in `Request`; a request that is held has connections of its own.
        sent: bytes of it that may have left: 0 until a carrier takes it. One that counts goes on from there; for any
            other it is `SENT`.
        stage: what its time is spent on, where its carrier says so.
    """

    def __init__(
        self,
        request: Request,
        headers: Hidden[Mapping[str, str]],
        target: Hidden[str],
        key: Hidden[str],
        term: Term,
    ) -> None:
        self.method = request.method
        self.target = target
        self.headers = headers
        self.content = request.content
        self.hold, self.is_held, self.starts_job = request.hold, request.is_held, request.rules.starts_job
        self._sent = 0
        self._is_withdrawn = False
        self.stage: Stage | None = None
        self._quotes = Quotes(key, request)
        self._term = term
        self._status: int | None = None
        self._headers: dict[str, str] = {}
        self._chunks: list[bytes] = []
        self._left = BODY_CAP

    @property
    def sent(self) -> int:
        """How many bytes of it may have left."""
        return self._sent

    @sent.setter
    def sent(self, sent: int) -> None:
        is_first = sent > 0 and self._sent == 0
        self._sent = sent
        # Noted first, looked at second, and the other way round in `withdraw`: one of the two threads sees the other.
        if is_first and self._is_withdrawn:
            raise WithdrawnError("the request was withdrawn before it was sent")

    def withdraw(self) -> bool:
        """Give it up, from another thread than the one that sends it; return whether nothing of it is ever sent."""
        self._is_withdrawn = True
        return self._sent == 0

    @property
    def left(self) -> float:
        """What is left of its time, seconds of the client's clock."""
        return max(0.0, self._term.until - self._term.clock.monotonic())

    @property
    def is_virtual(self) -> bool:
        """Whether the client's time is virtual: then the connection keeps no limit of its own."""
        from runpod_sdk.clock import VirtualClock  # noqa: PLC0415  few need it

        return isinstance(self._term.clock, VirtualClock)

    @property
    def seconds(self) -> float:
        """The same in seconds of this world; those of a clock that stands still are taken for such."""
        return self.left / (getattr(self._term.clock, "rate", 1.0) or 1.0)

    def limit(self) -> AbstractAsyncContextManager[object]:
        """Return what ends a task's block with a TimeoutError when its time is up."""
        return self._term.clock.timeout(self.left)

    def check_time(self) -> None:
        """Keep it from being sent when it is too late: nobody would be there for the answer.

        Raises:
            TooLateError: it is.
        """
        if self._term.clock.monotonic() > self._term.begun_by:
            raise TooLateError("too little time is left")

    def begin(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Take in status and headers."""
        self._status = status
        for raw_name, raw_value in headers:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1").strip()
            self._headers[name] = f"{self._headers[name]}, {value}" if name in self._headers else value

    def feed(self, chunk: bytes) -> None:
        """Take in a part of the body; one that is not decompressed yet is to be followed by `finish`.

        Raises:
            BodyTooLargeError: it is above the cap.
        """
        self._left -= len(chunk)
        if self._left < 0:
            raise BodyTooLargeError(f"the answer is larger than {BODY_CAP} bytes")
        self._chunks.append(chunk)

    def finish(self) -> None:
        """Decompress the body as its headers say, with httpx's decoders.

        Raises:
            httpx.DecodingError: it cannot be.
            Exception: what `feed` raises.
        """
        encoding = self._headers.get("content-encoding")
        if encoding is None:
            return
        import httpx  # noqa: PLC0415  see Address

        class Parts(httpx.SyncByteStream):
            def __init__(self, parts: list[bytes]) -> None:
                self._parts = parts

            def __iter__(self) -> Iterator[bytes]:
                return iter(self._parts)

        packed, self._chunks, self._left = Parts(self._chunks), [], BODY_CAP
        for part in httpx.Response(200, headers={"content-encoding": encoding}, stream=packed).iter_bytes():
            self.feed(part)

    def result(self) -> Result:
        """Return what came of it, once its carrier is done."""
        return self.answer() or self.failure(RuntimeError("the transport returned nothing"))

    def failure(self, error: BaseException) -> Failure:
        """Return what is known of it after an error, or an interruption: what came, and what was sent."""
        hide_writers(error)
        if isinstance(error, TooLateError):
            error.args = (f"not sent: its time went by {self.stage or 'before it began'}",)
        elif type(error) is TimeoutError and not error.args and self.stage is not None:
            error.args = (f"timed out {self.stage}",)
        cut_messages(error, self._quotes.cut)
        return Failure(error, self.answer(), self.sent)

    def answer(self) -> Answer | None:
        """Return what has come so far."""
        if self._status is None:
            return None
        chunks = self._chunks
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        return Answer(self._status, self._headers, body, self._quotes)
