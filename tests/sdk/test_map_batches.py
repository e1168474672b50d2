"""Bulk runs by batches in both flavours: each input its own result by its key, and what has none told as it is."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import httpx
import pydantic
import pytest

from runpod_sdk import (
    AuthenticationError,
    BatchResultError,
    Client,
    JobFailedError,
    Journal,
    OutputTypeError,
    PollPolicy,
    RateLimitError,
    RetryPolicy,
    SubmissionUnknownError,
)
from runpod_sdk._client import _async_batch_map, _sync_batch_map
from runpod_sdk._flows import _batch_api
from runpod_sdk.emulator import Emulator, Fault
from tests.sdk.flavours import World, both_flavours

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

Job = dict[str, Any]


def work(job: Job) -> Any:
    number = job["input"]["n"]
    if number < 0:
        raise ValueError("negative")
    return {"key": number, "square": number**2}


def numbered(*numbers: int) -> dict[int, dict[str, int]]:
    return {number: {"n": number} for number in numbers}


def key_of(output: Any) -> Any:
    return output["key"]


async def key_of_later(output: Any) -> Any:
    return key_of(output)


async def gathered(run: Any) -> dict[Any, Any]:
    results = [result async for result in run]
    assert len({result.index for result in results}) == len(results), "one result for each input"
    return {result.key: result for result in results}


async def interrupted_at_the_first(run: Any) -> None:
    async with run:
        async for _ in run:
            raise KeyboardInterrupt


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a batch have three requests, in two calls, and an endpoint two batches of ours."""
    monkeypatch.setattr(_batch_api, "_ADDED_MAX", 2)
    for room in (_async_batch_map, _sync_batch_map):
        monkeypatch.setattr(room, "BATCH_REQUESTS_MAX", 3)
        monkeypatch.setattr(room, "BATCHES_MAX", 2)


@both_flavours
async def test_each_input_has_the_result_with_its_key(world: World) -> None:
    world.emulator.endpoint("abc", work, workers=3)
    run = world.client().endpoint("abc").map(numbered(3, 1, 2), via="batch", key_of=key_of, ordered=True)
    results = [result async for result in run]
    assert [(result.key, result.input, result.output["square"]) for result in results] == [
        (3, {"n": 3}, 9),
        (1, {"n": 1}, 1),
        (2, {"n": 2}, 4),
    ]
    assert all(result.is_success for result in results)
    assert all(result.job is None for result in results)
    assert (run.report().succeeded, len(run.batches), run.unassigned) == (3, 1, ())
    assert world.operations.count("batch-create") == 1


@both_flavours
async def test_the_one_that_failed_is_the_input_that_is_left(world: World) -> None:
    world.emulator.endpoint("abc", work)
    results = await gathered(world.client().endpoint("abc").map(numbered(1, -2, 3), via="batch", key_of=key_of))
    assert isinstance(results[-2].error, JobFailedError)
    assert "negative" in str(results[-2].error)
    assert results[1].is_success
    assert results[3].is_success


@both_flavours
async def test_failures_that_nothing_tells_apart_are_told_as_they_are(world: World) -> None:
    world.emulator.endpoint("abc", work)
    run = world.client().endpoint("abc").map(numbered(1, -2, -3), via="batch", key_of=key_of)
    results = await gathered(run)
    assert results[1].output == {"key": 1, "square": 1}
    for key in (-2, -3):
        error = results[key].error
        assert isinstance(error, BatchResultError)
        assert "results without the key of any: 2 FAILED" in str(error)
        assert [found.status for found in error.results] == ["FAILED", "FAILED"]
        assert error.batch.failed == 2
    assert [found.status for found in run.unassigned] == ["FAILED", "FAILED"]
    report = run.report()
    assert (report.results, report.succeeded, report.unfinished) == (3, 1, 2)


@pytest.mark.parametrize(
    "strange",
    [{"key": "another"}, {}, {"key": [1]}, {"key": 1}],
    ids=["unknown", "raises", "unhashable", "the same for all"],
)
def test_outputs_without_a_key_are_never_lost_nor_guessed(strange: dict[str, Any]) -> None:
    with Emulator() as emulator, Client(**emulator.connection) as client:
        emulator.endpoint("abc", work)
        run = client.endpoint("abc").map(numbered(1, 2), via="batch", key_of=lambda _: strange["key"])
        results = {result.key: result for result in run}
    paid = [found.output for found in run.unassigned] + [result.output for result in results.values()]
    assert sorted(output["key"] for output in paid if output) == [1, 2]
    for result in results.values():
        assert result.is_success or isinstance(result.error, BatchResultError)
    assert not results[2].is_success


