"""The emulator on a real socket: uvicorn in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from runpod_sdk.emulator._asgi import App

_BACKLOG = 4096  # connections that may wait to be accepted
_KEEP_ALIVE = 75  # seconds; longer than any client keeps an idle connection, so that none races with the close
_GRACE = 2  # seconds that answers may take on their way out at close


class Server:
    """A running server; `Emulator.serve` makes it.

    Attributes:
        url: the base URL, ending in /v2; what stands before the endpoint id.
        api_key: the key that it lets in.

    Example:
        >>> import urllib.request
        >>> from runpod_sdk.emulator import Emulator
        >>> with Emulator() as emulator:
        ...     _ = emulator.endpoint("echo")
        ...     with emulator.serve() as server:
        ...         request = urllib.request.Request(f"{server.url}/echo/health", headers={"Authorization": "test"})
        ...         urllib.request.urlopen(request).status
        200
    """

    def __init__(self, app: App, api_key: str, host: str, port: int) -> None:
        try:
            import uvicorn  # noqa: PLC0415  only who serves needs it
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                f"serving needs {error.name}: pip install 'runpod-sdk[emulator]'", name=error.name
            ) from error
        self._app = app
        self.api_key = api_key
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # Bound here, so that the port is known at once and a port that is taken raises in the caller's thread.
        self._socket = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        # asyncio sets it only on sockets made with IPPROTO_TCP; without it each answer waits 40 ms for an ACK.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        bound_port: int = self._socket.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{bound_port}/v2"
        config = uvicorn.Config(
            app,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=_GRACE,
        )
        self._server = uvicorn.Server(config)
        # uvicorn looks every 100 ms whether it should stop; a signal costs no idle CPU and comes at once.
        self._stopping = asyncio.Event()
        self._server.main_loop = self._stopping.wait  # type: ignore[assignment,method-assign]  # pyright: ignore[reportAttributeAccessIssue]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="emulator-server", daemon=True)
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            raise self._failure

    @property
    def connection(self) -> dict[str, Any]:
        """What `Client(**…)` needs to reach this server."""
        return {"api_key": self.api_key, "base_url": self.url}

    def close(self) -> None:
        """Answer what is held, and stop; does nothing the second time."""
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # closed before
                loop.call_soon_threadsafe(self._stopping.set)
        self._app.release()
        self._thread.join()
        self._socket.close()

    def __enter__(self) -> Self:
        """Return the server itself; it runs already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the server."""
        self.close()

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

    def _announce(self) -> None:
        """Say that the server listens, as soon as it does."""
        if self._server.started:
            self._started.set()
        elif self._loop is not None:
            self._loop.call_later(0.001, self._announce)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's, where it is installed, as uvicorn itself chooses."""
    try:
        import uvloop  # noqa: PLC0415  optional
    except ModuleNotFoundError:
        return None
    return uvloop.new_event_loop
