"""Batches in both flavours against the emulator: submitted exactly once whatever is lost, and each result once."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import replace
from functools import partial
from typing import Any

import httpx
import pytest

from runpod_sdk import (
    APIConnectionError,
    BadRequestError,
    BatchError,
    BatchTimeoutError,
    Client,
    NotFoundError,
    PaymentRequiredError,
    RateLimitError,
    RetryPolicy,
)
from runpod_sdk._flows import _batch_api
from runpod_sdk.emulator import Emulator, Fault, Options
from tests.sdk.flavours import World, both_flavours, caught

Job = dict[str, Any]


def numbered(count: int) -> list[dict[str, Any]]:
    return [{"n": n} for n in range(count)]


def echo(job: Job) -> Any:
    if job["input"]["n"] < 0:
        raise ValueError("negative")
    return job["input"]["n"]


async def gathered(batch: Any, **how: Any) -> list[Any]:
    return [result async for result in batch.results(**how)]


@both_flavours
async def test_a_batch_from_its_draft_to_its_results(world: World) -> None:
    world.emulator.endpoint("abc", echo)
    batches = world.client().endpoint("abc").batches
    batch = await batches.create()
    await batch.add(numbered(3))
    draft = await batch.state()
    assert (draft.status, draft.is_draft, draft.is_final, draft.total) == ("DRAFT", True, False, 3)
    assert world.emulator.jobs == {}
    state = await batch.finalize()
    assert (state.status, state.is_draft) == ("FINALIZED", False)
    results = await gathered(batch, timeout=60)
    assert sorted(result.output for result in results) == [0, 1, 2]
    assert all(result.is_success and result.started_at and result.completed_at for result in results)
    assert await batch.wait(timeout=0) == await batch.state()
    assert [found.id for found in await batches.list()] == [batch.id]


@both_flavours
async def test_submit_does_it_all_and_failures_are_results(world: World) -> None:
    world.emulator.endpoint("abc", echo)
    batch = await world.client().endpoint("abc").batches.submit([{"n": 1}, {"n": -1}])
    results = await gathered(batch)
    assert Counter(result.is_success for result in results) == {True: 1, False: 1}
    (failed,) = [result for result in results if not result.is_success]
    assert "negative" in failed.error
    end = await batch.wait()
    assert (end.completed, end.failed, end.is_final) == (1, 1, True)


@both_flavours
async def test_each_input_runs_once_whatever_answer_is_lost(world: World) -> None:
    endpoint = world.emulator.endpoint("abc", echo)
    batches = world.client().endpoint("abc").batches
    for operation in ("batch-create", "batch-add", "batch-finalize", "batch-get", "batch-requests"):
        for fault in (Fault.drop("before"), Fault.drop("after"), Fault.status(502), Fault.status(502, when="after")):
            world.emulator.reset()
            world.emulator.inject(replace(fault, on=(operation,), times=2))
            batch = await batches.submit(numbered(4))
            results = await gathered(batch, timeout=600)
            assert sorted(result.output for result in results) == [0, 1, 2, 3]
            assert Counter(job.input["n"] for job in endpoint.jobs.values()) == dict.fromkeys(range(4), 1)


@both_flavours
async def test_a_lost_call_that_arrives_late_is_found_before_the_batch_runs(world: World) -> None:
    world.emulator.endpoint("abc", echo)
    endpoint = world.client().endpoint("abc")
    batch = await endpoint.batches.create()
    await batch.add(numbered(2))
    await endpoint.batches.batch(batch.id).add(numbered(2))  # as the network might do
    error = await caught(BatchError, batch.finalize)
    assert error.batch.total == 4
    assert "4 requests, 2 expected" in str(error)
    assert world.emulator.jobs == {}, "nothing was finalized"


@both_flavours
async def test_a_service_that_loses_everything_is_an_error_and_runs_nothing(world: World) -> None:
    world.emulator.endpoint("abc", echo)
    world.emulator.inject(Fault.drop("before", on="batch-add"))
    client = world.client(retry=RetryPolicy(attempts=3))
    await caught(APIConnectionError, lambda: client.endpoint("abc").batches.submit(numbered(2)))
    assert world.operations.count("batch-add") == 3
    assert "batch-finalize" not in world.operations


@pytest.mark.slow
@both_flavours
async def test_a_large_batch_goes_in_several_calls(world: World) -> None:
    world.emulator.endpoint("abc", echo, workers=8)
    batch = await world.client().endpoint("abc").batches.submit(numbered(2_500))
    assert world.operations.count("batch-add") == 3
    results = await gathered(batch, timeout=3600)
    assert sorted(result.output for result in results) == list(range(2_500))


def test_a_call_is_as_large_as_the_service_takes() -> None:
    large = [{"text": "x" * 3_000_000}] * 7
    calls = _batch_api.add("abc", "b1", large)
    assert [count for _, count in calls] == [3, 3, 1]
    assert all(len(request.content.reveal() or b"") <= 10 * 2**20 for request, _ in calls)


@pytest.mark.slow
def test_pages_that_are_sorted_anew_all_the_time_give_each_result_once() -> None:
    emulator = Emulator(options=Options(batch_order="status"))

    def slow(job: Job) -> Any:
        emulator.clock.sleep(1 + job["input"]["n"] % 7)
        if job["input"]["n"] % 3 == 0:
            raise ValueError("its turn")
        return job["input"]["n"]

    with emulator, Client(**emulator.connection) as client:
        emulator.endpoint("abc", slow, workers=5)
        batch = client.endpoint("abc").batches.submit(numbered(170))
        results = list(batch.results(timeout=3600))
    assert len({result.id for result in results}) == len(results) == 170
    assert sum(result.is_success for result in results) == 113


@both_flavours
async def test_results_come_as_they_end(world: World) -> None:
    def slow(job: Job) -> Any:
        world.emulator.clock.sleep(100 * job["input"]["n"])
        return job["input"]["n"]

    world.emulator.endpoint("abc", slow, workers=2)
    batch = await world.client().endpoint("abc").batches.submit([{"n": 1}, {"n": 5}])
    async for result in batch.results():
        if result.output == 1:
            assert 100 <= world.now < 200
    assert world.now >= 500
    assert world.operations.count("batch-requests") < 10, "pages are read when the counts have changed"


@both_flavours
async def test_a_wait_ends_with_its_timeout(world: World) -> None:
    world.emulator.endpoint("abc", workers=0)
    batch = await world.client().endpoint("abc").batches.submit(numbered(1))
    for wait in (lambda: batch.wait(timeout=30), lambda: gathered(batch, timeout=30)):
        error = await caught(BatchTimeoutError, wait)
        assert error.batch.status == "FINALIZED"
    assert 60 <= world.now < 75


@both_flavours
async def test_a_cancelled_batch_ends_with_what_there_is(world: World) -> None:
    world.emulator.endpoint("abc", workers=0)
    batch = await world.client().endpoint("abc").batches.submit(numbered(2))
    assert (await batch.cancel()).status == "CANCELLED"
    assert (await batch.wait(timeout=10)).is_final
    assert [result.status for result in await gathered(batch, timeout=10)] == ["CANCELLED", "CANCELLED"]


@both_flavours
async def test_a_failed_batch_has_ended(world: World) -> None:
    world.emulator.endpoint("abc", workers=0)
    batch = await world.client().endpoint("abc").batches.submit(numbered(2))
    world.emulator.fail_batch("abc", batch.id)
    assert (await batch.wait(timeout=10)).status == "FAILED"


@both_flavours
async def test_what_is_no_draft_is_not_changed(world: World) -> None:
    world.emulator.endpoint("abc", echo)
    batch = await world.client().endpoint("abc").batches.create()
    await batch.add(numbered(2))
    await caught(NotFoundError, lambda: batch.remove("req_nobody"))
    assert (await batch.state()).total == 2
    await batch.finalize()
    error = await caught(BatchError, batch.finalize)
    assert "only a DRAFT can be finalized" in str(error)
    await caught(BadRequestError, lambda: batch.add(numbered(1)))
    await caught(BadRequestError, lambda: batch.remove("req_nobody"))


def test_a_request_is_removed_from_a_draft() -> None:
    with Emulator() as emulator, Client(**emulator.connection) as client:
        emulator.endpoint("abc", echo)
        batch = client.endpoint("abc").batches.create()
        batch.add(numbered(2))
        headers = {"authorization": emulator.api_key}
        with httpx.Client(transport=emulator.transport, headers=headers) as http:
            page = http.get(f"{emulator.connection['base_url']}/abc/batch/{batch.id}/requests").json()
        batch.remove(page["requests"][0]["id"])
        batch.finalize()
        assert [result.output for result in batch.results(timeout=60)] == [1]


@both_flavours
async def test_pages_show_requests_as_they_are(world: World) -> None:
    world.emulator.endpoint("abc", echo)
    batch = await world.client().endpoint("abc").batches.create()
    await batch.add(numbered(3))
    first, last = await batch.page(limit=2), await batch.page(2)
    assert [len(first.results), first.has_more, len(last.results), last.has_more] == [2, True, 1, False]
    assert {request.status for request in first.results} == {"IN_QUEUE"}
    await batch.remove(first.results[0].id)
    assert (await batch.state()).total == 2
    await caught(ValueError, lambda: batch.page(-1))
    await caught(ValueError, lambda: batch.page(limit=0))
    no_number: Any = "1"
    await caught(TypeError, lambda: batch.page(no_number))


@both_flavours
async def test_a_batch_gets_a_name(world: World) -> None:
    world.emulator.endpoint("abc", echo)
    batch = await world.client().endpoint("abc").batches.create()
    await batch.update({"name": "nightly"})
    await caught(BadRequestError, lambda: batch.update({"name": 1}))
    no_mapping: Any = "nightly"
    await caught(TypeError, lambda: batch.update(no_mapping))
    await caught(TypeError, lambda: batch.update({"name": object()}))
    assert world.operations.count("batch-update") == 2


@both_flavours
async def test_a_submit_that_is_cut_off_names_its_batch(world: World) -> None:
    world.emulator.endpoint("abc", echo)
    batches = world.client().endpoint("abc").batches
    world.emulator.inject(Fault.status(402, on="batch-finalize"))
    error = await caught(PaymentRequiredError, lambda: batches.submit(numbered(1)))
    (state,) = await batches.list()
    (note,) = error.__notes__
    assert f'client.endpoint("abc").batches.batch("{state.id}").state()' in note
    assert state.is_draft


@both_flavours
async def test_ten_batches_are_the_most(world: World) -> None:
    world.emulator.endpoint("abc", echo)
    batches = world.client(retry=RetryPolicy(attempts=1)).endpoint("abc").batches
    for _ in range(10):
        await batches.create()
    await caught(RateLimitError, batches.create)


@both_flavours
async def test_bad_arguments_are_refused_before_anything_is_sent(world: World) -> None:
    world.emulator.endpoint("abc", echo)
    batches = world.client().endpoint("abc").batches
    bad: list[tuple[type[Exception], Any]] = [
        (TypeError, "text"),
        (TypeError, {"n": 1}),
        (TypeError, [1]),
        (TypeError, [{"n": b"bytes"}]),
        (ValueError, [{"n": float("nan")}]),
        (ValueError, [{}] * 5_001),
        (ValueError, [{"text": "x" * 11_000_000}]),
    ]
    for kind, inputs in bad:
        await caught(kind, partial(batches.submit, inputs))
    with pytest.raises(ValueError, match="batch_id"):
        batches.batch("../x")
    assert world.operations == []


@both_flavours
async def test_missing_results_are_an_error(world: World) -> None:
    world.emulator.endpoint("abc", echo)
    batch = await world.client().endpoint("abc").batches.submit(numbered(2))
    empty: dict[str, Any] = {"requests": [], "total": 2, "offset": 0, "limit": 50, "hasMore": False}
    world.emulator.inject(Fault.status(200, body=empty, on="batch-requests"))
    error = await caught(BatchError, gathered(batch))
    assert "2 of its results are missing" in str(error)


def test_a_handle_shows_no_key() -> None:
    with Emulator() as emulator, Client(**emulator.connection) as client:
        batches = client.endpoint("abc").batches
        assert repr(batches) == "Batches('abc')"
        assert repr(batches.batch("b1")) == "Batch('abc', 'b1')"
        assert copy.copy(batches).endpoint_id == "abc"
