"""Watches the endpoint's health during a bulk run: adjusts the window, or warns that it is the bottleneck."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runpod_sdk._flows import _answers, _api
from runpod_sdk._flows._exchange import ask
from runpod_sdk.errors import RunpodError

from ._auto_window import LOOK_EVERY, MOST, Look, WindowHint

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_sdk._client._async_shell import AsyncShell

    from ._auto_window import AutoWindow
    from ._line import Line

# How often is looked where nothing but a hint comes of it, in looks of the other kind.
_SELDOM = 6


async def watched(
    shell: AsyncShell,
    endpoint_id: str,
    line: Line[Any, Any],
    window: AutoWindow | None,
    say: Callable[[str], object],
) -> None:
    """Look, now and then, as long as jobs are in flight: one request each. What cannot be seen changes nothing."""
    settings, hint = shell._settings, WindowHint()
    every = LOOK_EVERY if window is not None else _SELDOM * LOOK_EVERY
    before = _busy(shell)
    while True:
        await line.at_work()
        await settings.clock.sleep_async(every)
        if not line.scheduler.in_flight:
            continue
        is_full = line.scheduler.places == 0
        request = _api.health(endpoint_id)
        try:
            health = await shell._drive(ask(settings, request, settings.deadline(None), _answers.health_of))
        except RunpodError:
            continue
        busy, before = _busy(shell) - before, _busy(shell)
        look = Look(workers=health.workers, in_queue=health.jobs.in_queue, is_full=is_full, busy=busy)
        if window is None:
            said = hint.look(look, line.scheduler.limit)
        else:
            size = window.look(look)
            line.resize(size, 2 * size)
            said = f"no more than {MOST} jobs are kept in flight" if window.is_capped else None
        if said is not None:
            say(said)


def _busy(shell: AsyncShell) -> int:
    """Return how many submits the service has asked to wait, or could not take."""
    stats = shell._settings.meter.stats().get("run")
    return 0 if stats is None else stats.retries
