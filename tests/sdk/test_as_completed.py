"""as_completed of both flavours: handles from anywhere, in the order in which their jobs end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from runpod_sdk import (
    AsyncClient,
    Client,
    Job,
    JobExpiredError,
    JobsError,
    NotFoundError,
    WaitTimeoutError,
    as_completed,
)
from runpod_sdk.emulator import Fault
from tests.sdk.flavours import World, bare, both_flavours, caught

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator


def sleeping(world: World) -> Callable[[dict[str, Any]], Any]:
    def handler(job: dict[str, Any]) -> Any:
        world.emulator.clock.sleep(job["input"]["seconds"])
        if job["input"].get("error"):
            raise ValueError("bad")
        return job["input"]["seconds"]

    return handler


async def pairs(jobs: Iterable[Any], timeout: float | None = None) -> AsyncIterator[tuple[Any, Any]]:  # noqa: ASYNC109
    completed: Any = as_completed([bare(job) for job in jobs], timeout)
    if hasattr(completed, "__next__"):
        for pair in cast("Iterator[Any]", completed):
            yield pair
    else:
        async for pair in completed:
            yield pair


async def listed(jobs: Iterable[Any], timeout: float | None = None) -> list[tuple[Any, Any]]:  # noqa: ASYNC109
    return [pair async for pair in pairs(jobs, timeout)]


@both_flavours
async def test_jobs_come_in_the_order_of_their_ends_whatever_these_are(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world), workers=5)
    endpoint = world.client().endpoint("abc")
    inputs = [{"seconds": seconds, "error": seconds == 20} for seconds in (30, 10, 20, 40)]
    jobs = [await endpoint.run(given) for given in inputs]
    await jobs[3].cancel()
    completed = await listed(jobs)
    assert [job.id for job, _ in completed] == [jobs[at].id for at in (3, 1, 2, 0)]
    assert [state.status for _, state in completed] == ["CANCELLED", "COMPLETED", "FAILED", "COMPLETED"]
    assert world.now == 30


@pytest.mark.slow
@both_flavours
async def test_five_hundred_ids_from_a_database(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world), workers=100)
    endpoint = world.client().endpoint("abc")
    ids = [(await endpoint.run({"seconds": 60 + number % 7})).id for number in range(500)]
    later = world.client().endpoint("abc")
    completed = await listed(later.job(one) for one in ids)
    assert sorted(job.id for job, _ in completed) == sorted(ids)
    assert {state.status for _, state in completed} == {"COMPLETED"}


@both_flavours
async def test_jobs_of_several_endpoints_and_clients(world: World) -> None:
    for name in ("one", "two"):
        world.emulator.endpoint(name, sleeping(world))
    jobs = [await world.client().endpoint(name).run({"seconds": 5}) for name in ("one", "two")]
    assert {job.endpoint_id for job, _ in await listed(jobs)} == {"one", "two"}


@both_flavours
async def test_a_job_counts_once(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world))
    endpoint = world.client().endpoint("abc")
    job = await endpoint.run({"seconds": 5})
    assert len(await listed([job, endpoint.job(job.id), job])) == 1


@both_flavours
async def test_jobs_that_are_unknown_do_not_stop_the_others(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world), workers=2)
    endpoint = world.client().endpoint("abc")
    old = await endpoint.run({"seconds": 0})
    await old.output()
    world.emulator.clock.sleep(3600)
    jobs = [endpoint.job("nosuch"), await endpoint.run({"seconds": 5}), old]
    handed: list[Any] = []

    async def collect() -> None:
        async for job, state in pairs(jobs):
            handed.append((job, state.output))

    error = await caught(JobsError, collect())
    assert handed == [(jobs[1], 5)]
    assert str(error) == "2 of 3 jobs without a known end (2 sub-exceptions)"
    assert {type(one) for one in error.exceptions} == {NotFoundError, JobExpiredError}
    assert [one.job for one in error.exceptions if isinstance(one, JobExpiredError)] == [old]


@both_flavours
async def test_one_deadline_for_all_and_the_jobs_go_on(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world), workers=3)
    endpoint = world.client().endpoint("abc")
    jobs = [await endpoint.run({"seconds": seconds}) for seconds in (10, 100, 300)]
    error = await caught(JobsError, listed(jobs, 50))
    assert world.now == 50
    assert str(error).startswith("2 of 3 jobs without a known end (2 of them when the timeout passed)")
    assert [cast("WaitTimeoutError", one).job for one in error.exceptions] == jobs[1:]
    assert error.subgroup(TimeoutError) is not None
    assert "cancel" not in world.operations
    assert len(await listed(jobs)) == 3


@both_flavours
async def test_a_timeout_of_zero_looks_once(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world), workers=2)
    endpoint = world.client().endpoint("abc")
    jobs = [await endpoint.run({"seconds": seconds}) for seconds in (0, 100)]
    await jobs[0].output()
    await caught(JobsError, listed(jobs, 0))
    assert world.operations[-2:] == ["status", "status"]
    assert world.now == 0


@both_flavours
async def test_a_lost_answer_does_not_lose_a_job(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world), workers=9)
    endpoint = world.client().endpoint("abc")
    jobs = [await endpoint.run({"seconds": 20}) for _ in range(9)]
    world.emulator.inject(Fault.drop("after", times=7, on="status-sync"))
    assert {job for job, _ in await listed(jobs)} == {bare(job) for job in jobs}


@pytest.mark.parametrize("timeout", [None, 5])
def test_no_jobs_of_no_flavour(timeout: float | None) -> None:
    import asyncio  # noqa: PLC0415  for one line

    async def main() -> list[Any]:
        return [pair async for pair in cast("Any", as_completed([], timeout))]

    nothing: list[Job] = []
    assert list(as_completed(nothing, timeout)) == asyncio.run(main()) == []


def test_bad_arguments_are_refused_at_once() -> None:
    job = Client("key").endpoint("abc").job("j")
    other = AsyncClient("key").endpoint("abc").job("k")
    with pytest.raises(TypeError, match="jobs holds AsyncJob, Job: all Job or all AsyncJob expected"):
        as_completed(cast("Any", [job, other]))
    with pytest.raises(TypeError, match="jobs holds str"):
        as_completed(cast("Any", ["id"]))
    with pytest.raises(ValueError, match="timeout=-1"):
        as_completed([job], -1)
