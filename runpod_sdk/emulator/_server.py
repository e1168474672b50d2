"""The emulator on a real socket: uvicorn in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any, Self

from runpod_sdk.emulator._supervisor import worker_environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from runpod_sdk.emulator._asgi import App
    from runpod_sdk.emulator._supervisor import Supervisor

_BACKLOG = 4096  # connections that may wait to be accepted
_KEEP_ALIVE = 75  # seconds; longer than any client keeps an idle connection, so that none races with the close
_GRACE = 2  # seconds that answers may take on their way out at close


class Server:
    """A running server; `Emulator.serve` makes it.

    Attributes:
        url: the base URL, ending in /v2; what stands before the endpoint id.
        port: the port that it listens on.
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

    def __init__(self, app: App, api_key: str, host: str, port: int, new_worker_id: Callable[[], str]) -> None:
        try:
            import uvicorn  # noqa: PLC0415  only who serves needs it
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                f"serving needs {error.name}: pip install 'runpod-sdk[emulator]'", name=error.name
            ) from error
        self._app = app
        self._new_worker_id = new_worker_id
        self._supervisors: list[Supervisor] = []
        self.api_key = api_key
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # Bound here, so that the port is known at once and a port that is taken raises in the caller's thread.
        self._socket = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        # asyncio sets it only on sockets made with IPPROTO_TCP; without it each answer waits 40 ms for an ACK.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port: int = self._socket.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self.port}/v2"
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
    def connection(self) -> dict[str, Any]:
        """What `Client(**…)` needs to reach this server."""
        return {"api_key": self.api_key, "base_url": self.url}

    def worker_environment(self, endpoint_id: str, worker_id: str | None = None, *, host: str = "") -> dict[str, str]:
        """Return what an official worker has to find in its environment to work for an endpoint.

        For a worker that is started elsewhere: by hand, or in a container. One that finds a key in
        ~/.runpod/config.toml sends that instead of the emulator's, and is turned away.

        Args:
            endpoint_id: the endpoint.
            worker_id: what it is called; no two may share one. None: a fresh one.
            host: the name of this machine as the worker reaches it; "": as in `url`.
        """
        url = f"http://{host}:{self.port}/v2" if host else self.url
        return worker_environment(url, self.api_key, endpoint_id, worker_id or self._new_worker_id())

    @property
    def is_open(self) -> bool:
        """Claim that it listens."""
        return self._socket.fileno() >= 0

    def supervise(self, supervisor: Supervisor) -> None:
        """Start workers that live as long as this server; `Emulator` calls it."""
        self._supervisors.append(supervisor)
        supervisor.start()

    def close(self) -> None:
        """Stop the workers it feeds, answer what is held, and stop; does nothing the second time."""
        supervisors, self._supervisors = self._supervisors, []
        for supervisor in supervisors:
            supervisor.begin_close()
        for supervisor in supervisors:
            supervisor.close()
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


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's, where it is installed, as uvicorn itself chooses."""
    try:
        import uvloop  # noqa: PLC0415  optional
    except ModuleNotFoundError:
        return None
    return uvloop.new_event_loop
