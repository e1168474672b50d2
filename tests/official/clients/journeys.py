"""What users of `runpod` from PyPI do, as the documentation shows it; prints one JSON object of what came of each."""

from __future__ import annotations

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import aiohttp
import runpod

if TYPE_CHECKING:
    from collections.abc import Callable

runpod.api_key = "test"


def run_and_poll() -> Any:
    """Submit, look until it has ended, take the output."""
    job = runpod.Endpoint("mock").run({"input": {"mock_return": {"text": "done"}, "mock_delay": 0.3}})
    seen = [job.status()]
    while job.status() not in ("COMPLETED", "FAILED"):
        time.sleep(0.05)
    return [*seen, job.status(), job.output()]


def run_sync_of_a_second() -> Any:
    """Submit and wait, longer than a poll of this client takes."""
    return runpod.Endpoint("mock").run_sync({"input": {"mock_return": "slow", "mock_delay": 1.2}}, timeout=30)


def stream_while_it_runs() -> Any:
    """Read the chunks of a job that yields one each 0.4 seconds."""
    return list(runpod.Endpoint("streamed").run({"input": {"mock_return": list("abc"), "mock_delay": 0.4}}).stream())


def cancel_while_it_runs() -> Any:
    """Cancel a job that would take a minute."""
    job = runpod.Endpoint("mock").run({"input": {"mock_delay": 60}})
    while job.status() != "IN_PROGRESS":
        time.sleep(0.05)
    return [job.cancel(timeout=3)["status"], job.status()]


def output_of_a_queued_job() -> Any:
    """Wait less long than the job does."""
    try:
        return runpod.Endpoint("idle").run({"input": {"n": 1}}).output(timeout=1)
    except TimeoutError as error:
        return f"TimeoutError: {error}"


def empty_input() -> Any:
    """Send an empty input."""
    return runpod.Endpoint("echo").run_sync({"input": {}}, timeout=30)


def input_without_its_name() -> Any:
    """Send the fields of the input beside those of the request."""
    return runpod.Endpoint("echo").run_sync({"prompt": "Hi", "webhook": "http://127.0.0.1:9/done"}, timeout=30)


async def asyncio_journeys() -> dict[str, Any]:
    """Do the same with the asyncio client."""
    async with aiohttp.ClientSession() as session:
        endpoint = runpod.AsyncioEndpoint("mock", session)
        job = await endpoint.run({"mock_return": "done", "mock_delay": 0.3})
        try:
            early = await job.output()
        except TimeoutError as error:
            early = f"TimeoutError: {error}"
        waited = await job.output(timeout=30)
        streamed = await runpod.AsyncioEndpoint("streamed", session).run(
            {"mock_return": list("abc"), "mock_delay": 0.4}
        )
        chunks = [chunk async for chunk in streamed.stream()]
        running = await endpoint.run({"mock_delay": 60})
        while await running.status() != "IN_PROGRESS":  # noqa: ASYNC110  that is what users do
            await asyncio.sleep(0.05)
        cancelled = [(await running.cancel())["status"], await running.status()]
        return {
            "asyncio_output_by_default": early,
            "asyncio_output": waited,
            "asyncio_stream_while_it_runs": chunks,
            "asyncio_cancel_while_it_runs": cancelled,
        }


JOURNEYS: list[Callable[[], Any]] = [
    run_and_poll,
    run_sync_of_a_second,
    stream_while_it_runs,
    cancel_while_it_runs,
    output_of_a_queued_job,
    empty_input,
    input_without_its_name,
]


def main() -> None:
    """Make all journeys at once."""
    with ThreadPoolExecutor(len(JOURNEYS) + 1) as threads:
        others = threads.submit(lambda: asyncio.run(asyncio_journeys()))
        made = {journey.__name__: threads.submit(journey) for journey in JOURNEYS}
        print(json.dumps({name: future.result() for name, future in made.items()} | others.result()))


if __name__ == "__main__":
    main()
