"""A running server: its URLs, and the worker processes that it feeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, Self
from urllib.parse import urlsplit, urlunsplit

from runpod_sdk.emulator._workers._environment import worker_environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from runpod_sdk.emulator._doors._asgi import App
    from runpod_sdk.emulator._workers._supervisor import Supervisor


class Binding(Protocol):
    """What lets requests in to an application, on a socket of its own or on a shared one."""

    @property
    def port(self) -> int:
        """The port."""
        ...

    @property
    def origin(self) -> str:
        """What stands before the /v2 of a URL."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether it lets requests in."""
        ...

    def begin_close(self) -> None:
        """Let no more requests in."""
        ...

    def close(self) -> None:
        """Return when it is closed; does nothing the second time."""
        ...


class Server:
    """An emulator at a URL; `Emulator.serve` makes it.

    Attributes:
        url: the base URL, ending in /v2; what stands before the endpoint id.
        port: the port that it listens on.
        api_key: the key that it lets in.

    Examples:
        >>> import urllib.request
        >>> from runpod_sdk.emulator import Emulator
        >>> with Emulator() as emulator:
        ...     _ = emulator.endpoint("echo")
        ...     with emulator.serve() as server:
        ...         request = urllib.request.Request(f"{server.url}/echo/health", headers={"Authorization": "test"})
        ...         urllib.request.urlopen(request).status
        200
    """

    def __init__(self, app: App, api_key: str, binding: Binding, new_worker_id: Callable[[], str]) -> None:
        self._app = app
        self._binding = binding
        self._new_worker_id = new_worker_id
        self._supervisors: list[Supervisor] = []
        self.api_key = api_key
        self.port = binding.port
        self.url = f"{binding.origin}/v2"

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
        called = urlsplit(self.url)
        url = urlunsplit(called._replace(netloc=f"{host}:{self.port}")) if host else self.url
        return worker_environment(url, self.api_key, endpoint_id, worker_id or self._new_worker_id())

    @property
    def is_open(self) -> bool:
        """Whether it listens."""
        return self._binding.is_open

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
        self._binding.begin_close()
        self._app.release()
        self._binding.close()

    def __enter__(self) -> Self:
        """Return the server itself; it runs already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the server."""
        self.close()
