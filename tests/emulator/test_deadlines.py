"""When a queue looks at which job again."""

from __future__ import annotations

import itertools

import pytest

from runpod_sdk.emulator._queue import _requests as ask
from tests.emulator.queues import Queue


@pytest.mark.slow
def test_jobs_that_were_forgotten_leave_nothing_behind() -> None:
    """Each job is due a day after its submission at first, and soon after its end; the first row must not stay."""
    ids = itertools.count()
    queue = Queue("e", new_id=lambda: f"job{next(ids)}")
    for number in range(20_000):
        now = number * 0.01
        queue.handle(ask.Submit(input={}, execution_timeout=600, ttl=86_400, retention=1), now)
        queue.handle(ask.Take(worker_id="w"), now)
        queue.handle(ask.Finish(worker_id="w", job_id=f"job{number}", output=1), now)
    assert len(queue.records()) <= 101
    assert len(queue.pure._jobs._due) < 5_000
