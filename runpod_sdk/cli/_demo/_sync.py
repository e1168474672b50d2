"""The scenarios with Client; `_async.py` has the same ones with AsyncClient, in the same order.

A scenario returns what happened, in words, and only if all was as it must be; else it raises.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runpod_sdk import JobCancelledError, JobFailedError, WorkerCounts
from runpod_sdk._values._words import counted

from ._handlers import FAILURE, RETRIED_OUTPUT
from ._recorder import POLL_PAUSE

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_sdk import Endpoint

    from ._recorder import Scene


def run_and_poll(endpoint: Endpoint, scene: Scene) -> str:
    """Submit a job, look until it has ended, take its output. Source: docs, operation-reference#run."""
    job = endpoint.run({"mock_delay": 0.4, "mock_return": "Hello World!"}, timeout=scene.timeout)
    scene.submitted(job.id)
    looks = 1
    while not scene.saw(job.state()).is_final:
        scene.clock.sleep(min(POLL_PAUSE, scene.timeout))
        looks += 1
    output = job.output(timeout=scene.timeout)
    scene.expect("output", output, "Hello World!")
    scene.expect("status", job.status(), "COMPLETED")
    return f"{output!r} after {counted(looks, 'look')}"


def run_sync(endpoint: Endpoint, scene: Scene) -> str:
    """Submit a job and get its output in one call. Source: docs, operation-reference#runsync."""
    output = endpoint.run_sync({"prompt": "Hello, World!"}, timeout=scene.timeout, on_update=scene.saw)
    text = "Hello, World! How can I assist you today?"
    scene.expect("output", output, {"input_tokens": 2, "output_tokens": 8, "text": [text]})
    return repr(text)


def stream(endpoint: Endpoint, scene: Scene) -> str:
    """Read what a generator handler yields, as it does. Source: docs, sdks/go/endpoints#stream."""
    text = ""
    with endpoint.stream({"prompt": "Hello, World!"}, timeout=scene.timeout) as chunks:
        scene.submitted(chunks.job.id)
        for character in chunks:
            text += character
            scene.note(repr(text), chunks.job.id)
            if chunks.received == 1:
                scene.saw(chunks.job.state())
    scene.expect("text", text, "Hello, World!")
    scene.expect("number of chunks", chunks.received, len("Hello, World!"))
    scene.expect_status(chunks.job.wait(timeout=scene.timeout), "COMPLETED")
    return f"{text!r} in {counted(chunks.received, 'chunk')}"


def cancel(endpoint: Endpoint, scene: Scene) -> str:
    """Cancel a queued and a running job; the endpoint has one worker. Source: docs, operation-reference#cancel."""
    running = endpoint.run({"mock_delay": 95}, timeout=scene.timeout)
    queued = endpoint.run({"mock_delay": 95}, timeout=scene.timeout)
    for job, status in ((running, "IN_PROGRESS"), (queued, "IN_QUEUE")):
        scene.submitted(job.id)
        scene.expect_status(job.state(), status)
    for job in (queued, running):
        scene.expect_status(job.cancel(), "CANCELLED")
        with scene.expecting(JobCancelledError) as raised:
            job.output(timeout=scene.timeout)
        scene.expect("job of the error", raised.error.job, job)
        scene.note("output() raises JobCancelledError", job.id)
    return "JobCancelledError, twice"


def fail_and_retry(endpoint: Endpoint, scene: Scene) -> str:
    """Get the worker's error, retry the job, get its output. Source: docs, operation-reference#retry."""
    job = endpoint.run({"prompt": "Hello, World!"}, timeout=scene.timeout)
    scene.submitted(job.id)
    with scene.expecting(JobFailedError) as raised:
        job.output(timeout=scene.timeout)
    error = raised.error
    scene.expect_status(job.state(), "FAILED")
    scene.expect("error_type", error.error_type, "RuntimeError")
    scene.expect("error_message", error.error_message, FAILURE)
    scene.expect("end of the worker's traceback", (error.worker_traceback or "").rstrip()[-len(FAILURE) :], FAILURE)
    scene.note(f"output() raises JobFailedError: {error.error_type}: {error.error_message}", job.id)
    output = job.retry().output(timeout=scene.timeout)
    scene.expect_status(job.state(), "COMPLETED")
    scene.expect("output", output, RETRIED_OUTPUT)
    counts = endpoint.health().jobs
    scene.expect("failed, retried, completed", (counts.failed, counts.retried, counts.completed), (1, 1, 1))
    return f"{error.error_type}: {error.error_message}; then {output!r}"


def purge(endpoint: Endpoint, scene: Scene) -> str:
    """Remove what is queued behind a running job. Source: docs, operation-reference#purge-queue."""
    running, *queued = [endpoint.run({"mock_delay": 95}, timeout=scene.timeout) for _ in range(4)]
    for job in (running, *queued):
        scene.submitted(job.id)
        scene.expect_status(job.state(), "IN_PROGRESS" if job == running else "IN_QUEUE")
    result = endpoint.purge_queue()
    scene.expect("removed", result.removed, len(queued))
    scene.note(f"purge_queue() removed {result.removed}")
    for job in queued:
        scene.expect_status(job.wait(timeout=scene.timeout), "CANCELLED")
    scene.expect_status(running.state(), "IN_PROGRESS")
    scene.expect_status(running.cancel(), "CANCELLED")
    return f"removed {result.removed}; the running job went on until it was cancelled"


def health(endpoint: Endpoint, scene: Scene) -> str:
    """Count workers while one of three runs a job. Source: docs, operation-reference#health."""
    job = endpoint.run({"mock_delay": 95}, timeout=scene.timeout)
    scene.submitted(job.id)
    scene.expect_status(job.state(), "IN_PROGRESS")
    seen = endpoint.health()
    scene.expect("jobs in progress, in queue", (seen.jobs.in_progress, seen.jobs.in_queue), (1, 0))
    scene.expect("workers", seen.workers, WorkerCounts(idle=2, ready=2, running=1))
    gauges: dict[str, int] = seen.raw["workers"]
    scene.expect("number of gauges", len(gauges), 6)
    scene.expect_status(job.cancel(), "CANCELLED")
    return ", ".join(f"{count} {gauge}" for gauge, count in gauges.items())


SCENARIOS: dict[str, Callable[[Endpoint, Scene], str]] = {
    "run and poll": run_and_poll,
    "run_sync": run_sync,
    "stream": stream,
    "cancel": cancel,
    "fail and retry": fail_and_retry,
    "purge": purge,
    "health": health,
}