@pytest.mark.usefixtures("small_batches")
@both_flavours
async def test_more_inputs_go_in_more_batches_and_no_more_at_once_than_may_be(world: World) -> None:
    most = 0

    def slow(job: Job) -> Any:
        nonlocal most
        world.emulator.clock.sleep(10)
        most = max(most, sum(not state.is_final for state in states()))
        return work(job)

    def states() -> list[Any]:
        with Client(**world.emulator.connection) as client:
            return list(client.endpoint("abc").batches.list())

    world.emulator.endpoint("abc", slow, workers=2)
    run = world.client().endpoint("abc").map(numbered(*range(20)), via="batch", key_of=key_of)
    results = await gathered(run)
    assert sorted(results) == list(range(20))
    assert all(result.is_success for result in results.values())
    assert len(run.batches) == 7
    assert most <= 2


@pytest.mark.usefixtures("small_batches")
@both_flavours
async def test_batches_of_others_are_waited_for_with_ours(world: World) -> None:
    world.emulator.endpoint("abc", work)
    endpoint = world.client(retry=RetryPolicy(attempts=1)).endpoint("abc")
    others = [await endpoint.batches.create() for _ in range(9)]
    results = await gathered(endpoint.map(numbered(*range(7)), via="batch", key_of=key_of))
    assert all(result.is_success for result in results.values())
    await endpoint.batches.create()  # there is room for one again
    results = await gathered(endpoint.map(numbered(1), via="batch", key_of=key_of))
    assert isinstance(results[1].error, RateLimitError)
    assert {(await other.state()).status for other in others} == {"DRAFT"}


@pytest.mark.parametrize("status", [400, 429])
@pytest.mark.usefixtures("small_batches")
def test_a_limit_that_is_met_on_the_way_is_waited_for(status: int) -> None:
    for operation, nth in (("batch-create", 2), ("batch-add", 3), ("batch-finalize", 2)):  # of the second batch
        with Emulator() as emulator, Client(**emulator.connection, retry=RetryPolicy(attempts=1)) as client:
            endpoint = emulator.endpoint("abc", work)
            emulator.inject(Fault.status(status, on=operation, nth=nth))
            results = list(client.endpoint("abc").map(numbered(*range(6)), via="batch", key_of=key_of))
            assert status in {record.status for record in emulator.requests}
            assert all(result.is_success for result in results), operation
            assert Counter(job.input["n"] for job in endpoint.jobs.values()) == dict.fromkeys(range(6), 1)


def test_outputs_are_of_the_callers_type_and_the_key_is_found_in_what_came() -> None:
    class Output(pydantic.BaseModel):
        key: int
        square: int

    with Emulator() as emulator, Client(**emulator.connection) as client:
        emulator.endpoint("abc", lambda job: {**work(job), **({"square": "no"} if job["input"]["n"] == 2 else {})})
        endpoint = client.endpoint("abc", output_type=Output)
        results = {result.key: result for result in endpoint.map(numbered(1, 2), via="batch", key_of=key_of)}
    assert results[1].output == Output(key=1, square=1)
    assert isinstance(results[2].error, OutputTypeError)


@pytest.mark.one_in(2)
@pytest.mark.usefixtures("small_batches")
@both_flavours
async def test_each_input_runs_once_whatever_answer_is_lost(world: World) -> None:
    endpoint = world.emulator.endpoint("abc", work)
    client = world.client(retry=RetryPolicy(attempts=2))
    for operation in ("batch-create", "batch-add", "batch-finalize", "batch-get", "batch-requests"):
        for fault in (
            Fault.drop("before", on=operation, times=3),
            Fault.drop("after", on=operation, times=3),
            Fault.status(429, on=operation, times=3),
        ):
            world.emulator.reset()
            world.emulator.inject(fault)
            results = await gathered(client.endpoint("abc").map(numbered(*range(7)), via="batch", key_of=key_of))
            assert sorted(results) == list(range(7))
            ran = Counter(job.input["n"] for job in endpoint.jobs.values())
            assert set(ran.values()) <= {1}, (operation, fault)
            assert {key for key, result in results.items() if result.is_success} == set(ran), (operation, fault)


