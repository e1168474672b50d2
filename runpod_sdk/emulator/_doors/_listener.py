"""A listening socket with uvicorn in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from ipaddress import ip_address
from typing import TYPE_CHECKING

from runpod_sdk.emulator._options import check_place

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_sdk.emulator._doors._asgi import Application

_BACKLOG = 4096  # connections that may wait to be accepted
_KEEP_ALIVE = 75  # seconds; longer than any client keeps an idle connection, so that none races with the close
_GRACE = 2  # seconds that answers may take on their way out at close


class Listener:
    """A socket that is listened on, from the moment this is made.

    Attributes:
        port: the port.
        origin: what stands before the path of a URL.

    Raises:
        ModuleNotFoundError: uvicorn is not installed.
        OSError: the port is taken, or the certificate cannot be used (`ssl.SSLError` is one, too).
    """

    def __init__(
        self,
        app: Application,
        host: str,
        port: int,
        *,
        certfile: str | os.PathLike[str] | None = None,
        keyfile: str | os.PathLike[str] | None = None,
    ) -> None:
        check_extra()
        import uvicorn  # noqa: PLC0415  only who serves needs it

        config = uvicorn.Config(
            app,
            interface="asgi3",  # else it looks, and takes a method for the second version
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=_GRACE,
            ssl_certfile=certfile,
            ssl_keyfile=keyfile,
        )
        config.load()  # here, so that a certificate that cannot be read raises before there is a socket
        # Bound here, so that the port is known at once and a port that is taken raises in the caller's thread.
        family, both = _family(host)
        self._socket = socket.create_server((host, port), family=family, backlog=_BACKLOG, dualstack_ipv6=both)
        # asyncio sets it only on sockets made with IPPROTO_TCP; without it each answer waits 40 ms for an ACK.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port: int = self._socket.getsockname()[1]
        self.origin = f"{'http' if certfile is None else 'https'}://{_called(host, self._socket)}:{self.port}"
        self._server = uvicorn.Server(config)
        # uvicorn looks every 100 ms whether it should stop; a signal costs no idle CPU and comes at once.
        self._stopping = asyncio.Event()
        self._server.main_loop = self._until_stopped  # type: ignore[method-assign]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="emulator-server", daemon=True)
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            raise self._failure

    @property
    def is_open(self) -> bool:
        """Whether it listens."""
        return self._socket.fileno() >= 0

    def begin_close(self) -> None:
        """Take no more requests; those that are held have to be answered before `close` returns."""
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # closed before
                loop.call_soon_threadsafe(self._stopping.set)

    def close(self) -> None:
        """Stop; does nothing the second time."""
        self.begin_close()
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=_loop_factory()) as runner:
                self._loop = runner.get_loop()
                self._loop.call_soon(self._announce)
                runner.run(self._server.serve(sockets=[self._socket]))
        except BaseException as error:  # noqa: BLE001  raised in the thread that asked for the server
            self._failure = error
        finally:
            self._started.set()

    async def _until_stopped(self) -> None:
        await self._stopping.wait()
        # A connection that is being accepted while its server closes is never closed (CPython 3.11): an accept and what
        # follows take three turns of the loop.
        for _ in range(5):
            await asyncio.sleep(0)

    def _announce(self) -> None:
        """Say that the server listens, as soon as it does."""
        if self._server.started:
            self._started.set()
        elif self._loop is not None:
            self._loop.call_later(0.001, self._announce)


def check_serves_at(host: str, port: int) -> None:
    """Raise what a `Listener` would, as far as it can be known before; nothing listens yet, and nobody can connect.

    Raises:
        ModuleNotFoundError: uvicorn is not installed.
        OSError: the port is taken, or the host is none of this machine.
        ValueError: the host or the port can be none.
    """
    check_place(host, port)
    check_extra()
    family, both = _family(host)
    with socket.socket(family, socket.SOCK_STREAM) as attempt:
        if os.name == "posix":  # as socket.create_server does: connections of a server that has ended are in no way
            attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            attempt.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(not both))
        attempt.bind((host, port))


def check_extra() -> None:
    """Raise ModuleNotFoundError, with what to install, where uvicorn is not installed."""
    try:
        import uvicorn  # noqa: F401, PLC0415  # pyright: ignore[reportUnusedImport]  as above
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"serving needs {error.name}: pip install 'runpod-sdk[emulator]'", name=error.name
        ) from error


def _family(host: str) -> tuple[socket.AddressFamily, bool]:
    """Return the family of a host's socket, and whether it is for both: with :: go the addresses of IPv4, too."""
    if ":" not in host:
        return socket.AF_INET, False
    is_every = ip_address(host.partition("%")[0]).is_unspecified
    return socket.AF_INET6, is_every and socket.has_dualstack_ipv6()


def _called(host: str, listening: socket.socket) -> str:
    """Return what this machine calls itself by, as a URL has it: nobody can call 0.0.0.0, or 0."""
    bound = listening.getsockname()[0]
    if ip_address(bound.partition("%")[0]).is_unspecified:
        host = "::1" if ":" in bound else "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's, where it is installed, as uvicorn itself chooses."""
    try:
        import uvloop  # noqa: PLC0415  optional
    except ModuleNotFoundError:
        return None
    return uvloop.new_event_loop
