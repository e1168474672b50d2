"""What `output_type` does in both flavours: outputs as types, checked; everything else stays as it was."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypedDict, assert_type

import attrs
import pytest

from runpod_sdk import (
    AsyncClient,
    AsyncEndpoint,
    AsyncJob,
    AsyncMap,
    AsyncMapFailure,
    AsyncMapSuccess,
    AsyncStream,
    Client,
    Endpoint,
    Job,
    JobFailedError,
    JobState,
    Map,
    MapFailure,
    MapSuccess,
    OutputTypeError,
    Stream,
    as_completed,
)
from runpod_sdk.emulator import Emulator
from tests.sdk.flavours import World, both_flavours, caught

if TYPE_CHECKING:
    from collections.abc import Iterator


@attrs.frozen
class Picture:
    url: str


class Seen(TypedDict):
    n: int


def echo(job: dict[str, Any]) -> Any:
    return job["input"]["echo"]


@both_flavours
async def test_an_output_is_of_the_type_wherever_it_is_handed_out(world: World) -> None:
    world.emulator.endpoint("abc", echo)
    endpoint = world.client().endpoint("abc", output_type=Picture)
    expected, given = Picture("u"), {"echo": {"url": "u"}}
    assert await endpoint.run_sync(given) == expected
    job = await endpoint.run(given)
    assert await job.output() == expected
    assert await endpoint.job(job.id).output() == expected
    state: JobState[Any] = await job.wait()
    found: list[Any] = [state.output, state.raw["output"], job.output_of(state)]
    assert found == [expected, {"url": "u"}, expected]
    assert pickle.loads(pickle.dumps(state)).output == expected  # noqa: S301  our own
    assert replace(state, retries=1).output == expected
    assert (await job.state()).output == expected
    async with endpoint.map([given] * 3) as results:
        assert [result.output async for result in results] == [expected] * 3
        assert results.report().succeeded == 3


@both_flavours
async def test_an_output_that_is_not_of_the_type_is_an_error_that_leads_back_to_the_job(world: World) -> None:
    world.emulator.endpoint("abc", echo)
    endpoint = world.client().endpoint("abc", output_type=Picture)
    error = await caught(OutputTypeError, lambda: endpoint.run_sync({"echo": {"url": 5}}))
    assert (error.path, error.raw) == ("output.url", {"url": 5})
    assert error.state is not None
    assert error.state.status == "COMPLETED"
    job = await endpoint.run({"echo": {"uri": "u"}})
    error = await caught(OutputTypeError, job.output)
    assert (error.job, error.job_id) == (job, job.id)
    assert error.state is not None
    assert error.state.output == {"uri": "u"}
    state = await job.state()
    assert (state.is_success, state.raw["output"]) == (True, {"uri": "u"})
    with pytest.raises(OutputTypeError, match=r"output\.url: it is missing"):
        _ = state.output
    assert "'uri': 'u'" in repr(state)
    assert "uri" in state._repr_html_()


@both_flavours
async def test_a_falsy_output_is_checked_too(world: World) -> None:
    world.emulator.endpoint("abc", echo)
    nothings: list[Any] = [0, "", [], False, None]
    for falsy in nothings:
        endpoint = world.client().endpoint("abc", output_type=Picture)
        error = await caught(OutputTypeError, lambda: endpoint.run_sync({"echo": falsy}))  # noqa: B023  called at once
        assert error.raw == falsy
        async with endpoint.map([{"echo": falsy}]) as results:
            assert [type(result.error) async for result in results] == [OutputTypeError]


@both_flavours
async def test_a_job_that_failed_raises_its_own_error(world: World) -> None:
    world.emulator.endpoint("abc", lambda _: {"error": "no"})
    endpoint = world.client().endpoint("abc", output_type=Picture)
    await caught(JobFailedError, lambda: endpoint.run_sync({}))
    async with endpoint.map([{}]) as results:
        assert [type(result.error) async for result in results] == [JobFailedError]


@both_flavours
async def test_a_bulk_run_counts_outputs_of_another_type_apart_and_has_their_states(world: World) -> None:
    world.emulator.endpoint("abc", echo)
    endpoint = world.client().endpoint("abc", output_type=list[int])
    async with endpoint.map([{"echo": [1]}, {"echo": "x"}], ordered=True, retries=2) as results:
        good, bad = [result async for result in results]
        report = results.report()
    assert (good.is_success, good.output, good.error) == (True, [1], None)
    assert not bad.is_success
    assert bad.output is None
    assert type(bad.error) is OutputTypeError
    assert bad.state is not None
    assert bad.state.output == "x"
    assert (report.results, report.succeeded, report.mistyped, report.retries) == (2, 1, 1, 0)
    assert "1 mistyped" in str(report)
    assert world.operations.count("retry") == 0


@both_flavours
async def test_without_a_type_an_output_is_what_came(world: World) -> None:
    world.emulator.endpoint("abc", echo)
    for endpoint in (world.client().endpoint("abc"), world.client().endpoint("abc", output_type=Any)):
        assert await endpoint.run_sync({"echo": {"url": 5}}) == {"url": 5}


@both_flavours
async def test_chunks_are_no_outputs(world: World) -> None:
    def handler(job: dict[str, Any]) -> Iterator[int]:
        yield from range(3)

    world.emulator.endpoint("abc", handler, return_aggregate_stream=True)
    endpoint = world.client().endpoint("abc", output_type=list[float])
    async with endpoint.stream({}) as stream:
        assert [chunk async for chunk in stream] == [0, 1, 2]
    assert await stream.job.output() == [0.0, 1.0, 2.0]


@both_flavours
async def test_only_a_final_state_of_the_same_job_has_an_output(world: World) -> None:
    world.emulator.endpoint("abc", echo, workers=0)
    endpoint = world.client().endpoint("abc", output_type=Picture)
    job, other = await endpoint.run({"a": 1}), await endpoint.run({"a": 1})
    for state in (await job.state(), await other.cancel()):
        with pytest.raises(ValueError, match=f"a final state of job {job.id} expected"):
            job.output_of(state)


@both_flavours
async def test_an_unpickled_job_has_lost_its_type_and_says_how_to_get_it_back(world: World) -> None:
    world.emulator.endpoint("abc", echo)
    client = world.client()
    job = await client.endpoint("abc", output_type=Picture).run({"echo": {"url": "u"}})
    state = await job.wait()
    inner = getattr(job, "inner", job)
    lost = pickle.loads(pickle.dumps(inner))  # noqa: S301  ours
    with pytest.raises(RuntimeError, match=r"has no client: use client\.endpoint"):
        lost.output_of(state)
    assert await client.endpoint("abc", output_type=Picture).job(lost.id).output() == Picture("u")


@both_flavours
async def test_a_bad_type_is_refused_before_any_request(world: World) -> None:
    with pytest.raises(TypeError, match="output_type=complex"):
        world.client().endpoint("abc", output_type=complex)
    assert world.operations == []


def test_as_completed_keeps_the_type() -> None:
    with Emulator() as emulator, Client(**emulator.connection) as client:
        emulator.endpoint("abc", echo)
        endpoint = client.endpoint("abc", output_type=Picture)
        jobs = [endpoint.run({"echo": {"url": "u"}}) for _ in range(3)]
        assert [job.output_of(state) for job, state in as_completed(jobs)] == [Picture("u")] * 3


# What type checkers make of it. Nothing of this is run.


def inferred(client: Client, bare: Endpoint, jobs: list[Job[Picture]], state: JobState) -> None:
    assert_type(client.endpoint("abc"), Endpoint[Any])
    assert_type(client.endpoint("abc").run_sync({}), Any)
    assert_type(client.endpoint(url="https://pod.invalid"), Endpoint[Any])
    assert_type(client.endpoint(url="https://pod.invalid", output_type=Picture), Endpoint[Picture])
    assert_type(bare.run_sync({}), Any)
    endpoint = client.endpoint("abc", output_type=Picture)
    assert_type(endpoint, Endpoint[Picture])
    assert_type(endpoint.run_sync({}), Picture)
    assert_type(endpoint.run({}), Job[Picture])
    assert_type(endpoint.run({}).output(), Picture)
    assert_type(endpoint.run({}).output_of(state), Picture)
    assert_type(endpoint.run({}).retry(), Job[Picture])
    assert_type(endpoint.job("j1"), Job[Picture])
    assert_type(endpoint.stream({}), Stream[Picture])
    assert_type(endpoint.stream({}).job, Job[Picture])
    assert_type(next(endpoint.stream({})), Any)
    assert_type(endpoint.map([]), Map[Picture, int])
    assert_type(next(endpoint.map([])), MapSuccess[Picture, int] | MapFailure[Picture, int])
    assert_type(next(endpoint.map([])).output, Picture)
    assert_type(next(endpoint.map([])).job, Job[Picture] | None)
    assert_type(next(as_completed(jobs)), tuple[Job[Picture], JobState[Picture]])
    assert_type(endpoint.run({}).wait().output, Picture)
    assert_type(bare.run({}).wait().output, Any)
    assert_type(client.endpoint("abc", output_type=Seen).run_sync({}), Seen)
    assert_type(client.endpoint("abc", output_type=list[float]).run_sync({}), list[float])
    assert_type(client.endpoint("abc", output_type=Picture | None).run_sync({}), Picture | None)
    wider: Endpoint[object] = endpoint
    wider.health()


async def inferred_too(client: AsyncClient, jobs: list[AsyncJob[Picture]]) -> None:
    assert_type(client.endpoint("abc"), AsyncEndpoint[Any])
    endpoint = client.endpoint("abc", output_type=Picture)
    assert_type(endpoint, AsyncEndpoint[Picture])
    assert_type(await endpoint.run_sync({}), Picture)
    assert_type(await (await endpoint.run({})).output(), Picture)
    assert_type(endpoint.stream({}), AsyncStream[Picture])
    assert_type(await anext(endpoint.stream({})), Any)
    assert_type(endpoint.map([]), AsyncMap[Picture, int])
    assert_type(await anext(endpoint.map([])), AsyncMapSuccess[Picture, int] | AsyncMapFailure[Picture, int])
    assert_type((await anext(endpoint.map([]))).job, AsyncJob[Picture] | None)
    async for job, state in as_completed(jobs):
        assert_type(job.output_of(state), Picture)


# Chunks.


def drawing(job: dict[str, Any]) -> Any:
    yield from job["input"]["chunks"]


GOOD, TORN = {"url": "u"}, {"url": 7}


@both_flavours
async def test_each_chunk_is_of_its_type_and_one_that_is_not_leaves_the_next(world: World) -> None:
    world.emulator.endpoint("abc", drawing)
    endpoint = world.client().endpoint("abc")
    async with endpoint.stream({"chunks": [GOOD, TORN, GOOD]}, chunk_type=Picture) as stream:
        assert await anext(stream) == Picture("u")
        error = await caught(OutputTypeError, lambda: anext(stream))
        assert (error.path, error.raw, error.job_id) == ("chunk.url", TORN, stream.job.id)
        where = f'chunk 2 of job {stream.job.id} on endpoint "abc"'
        assert str(error) == f"{where} is not of type Picture: chunk.url: expected str, found int"
        assert await anext(stream) == Picture("u")
        assert [chunk async for chunk in stream] == []
    assert stream.received == 3
    async with (await endpoint.run({"chunks": [GOOD]})).stream(chunk_type=Picture) as stream:
        assert [chunk.output async for chunk in stream.chunks()] == [Picture("u")]


def test_a_chunk_type_that_is_none_is_refused_before_anything_is_sent() -> None:
    emulator = Emulator()
    emulator.endpoint("abc", drawing)
    with Client(**emulator.connection) as client, pytest.raises(TypeError, match="chunk_type="):
        client.endpoint("abc").stream({"chunks": []}, chunk_type=complex)
    assert not emulator.requests


def checked_chunks(endpoint: Endpoint[Picture], job: Job[Picture]) -> None:
    assert_type(endpoint.stream({}), Stream[Picture, Any])
    assert_type(next(endpoint.stream({}, chunk_type=str)), str)
    assert_type(job.stream(chunk_type=list[float]), Stream[Picture, list[float]])
    for chunk in endpoint.stream({}, chunk_type=Picture).chunks():
        assert_type(chunk.output, Picture)
