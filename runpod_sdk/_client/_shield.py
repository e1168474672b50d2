"""Lets a submit that is on its way come home before Ctrl-C ends the program: until then nobody knows the job's id.

For threads. Ctrl-C reaches the main thread alone, and only where nobody has put a handler of their own in its place.
"""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Self

from runpod_sdk._values._policies import GRACE

if TYPE_CHECKING:
    from types import FrameType


class Shield:
    """Holds back the first Ctrl-C inside the block for up to `GRACE` seconds; a second one is not held back.

    After the block, `interrupted` says whether there was one; raising KeyboardInterrupt is then up to the caller.
    """

    def __init__(self) -> None:
        self.interrupted = False
        self._timer: threading.Timer | None = None
        self._applies = threading.current_thread() is threading.main_thread() and (
            signal.getsignal(signal.SIGINT) is signal.default_int_handler
        )

    def __enter__(self) -> Self:
        if self._applies:
            signal.signal(signal.SIGINT, self._hold_back)
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._timer is not None:
            self._timer.cancel()  # first: its signal is meant for our handler
        if self._applies:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _hold_back(self, number: int, frame: FrameType | None) -> None:
        if self.interrupted or not hasattr(signal, "pthread_kill"):
            signal.default_int_handler(number, frame)
        self.interrupted = True
        # The second signal is ours: it breaks off a read that no longer has any hope.
        main = threading.main_thread().ident or 0
        self._timer = threading.Timer(GRACE, signal.pthread_kill, (main, signal.SIGINT))
        self._timer.daemon = True
        self._timer.start()
