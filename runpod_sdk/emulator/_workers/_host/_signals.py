"""The signals that stop a worker, and how its forked children treat them.

Handlers take the place of those of the file, as the official worker's do.  # runpod-python 1.12.0 rp_scale.py: start
A child that a handler forks is told by the pool that it belongs to, which may wait for its end: there the signals end
the process, as they do by default. Python forgets a signal that reaches a child before it has set itself up, so they
are held back around a fork.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_ENDING = (signal.SIGTERM, signal.SIGINT)


class EndSignals:
    """Lets both signals call a function, in this process alone.

    Args:
        told: called in the main thread.
    """

    def __init__(self, told: Callable[[], None]) -> None:
        self._told = told
        self._forking = threading.local()  # several threads may fork at once

    def watch(self) -> None:
        """Take the signals from now on."""
        for number in _ENDING:
            signal.signal(number, self._signalled)
        os.register_at_fork(before=self._hold, after_in_parent=self._let_go, after_in_child=self._reset)

    def _signalled(self, _: int, __: object) -> None:
        self._told()

    def _hold(self) -> None:
        self._forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)

    def _let_go(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._forking.mask)

    def _reset(self) -> None:
        """Let the signals do what they do by default, but for those that the handler has taken since."""
        for number in _ENDING:
            if signal.getsignal(number) == self._signalled:
                signal.signal(number, signal.SIG_DFL)
        self._let_go()
