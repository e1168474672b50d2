"""How `emulate` ends: the first signal shuts down in order, any further one kills the workers."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_sdk.emulator import EmulatedEndpoint


class Ending:
    """What signals do: the first one ends it all in order, any other kills the workers.

    Attributes:
        endpoints: those that may have workers.
        is_forced: there was more than one signal.
    """

    def __init__(self) -> None:
        self.endpoints: list[EmulatedEndpoint] = []
        self.is_forced = False

    def listen(self, handler: Callable[[int, object], None] | signal.Handlers) -> None:
        """Let signals call `handler`. SIGINT too: a shell starts what goes to the background with SIGINT ignored."""
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), handler)

    def ignore(self) -> None:
        """Let signals do nothing any more."""
        self.listen(signal.SIG_IGN)

    def first(self, _: int, __: object) -> NoReturn:
        """End it as Ctrl-C does."""
        self.listen(self.further)
        raise KeyboardInterrupt

    def further(self, _: int, __: object) -> None:
        """Kill the workers; what waits for them goes on."""
        self.is_forced = True
        for endpoint in self.endpoints:
            if endpoint.supervisor is not None:
                endpoint.supervisor.kill()
