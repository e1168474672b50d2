"""What users of `runpod` 2 from PyPI do with a queue; prints one JSON object of what came of each.

`apps.py JOURNEY …` makes these, one after the other. The queue "mock" is an endpoint of that id.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import runpod

if TYPE_CHECKING:
    from collections.abc import Callable

runpod.api_key = "test"

QUEUE = runpod.Queue(app="shop", name="mock")
AGAIN = runpod.Queue(app="shop", name="again")


def run() -> Any:
    """Submit, and wait for the result."""
    job = QUEUE.spawn(mock_return={"text": "done"}, mock_delay=0.1)
    return [job.result(), job.status(), job.done]


def run_sync() -> Any:
    """Submit and wait in one request."""
    return QUEUE.remote(mock_return="done")


def no_arguments() -> Any:
    """Call without arguments."""
    return runpod.Queue(app="shop", name="echo").remote()


def with_options() -> Any:
    """Give a job a limit of its own, which it exceeds."""
    return raised(lambda: QUEUE.with_options(execution_timeout=5_000, ttl=60_000).remote(mock_delay=60))


def status() -> Any:
    """Find a job of which only the id is known."""
    known = QUEUE.spawn(mock_return="done")
    known.result()
    return QUEUE.job(known.id).status()


def stream() -> Any:
    """Read the chunks of a job that yields one each 0.2 seconds."""
    return list(QUEUE.stream(mock_return=list("abc"), mock_delay=0.2))


def failure() -> Any:
    """Wait for a job that fails."""
    return raised(lambda: QUEUE.remote(mock_error=True))


def cancel() -> Any:
    """Cancel a job that would take a minute."""
    job = QUEUE.spawn(mock_delay=60)
    return [job.cancel().status(), QUEUE.job(job.id).status()]


def retry() -> Any:
    """Run a job again that failed."""
    job = AGAIN.spawn(number=1)
    failed = raised(job.result)
    return [failed.partition(":")[0], job.retry().result()]


def raised(call: Callable[[], Any]) -> str:
    """Return what a call raises, as text; it must."""
    try:
        answer = call()
    except Exception as error:  # noqa: BLE001  whatever it raises is what is looked for
        return f"{type(error).__name__}: {error}"
    return f"returned {answer!r}"


if __name__ == "__main__":
    print(json.dumps({name: globals()[name]() for name in sys.argv[1:]}))
