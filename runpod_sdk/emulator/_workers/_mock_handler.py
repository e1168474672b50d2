"""The built-in handler: does what the input says, like the official mock worker.

`mock_return` is returned, "Hello World!" by default; the items of a list are also streamed, one by one. `mock_delay`
seconds pass first on the emulator's clock (in a list: before each item). `mock_logs` are logged at the start,
`mock_progress` sends its `updates`, `wait_time` seconds after each. Then `mock_crash` kills the worker, `mock_error`
raises, `mock_refresh` asks for a new worker. A list is streamed before any of these three, so that a stream can break
off.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from runpod_sdk.emulator._workers._run import progress_update

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from runpod_sdk.clock import Clock
    from runpod_sdk.emulator._workers._run import Handler

_LOG = logging.getLogger("runpod_sdk.emulator.mock")
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}


def mock_handler_for(clock: Clock) -> Callable[[dict[str, Any]], Handler]:
    """Return what chooses the built-in handler for a job: one that streams, or one that returns."""

    async def mock(job: dict[str, Any]) -> Any:
        wanted: dict[str, Any] = job["input"]
        await _begin(job, wanted, clock)
        await clock.sleep_async(wanted.get("mock_delay", 0))
        _break(wanted)
        value = wanted.get("mock_return", "Hello World!")
        return {"refresh_worker": True, "mock_return": value} if wanted.get("mock_refresh") else value

    async def mock_stream(job: dict[str, Any]) -> AsyncIterator[Any]:
        wanted: dict[str, Any] = job["input"]
        await _begin(job, wanted, clock)
        for item in wanted["mock_return"]:
            await clock.sleep_async(wanted.get("mock_delay", 0))
            yield item
        _break(wanted)

    def choose(job: dict[str, Any]) -> Handler:
        wanted: dict[str, Any] = job["input"]
        # A generator cannot ask for a new worker by what it returns.
        streams = isinstance(wanted.get("mock_return"), list) and not wanted.get("mock_refresh")
        return mock_stream if streams else mock

    return choose


async def _begin(job: dict[str, Any], wanted: dict[str, Any], clock: Clock) -> None:
    for line in wanted.get("mock_logs", []):
        _LOG.log(_LEVELS.get(line.get("level"), logging.INFO), "%s | %s", job["id"], line.get("message"))
    progress: dict[str, Any] = wanted.get("mock_progress") or {}
    for update in progress.get("updates", []):
        progress_update(job, update)
        await clock.sleep_async(progress.get("wait_time", 0))


def _break(wanted: dict[str, Any]) -> None:
    if wanted.get("mock_crash"):
        raise SystemExit(1)
    if wanted.get("mock_error"):
        raise RuntimeError("Mock error")
