"""Streams in both flavours: when chunks come, how a stream ends, and what becomes of its job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk import (
    AuthenticationError,
    JobCancelledError,
    JobFailedError,
    JobTimedOutError,
    NotFoundError,
    RunpodError,
    StreamInterruptedError,
    SubmissionUnknownError,
    WaitTimeoutError,
)
from runpod_sdk.emulator import Fault
from tests.sdk.flavours import World, both_flavours, caught

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runpod_sdk import AsyncStream

Job = dict[str, Any]


def notes(error: BaseException) -> str:
    return "\n".join(getattr(error, "__notes__", []))


def counting(world: World, pause: float = 1.0) -> Callable[[Job], Iterator[Any]]:
    def handler(job: Job) -> Iterator[Any]:
        for number in range(job["input"]["n"]):
            world.emulator.clock.sleep(pause)
            yield number
        if job["input"].get("fails"):
            raise ValueError("bad prompt")

    return handler


async def listed(stream: AsyncStream) -> list[Any]:
    return [chunk async for chunk in stream]


async def drained(stream: AsyncStream) -> tuple[list[Any], RunpodError | None]:
    """Return what a stream hands out, and the error that it ends with."""
    received: list[Any] = []
    try:
        while True:
            received.append(await anext(stream))
    except StopAsyncIteration:
        return received, None
    except RunpodError as error:
        return received, error


@both_flavours
async def test_chunks_come_as_soon_as_the_worker_yields_them(world: World) -> None:
    world.emulator.endpoint("abc", counting(world))
    async with world.client().endpoint("abc").stream({"n": 4}) as stream:
        arrived = [(chunk, world.now) async for chunk in stream]
    assert arrived == [(0, 1), (1, 2), (2, 3), (3, 4)]
    assert (stream.received, stream.gap) == (4, None)
    assert stream.state is not None
    assert stream.state.status == "COMPLETED"


@both_flavours
async def test_the_job_is_known_before_the_first_chunk(world: World) -> None:
    world.emulator.endpoint("abc", counting(world))
    stream = world.client().endpoint("abc").stream({"n": 1})
    with pytest.raises(RuntimeError, match="submitted on `with` or with the first chunk"):
        stream.job  # noqa: B018  it raises
    assert world.operations == []
    async with stream:
        assert stream.job.id in world.emulator.jobs
        assert world.operations == ["run"]
        assert await listed(stream) == [0]


@both_flavours
async def test_with_is_optional(world: World) -> None:
    world.emulator.endpoint("abc", counting(world))
    stream = world.client().endpoint("abc").stream({"n": 3})
    assert await listed(stream) == [0, 1, 2]
    assert await listed(stream) == []
    assert stream.job.id in world.emulator.jobs


@both_flavours
async def test_the_stream_of_a_job_that_is_there_already(world: World) -> None:
    world.emulator.endpoint("abc", counting(world))
    job = await world.client().endpoint("abc").run({"n": 3})
    await job.wait()
    assert await listed(job.stream()) == [0, 1, 2]
    assert await listed(job.stream()) == []


@both_flavours
async def test_chunks_with_their_metrics(world: World) -> None:
    world.emulator.endpoint("abc", counting(world))
    body = {"status": "IN_PROGRESS", "stream": [{"output": "a", "metrics": {"tokens": 3}}, {"output": "b"}]}
    world.emulator.inject(Fault.status(200, body=body, on="stream", times=1))
    stream = world.client().endpoint("abc").stream({"n": 1})
    chunks = [chunk async for chunk in stream.chunks()]
    assert [(chunk.output, chunk.metrics) for chunk in chunks] == [("a", {"tokens": 3}), ("b", None), (0, None)]


@both_flavours
async def test_chunks_and_outputs_share_their_place(world: World) -> None:
    world.emulator.endpoint("abc", counting(world))
    stream = world.client().endpoint("abc").stream({"n": 3})
    assert await anext(stream) == 0
    async for chunk in stream.chunks():
        assert chunk.output == 1
        break
    assert await listed(stream) == [2]


@both_flavours
async def test_the_built_in_handler_streams_lists(world: World) -> None:
    world.emulator.endpoint("abc")
    stream = world.client().endpoint("abc").stream({"mock_return": ["a", None, {"b": 1}], "mock_delay": 2})
    assert await listed(stream) == ["a", None, {"b": 1}]
    assert stream.state is not None
    assert stream.state.output == ["a", None, {"b": 1}]
    assert world.now == 6


# Ends.


@both_flavours
async def test_a_stream_that_fails_raises_after_its_chunks(world: World) -> None:
    world.emulator.endpoint("abc", counting(world))
    stream = world.client().endpoint("abc").stream({"n": 2, "fails": True})
    received, error = await drained(stream)
    assert received == [0, 1]
    assert isinstance(error, JobFailedError)
    assert (error.error_type, error.error_message) == ("ValueError", "bad prompt")
    assert error.job == getattr(stream.job, "inner", stream.job)
    assert stream.state is error.state
    assert world.operations.count("cancel") == 0


@both_flavours
async def test_a_stream_ends_when_its_job_is_cancelled(world: World) -> None:
    world.emulator.endpoint("abc", counting(world))
    client = world.client()
    stream = client.endpoint("abc").stream({"n": 10})
    assert await anext(stream) == 0
    await client.endpoint("abc").job(stream.job.id).cancel()
    await caught(JobCancelledError, lambda: listed(stream))


@both_flavours
async def test_a_stream_ends_when_its_job_runs_too_long(world: World) -> None:
    world.emulator.endpoint("abc", counting(world))
    stream = world.client().endpoint("abc").stream({"n": 10}, execution_timeout=5.5)
    await caught(JobTimedOutError, lambda: listed(stream))
    assert stream.received == 5


@both_flavours
async def test_leaving_a_stream_early_cancels_the_job_that_it_made(world: World) -> None:
    world.emulator.endpoint("abc", counting(world))
    async with world.client().endpoint("abc").stream({"n": 10}) as stream:
        assert await anext(stream) == 0
    assert world.emulator.jobs[stream.job.id].status == "CANCELLED"
    await stream.aclose()
    assert world.operations.count("cancel") == 1
    assert await listed(stream) == []


@both_flavours
async def test_leaving_the_stream_of_ones_own_job_lets_it_go_on(world: World) -> None:
    world.emulator.endpoint("abc", counting(world))
    job = await world.client().endpoint("abc").run({"n": 3})
    async with job.stream() as stream:
        assert await anext(stream) == 0
    assert world.emulator.jobs[job.id].status == "IN_PROGRESS"
    assert await listed(job.stream()) == [1, 2]


@both_flavours
async def test_an_error_in_the_callers_block_gets_the_note(world: World) -> None:
    world.emulator.endpoint("abc", counting(world))

    async def body() -> None:
        async with world.client().endpoint("abc").stream({"n": 10}) as stream:
            await anext(stream)
            raise LookupError

    assert "The job was cancelled" in notes(await caught(LookupError, body))


@both_flavours
async def test_a_timeout_ends_a_stream_and_its_job(world: World) -> None:
    world.emulator.endpoint("abc", counting(world, pause=10))
    stream = world.client().endpoint("abc").stream({"n": 10}, 25)
    received, error = await drained(stream)
    assert isinstance(error, WaitTimeoutError)
    assert (received, world.now) == ([0, 1], 25)
    assert "The job was cancelled" in notes(error)
    assert error.job == getattr(stream.job, "inner", stream.job)
    assert world.emulator.jobs[stream.job.id].status == "CANCELLED"


@both_flavours
async def test_a_stream_that_was_closed_before_it_began_submits_nothing(world: World) -> None:
    world.emulator.endpoint("abc", counting(world))
    stream = world.client().endpoint("abc").stream({"n": 1})
    await stream.aclose()
    await caught(RuntimeError, lambda: listed(stream))
    assert world.operations == []


@both_flavours
async def test_a_stream_whose_submit_is_unknown_does_not_submit_again(world: World) -> None:
    world.emulator.endpoint("abc", counting(world))
    world.emulator.inject(Fault.drop("after", on="run", times=1))
    stream = world.client().endpoint("abc").stream({"n": 1})
    await caught(SubmissionUnknownError, lambda: listed(stream))
    await caught(RuntimeError, lambda: listed(stream))
    await caught(RuntimeError, stream.__aenter__)
    await stream.aclose()
    assert len(world.emulator.jobs) == 1


@both_flavours
async def test_the_stream_of_a_job_that_is_not_there(world: World) -> None:
    world.emulator.endpoint("abc", counting(world))
    error = await caught(NotFoundError, lambda: listed(world.client().endpoint("abc").job("j1").stream()))
    assert "The job goes on" not in notes(error)


@both_flavours
async def test_a_refused_read_says_what_became_of_the_job(world: World) -> None:
    world.emulator.endpoint("abc", counting(world))
    world.emulator.inject(Fault.status(401, on="stream"))
    error = await caught(AuthenticationError, lambda: listed(world.client().endpoint("abc").stream({"n": 5})))
    assert "The job was cancelled" in notes(error)


# Lost answers.


@both_flavours
async def test_lost_chunks_are_repaired_from_an_aggregating_worker(world: World) -> None:
    world.emulator.endpoint("abc", counting(world), return_aggregate_stream=True)
    world.emulator.inject(Fault.lose_chunk(nth=3))
    world.emulator.inject(Fault.lose_chunk(nth=5))
    stream = world.client().endpoint("abc").stream({"n": 8})
    assert await listed(stream) == list(range(8))
    assert (stream.received, stream.gap) == (8, None)


@both_flavours
async def test_lost_chunks_that_cannot_be_repaired_are_told(world: World) -> None:
    world.emulator.endpoint("abc", counting(world))
    world.emulator.inject(Fault.lose_chunk(nth=3))
    stream = world.client().endpoint("abc").stream({"n": 5})
    received, error = await drained(stream)
    assert received == [0, 1, 3, 4]
    assert isinstance(error, StreamInterruptedError)
    assert (error.received, error.gap_after) == (4, 2)
    assert (stream.received, stream.gap) == (4, 2)
    assert error.job == getattr(stream.job, "inner", stream.job)
    assert world.operations.count("cancel") == 0


@both_flavours
async def test_skip_and_raise(world: World) -> None:
    world.emulator.endpoint("abc", counting(world))
    endpoint = world.client().endpoint("abc")
    with world.emulator.inject(Fault.lose_chunk(nth=2)):
        stream = endpoint.stream({"n": 4}, on_gap="skip")
        assert await listed(stream) == [0, 2, 3]
        assert (stream.received, stream.gap) == (3, 1)
    with world.emulator.inject(Fault.lose_chunk(nth=2)):
        stream = endpoint.stream({"n": 4}, on_gap="raise")
        error = await caught(StreamInterruptedError, lambda: listed(stream))
    assert (error.received, stream.gap, error.state) == (1, 1, None)
    assert world.emulator.jobs[stream.job.id].status == "CANCELLED"