@both_flavours
async def test_a_batch_that_may_have_been_finalized_is_unknown(world: World) -> None:
    endpoint = world.emulator.endpoint("abc", work)
    client = world.client(retry=RetryPolicy(attempts=2), poll=PollPolicy(outage=5))
    faults = [Fault.drop("before", on="batch-get", nth=2)] * 60  # each counts what the others let through
    injected = [world.emulator.inject(fault) for fault in (Fault.drop("after", on="batch-finalize"), *faults)]
    run = client.endpoint("abc").map(numbered(1, 2), via="batch", key_of=key_of)
    results = await gathered(run)
    for result in results.values():
        assert isinstance(result.error, SubmissionUnknownError)
        assert run.batches[0].id in str(result.error)
    assert [result.key for result in run.unknowns] == [1, 2]
    assert len(client.unknowns) == 2
    assert run.report().unknown == 2
    for fault in injected:
        fault.remove()
    batch = client.endpoint("abc").batches.batch(run.batches[0].id)
    found = [result async for result in batch.results()]
    assert {result.output["key"] for result in found} == {1, 2} == {job.input["n"] for job in endpoint.jobs.values()}


@pytest.mark.usefixtures("small_batches")
@both_flavours
async def test_a_refusal_that_all_would_meet_ends_the_run(world: World) -> None:
    world.emulator.endpoint("abc", work)
    endless = ({"n": n} for n in range(10**9))
    run = world.client(api_key="wrong").endpoint("abc").map(endless, via="batch", key_of=key_of)
    for _ in range(10):
        assert isinstance((await anext(run)).error, AuthenticationError)
    assert len(world.operations) == 1
    await run.aclose()


@both_flavours
async def test_bad_inputs_are_results_and_the_others_run(world: World) -> None:
    world.emulator.endpoint("abc", work)
    endpoint = world.client().endpoint("abc")
    inputs: list[Any] = [
        ("a", {"n": 1}),
        ("a", {"n": 2}),
        ([], {"n": 3}),
        ("b", 7),
        ("c", endpoint.job("some-job")),
        (9, {"n": 9}),
    ]
    run = endpoint.map(inputs, via="batch", key_of=lambda output: "a" if output["key"] == 1 else output["key"])
    results = [result async for result in run]
    by_index = {result.index: result for result in results}
    assert len(by_index) == len(results) == 6
    assert by_index[0].is_success
    assert by_index[5].is_success
    for index, kind in ((1, ValueError), (2, TypeError), (3, TypeError), (4, TypeError)):
        assert isinstance(by_index[index].error, kind), index


@both_flavours
async def test_a_batch_that_cannot_be_read_any_more_is_no_end_of_its_inputs(world: World) -> None:
    world.emulator.endpoint("abc", workers=0)
    run = world.client().endpoint("abc").map(numbered(1, 2), via="batch", key_of=key_of)
    world.emulator.inject(Fault.status(403, on="batch-get", nth=5))
    results = await gathered(run)
    for result in results.values():
        assert isinstance(result.error, BatchResultError)
        assert "HTTP 403" in str(result.error)
        assert "is FINALIZED" in str(result.error)


@both_flavours
async def test_an_interrupted_run_says_what_becomes_of_its_batches(world: World) -> None:
    def slow(job: Job) -> Any:
        world.emulator.clock.sleep(0 if job["input"]["n"] == 1 else 3600)
        return work(job)

    world.emulator.endpoint("abc", slow, workers=2)
    endpoint = world.client().endpoint("abc")
    ends: list[tuple[Any, bool, str]] = [
        ("cancel", True, "was cancelled; what is in progress"),
        ("detach", False, "goes on"),
    ]
    for on_abandon, is_cancelled, words in ends:
        run = endpoint.map(numbered(1, 2), via="batch", key_of=key_of, on_abandon=on_abandon)
        with pytest.raises(KeyboardInterrupt) as interrupted:
            await interrupted_at_the_first(run)
        (batch,) = run.batches
        assert [result.key for result in run.abandoned] == [2]
        (note,) = interrupted.value.__notes__
        assert words in note
        assert batch.id in note
        assert ("batch-cancel" in world.operations) is is_cancelled
        world.emulator.reset()
        assert run.report().abandoned == 1
        assert [result async for result in run] == []


class InterruptedAt(httpx.BaseTransport):
    """Does what it is asked, and is interrupted before the answer to the nth request arrives."""

    def __init__(self, inner: httpx.BaseTransport, nth: int) -> None:
        self._inner = inner
        self._left = nth

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._inner.handle_request(request)
        self._left -= 1
        if self._left == 0:
            raise KeyboardInterrupt
        return response


