"""One socket for many emulators, each isolated under a path of its own."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from runpod_sdk.emulator._doors._asgi import respond
from runpod_sdk.emulator._doors._listener import Listener
from runpod_sdk.emulator._routes._route import HttpAnswer

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from runpod_sdk.emulator._doors._asgi import App, Receive, Send

_NOBODY = HttpAnswer(404, b'{"error": "no emulator is served here, or not any more"}')


class Site:
    """A socket on which `Emulator.mount` serves; it listens from the moment this is made.

    Raises:
        ModuleNotFoundError: uvicorn is not installed.
        OSError: the port is taken.

    Examples:
        >>> from runpod_sdk.emulator import Emulator
        >>> site = Site()
        >>> with Emulator() as first, Emulator() as second:
        ...     print(first.mount(site).url.replace(site.origin, "…"), second.mount(site).url.replace(site.origin, "…"))
        …/1/v2 …/2/v2
        >>> site.close()
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self._apps: dict[str, App] = {}
        self._names = (str(number) for number in count(1))
        self._listener = Listener(self._dispatch, host, port)
        self.port = self._listener.port
        self.origin = self._listener.origin

    def mount(self, app: App) -> Mount:
        """Let requests in to an application, below a path that no other had or will have."""
        name = next(self._names)
        self._apps[name] = app
        return Mount(self, name)

    def unmount(self, name: str) -> None:
        """Let no more requests in to an application; does nothing the second time."""
        self._apps.pop(name, None)

    def has(self, name: str) -> bool:
        """Whether requests are let in below this path."""
        return name in self._apps

    def close(self) -> None:
        """Answer what is held, and stop; does nothing the second time."""
        self._listener.begin_close()
        for app in self._apps.values():
            app.release()
        self._apps.clear()
        self._listener.close()

    async def _dispatch(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        name, _, path = scope["path"].removeprefix("/").partition("/")
        app = self._apps.get(name)
        if app is None:
            await respond(_NOBODY, send)
        else:
            await app({**scope, "path": f"/{path}"}, receive, send)


class Mount:
    """One application's place on a site."""

    def __init__(self, site: Site, name: str) -> None:
        self._site = site
        self._name = name
        self.port = site.port
        self.origin = f"{site.origin}/{name}"

    @property
    def is_open(self) -> bool:
        """Whether it lets requests in."""
        return self._site.has(self._name)

    def begin_close(self) -> None:
        """Let no more requests in."""
        self._site.unmount(self._name)

    def close(self) -> None:
        """Do the same: the socket belongs to the site."""
        self.begin_close()
