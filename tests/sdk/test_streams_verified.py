"""Streams in both flavours beside the job's output: whatever happens on the way, they are whole or say so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runpod_sdk import StreamInterruptedError
from runpod_sdk.emulator import Fault
from tests.sdk.flavours import World, both_flavours
from tests.sdk.test_streaming import counting, drained, listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runpod_sdk import RunpodError
    from runpod_sdk._flows._delivery import OnGap


async def streamed(
    world: World, fault: Fault, *, on_gap: OnGap = "repair", aggregate: bool = True, of_job: bool = False
) -> tuple[Any, list[Any], RunpodError | None]:
    """Return the stream of a job that yields 0 to 4 while a fault strikes, what it handed out, and how it ended."""
    name = f"e{len(world.emulator.endpoints)}"
    world.emulator.endpoint(name, counting(world), return_aggregate_stream=aggregate)
    endpoint = world.client().endpoint(name)
    with world.emulator.inject(fault):
        if of_job:
            stream: Any = (await endpoint.run({"n": 5})).stream(on_gap=on_gap)
        else:
            stream = endpoint.stream({"n": 5}, on_gap=on_gap)
        received, error = await drained(stream)
    return stream, received, error


ALL = [0, 1, 2, 3, 4]
# What happens on the way, what a stream then hands out, and after how many chunks it is wrong.
UNNOTICED = [
    (Fault.lose_yield(nth=1), [1, 2, 3, 4], 0),
    (Fault.lose_yield(nth=3), [0, 1, 3, 4], 2),
    (Fault.duplicate_yield(nth=3), [0, 1, 2, 2, 3, 4], 3),
    (Fault.repeat(nth=3), [0, 1, 2, 2, 3, 4], 3),
    (Fault.kill_worker("chunk", nth=3), [0, 1, 0, 1, 2, 3, 4], 2),
]


@both_flavours
async def test_what_nobody_noticed_is_told_at_the_end(world: World) -> None:
    for fault, handed, gap in UNNOTICED:
        for of_job in (False, True):
            stream, received, error = await streamed(world, fault, of_job=of_job)
            assert received == handed, fault
            assert isinstance(error, StreamInterruptedError)
            assert (stream.gap, stream.is_verified, stream.received) == (gap, False, len(handed))
            assert (error.gap_after, error.received) == (gap, len(handed))
            assert error.state is stream.state
            assert error.state is not None
            assert error.state.output == ALL
            assert error.job == getattr(stream.job, "inner", stream.job)


@both_flavours
async def test_skip_raises_nothing_and_says_where(world: World) -> None:
    for fault, handed, gap in UNNOTICED:
        stream, received, error = await streamed(world, fault, on_gap="skip")
        assert (received, error) == (handed, None), fault
        assert (stream.gap, stream.is_verified) == (gap, False)
        assert stream.state.output == ALL


@both_flavours
async def test_the_last_chunk_lost_by_the_worker_is_handed_out(world: World) -> None:
    stream, received, error = await streamed(world, Fault.lose_yield(nth=5))
    assert (received, error, stream.gap, stream.is_verified) == (ALL, None, None, True)


@both_flavours
async def test_a_repaired_stream_is_verified(world: World) -> None:
    for fault in (Fault.lose_chunk(nth=2), Fault.lose_chunk(nth=1), Fault.drop("before", on="stream", nth=2)):
        stream, received, error = await streamed(world, fault)
        assert (received, error, stream.gap, stream.is_verified) == (ALL, None, None, True)


@both_flavours
async def test_without_a_list_of_all_chunks_nothing_can_be_told(world: World) -> None:
    stream, received, error = await streamed(world, Fault.lose_yield(nth=3), aggregate=False)
    assert (received, error, stream.gap, stream.is_verified) == ([0, 1, 3, 4], None, None, None)


@both_flavours
async def test_nothing_is_known_before_the_end(world: World) -> None:
    world.emulator.endpoint("abc", counting(world), return_aggregate_stream=True)
    async with world.client().endpoint("abc").stream({"n": 3}) as stream:
        assert stream.is_verified is None
        await anext(stream)
        assert stream.is_verified is None
        assert await listed(stream) == [1, 2]
    assert stream.is_verified is True


@both_flavours
async def test_the_list_of_an_ordinary_handler_is_never_handed_out_as_chunks(world: World) -> None:
    world.emulator.endpoint("abc", lambda job: [job["input"]["n"], 2, 3])
    whole = world.client().endpoint("abc").stream({"n": 1})
    assert (await drained(whole), whole.gap, whole.is_verified) == (([], None), None, None)
    world.emulator.inject(Fault.lose_chunk(nth=1))
    torn = world.client().endpoint("abc").stream({"n": 1})
    received, error = await drained(torn)
    assert (received, torn.received, torn.gap, torn.is_verified) == ([], 0, 0, None)
    assert isinstance(error, StreamInterruptedError)
    for stream in (whole, torn):
        assert stream.state is not None
        assert stream.state.output == [1, 2, 3]


@both_flavours
async def test_who_comes_late_gets_what_nobody_has_read(world: World) -> None:
    world.emulator.endpoint("abc", counting(world), return_aggregate_stream=True)
    endpoint = world.client().endpoint("abc")
    job = await endpoint.run({"n": 4})
    async with job.stream() as first:
        assert [await anext(first) for _ in range(2)] == [0, 1]
    for again in (job, endpoint.job(job.id)):
        stream = again.stream()
        assert await listed(stream) == ([2, 3] if again is job else [])
        assert (stream.gap, stream.is_verified) == (None, None)


@both_flavours
async def test_the_first_of_two_readers_is_given_the_rest_from_the_output(world: World) -> None:
    world.emulator.endpoint("abc", counting(world), return_aggregate_stream=True)
    endpoint = world.client().endpoint("abc")
    job = await endpoint.run({"n": 4})
    stream = job.stream()
    assert [await anext(stream) for _ in range(2)] == [0, 1]
    assert await listed(endpoint.job(job.id).stream()) == [2, 3]
    assert (await listed(stream), stream.is_verified) == ([2, 3], True)


@both_flavours
async def test_a_chunk_that_the_service_splits_is_verified(world: World) -> None:
    text = "".join(f"{number:08}" for number in range(300_000))

    def handler(_: Any) -> Iterator[str]:
        yield "a"
        yield text
        yield "b"

    world.emulator.endpoint("abc", handler, return_aggregate_stream=True)
    stream = world.client().endpoint("abc").stream({})
    received = await listed(stream)
    assert (len(received), "".join(received)) == (5, f"a{text}b")
    assert stream.is_verified is True
    world.emulator.inject(Fault.lose_yield(nth=2))
    other = world.client().endpoint("abc").stream({})
    received, error = await drained(other)
    assert (received, isinstance(error, StreamInterruptedError), other.gap) == (["a", "b"], True, 1)


@both_flavours
async def test_the_stream_of_a_job_that_fails_is_not_compared(world: World) -> None:
    world.emulator.endpoint("abc", counting(world), return_aggregate_stream=True)
    world.emulator.inject(Fault.lose_yield(nth=1))
    stream = world.client().endpoint("abc").stream({"n": 3, "fails": True})
    received, error = await drained(stream)
    assert (received, type(error).__name__, stream.is_verified) == ([1, 2], "JobFailedError", None)


@both_flavours
async def test_an_unpickled_handle_and_a_second_one_know_nothing_of_the_beginning(world: World) -> None:
    world.emulator.endpoint("abc", counting(world), return_aggregate_stream=True)
    world.emulator.inject(Fault.lose_yield(nth=1))
    endpoint = world.client().endpoint("abc")
    job = await endpoint.run({"n": 3})
    stream = endpoint.job(job.id).stream()
    assert (await listed(stream), stream.gap, stream.is_verified) == ([1, 2], None, None)


@both_flavours
async def test_readers_that_share_a_stream_at_the_same_time_are_told(world: World) -> None:
    world.emulator.endpoint("abc", counting(world), return_aggregate_stream=True)
    endpoint = world.client().endpoint("abc")
    job = await endpoint.run({"n": 4})
    one, two = job.stream(), endpoint.job(job.id).stream()
    handed: list[list[int]] = [[], []]
    for _ in range(2):
        handed[0].append(await anext(one))
        handed[1].append(await anext(two))
    assert handed == [[0, 2], [1, 3]]
    ends = [await drained(one), await drained(two)]
    assert [(rest, type(error).__name__) for rest, error in ends] == [([], "StreamInterruptedError")] * 2
    assert (one.gap, two.gap) == (1, 1)