@pytest.mark.parametrize("nth", range(1, 8))
def test_whatever_is_interrupted_no_batch_goes_on_unnoticed(nth: int) -> None:
    with Emulator() as emulator:
        emulator.endpoint("abc", workers=0)
        connection: dict[str, Any] = {**emulator.connection, "transport": InterruptedAt(emulator.transport, nth)}
        with Client(**connection) as client:
            run = client.endpoint("abc").map(numbered(1, 2), via="batch", key_of=key_of)
            with pytest.raises(KeyboardInterrupt):
                list(run)
            (batch,) = client.endpoint("abc").batches.list()
        assert {job.status for job in emulator.jobs.values()} <= {"CANCELLED"}
        assert (batch.status, batch.total) == (("DRAFT", 0) if nth == 1 else ("CANCELLED", 2))
        assert [result.key for result in run.abandoned] == ([] if nth == 1 else [1, 2])


@both_flavours
async def test_an_error_of_the_inputs_comes_after_the_results_of_those_before(world: World) -> None:
    def broken() -> Iterator[Any]:
        yield {"n": 0}
        raise OSError("the file has gone")

    async def broken_async() -> AsyncIterator[Any]:
        for one in broken():
            yield one

    world.emulator.endpoint("abc", work)
    for inputs in (broken(), broken_async()):
        run = world.client().endpoint("abc").map(inputs, via="batch", key_of=key_of)
        assert (await anext(run)).key == 0
        with pytest.raises(OSError, match="the file has gone"):
            await anext(run)


@both_flavours
async def test_a_batch_that_is_cancelled_by_others_tells_all_it_knows(world: World) -> None:
    async def cancel_all() -> None:
        for state in await endpoint.batches.list():
            await endpoint.batches.batch(state.id).cancel()

    def slow(job: Job) -> Any:
        world.emulator.clock.sleep(100)
        return work(job)

    world.emulator.endpoint("abc", slow)
    endpoint = world.client().endpoint("abc")
    results: dict[Any, Any] = {}
    async for result in endpoint.map(numbered(1, 2, 3, 4), via="batch", key_of=key_of):
        results[result.key] = result
        if len(results) == 1:
            await cancel_all()
    assert [result.is_success for _, result in sorted(results.items())] == [True, True, False, False]
    for key in (3, 4):
        assert isinstance(results[key].error, BatchResultError)
        assert "is CANCELLED" in str(results[key].error)
        assert "2 CANCELLED" in str(results[key].error)


def test_what_does_not_go_with_batches_is_refused_before_anything_is_sent() -> None:
    with Emulator() as emulator, Client(**emulator.connection) as client:
        emulator.endpoint("abc", work)
        endpoint = client.endpoint("abc")
        bad: list[tuple[type[Exception], str, dict[str, Any]]] = [
            (ValueError, "needs key_of", {"via": "batch"}),
            (ValueError, "not via", {"key_of": key_of}),
            (ValueError, "'queue'", {"via": "queue", "key_of": key_of}),
            (TypeError, "key_of", {"via": "batch", "key_of": "key"}),
            (TypeError, "a coroutine function", {"via": "batch", "key_of": key_of_later}),
            (ValueError, "retries", {"via": "batch", "key_of": key_of, "retries": 1}),
            (ValueError, "concurrency", {"via": "batch", "key_of": key_of, "concurrency": 8}),
            (ValueError, "execution_timeout", {"via": "batch", "key_of": key_of, "execution_timeout": 60}),
            (ValueError, "journal", {"via": "batch", "key_of": key_of, "journal": Journal("none.sqlite")}),
        ]
        for kind, words, how in bad:
            with pytest.raises(kind, match=words):
                endpoint.map([{}], **how)
        assert emulator.requests == []


@pytest.mark.usefixtures("small_batches")
@both_flavours
async def test_a_draft_that_was_filled_in_part_is_given_up(world: World) -> None:
    endpoint = world.emulator.endpoint("abc", work)
    client = world.client(retry=RetryPolicy(attempts=1))
    world.emulator.inject(Fault.status(429, on="batch-add", nth=4))
    results = await gathered(client.endpoint("abc").map(numbered(*range(6)), via="batch", key_of=key_of))
    assert all(result.is_success for result in results.values())
    assert Counter(job.input["n"] for job in endpoint.jobs.values()) == dict.fromkeys(range(6), 1)
