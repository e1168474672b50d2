"""Waiting in both flavours, in virtual time: progress, timeouts, what becomes of the job, and interruptions."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk import (
    APIConnectionError,
    AuthenticationError,
    InternalServerError,
    JobExpiredError,
    JobFailedError,
    JobState,
    NotFoundError,
    PollPolicy,
    RateLimitError,
    WaitTimeoutError,
)
from runpod_sdk.emulator import Fault, progress_update
from tests.sdk.flavours import World, both_flavours, caught

if TYPE_CHECKING:
    from collections.abc import Callable

Job = dict[str, Any]


def slow(world: World, seconds: float) -> Callable[[Job], Any]:
    def handler(job: Job) -> Any:
        world.emulator.clock.sleep(seconds)
        return job["input"]

    return handler


def notes(error: BaseException) -> str:
    return "\n".join(getattr(error, "__notes__", []))


@both_flavours
async def test_an_hour_of_waiting_takes_no_time(world: World) -> None:
    world.emulator.endpoint("abc", slow(world, 3600))
    job = await world.client().endpoint("abc").run({"a": 1}, execution_timeout=7200)
    assert (await job.wait()).output == {"a": 1}
    assert world.now == 3600
    assert world.operations == ["run"] + ["status-sync"] * 41  # of 30 and 60 seconds, then of 90


def counting(world: World) -> Callable[[Job], str]:
    def handler(job: Job) -> str:
        for step in range(3):
            progress_update(job, step)
            world.emulator.clock.sleep(20)
        return "done"

    return handler


@both_flavours
async def test_progress_is_told_on_the_way_and_is_never_the_result(world: World) -> None:
    world.emulator.endpoint("abc", counting(world))
    endpoint = world.client().endpoint("abc")
    for call in (endpoint.run_sync, None):
        seen: list[JobState] = []
        if call is None:
            job = await endpoint.run({"a": 1})
            assert await job.output(on_update=seen.append) == "done"
        else:
            assert await call({"a": 1}, on_update=seen.append) == "done"
        assert [state.progress for state in seen if state.status == "IN_PROGRESS"][-3:] == [0, 1, 2]
        assert [state.output for state in seen[:-1]] == [None] * (len(seen) - 1)
        assert (seen[-1].status, seen[-1].output, seen[-1].progress) == ("COMPLETED", "done", None)
        assert all(one != two for one, two in pairwise(seen))


@both_flavours
async def test_an_update_is_told_of_a_job_that_ends_at_once_too(world: World) -> None:
    world.emulator.endpoint("abc", slow(world, 0))
    seen: list[JobState] = []
    await world.client().endpoint("abc").run_sync({"a": 1}, on_update=seen.append)
    assert [state.status for state in seen] == ["COMPLETED"]


# Timeouts, and what becomes of the job.


@both_flavours
async def test_wait_lets_the_job_go_on(world: World) -> None:
    world.emulator.endpoint("abc", slow(world, 100))
    job = await world.client().endpoint("abc").run({"a": 1})
    error = await caught(WaitTimeoutError, lambda: job.wait(30))
    assert world.now == 30
    assert (error.job, error.job_id, error.endpoint_id) == (getattr(job, "inner", job), job.id, "abc")
    assert error.state is not None
    assert error.state.status == "IN_PROGRESS"
    assert f'The job goes on. Re-attach: client.endpoint("abc").job("{job.id}")' in notes(error)
    assert isinstance(error, TimeoutError)
    assert await job.output() == {"a": 1}
    assert world.now == 100


@both_flavours
async def test_wait_cancels_if_it_is_told_to(world: World) -> None:
    world.emulator.endpoint("abc", slow(world, 100))
    job = await world.client().endpoint("abc").run({"a": 1})
    error = await caught(WaitTimeoutError, lambda: job.output(30, on_abandon="cancel"))
    assert f"The job was cancelled ({job.id})" in notes(error)
    assert world.emulator.jobs[job.id].status == "CANCELLED"


@both_flavours
async def test_run_sync_cancels_a_job_that_nobody_has_a_handle_on(world: World) -> None:
    world.emulator.endpoint("abc", slow(world, 100))
    error = await caught(WaitTimeoutError, lambda: world.client().endpoint("abc").run_sync({"a": 1}, 30))
    assert f"The job was cancelled ({error.job_id})" in notes(error)
    assert world.emulator.jobs[error.job_id].status == "CANCELLED"
    assert world.now == 30


@both_flavours
async def test_run_sync_lets_it_go_on_if_it_is_told_to(world: World) -> None:
    world.emulator.endpoint("abc", slow(world, 100))
    call = world.client().endpoint("abc").run_sync
    error = await caught(WaitTimeoutError, lambda: call({"a": 1}, 0, on_abandon="detach"))
    assert "The job goes on" in notes(error)
    assert error.job is not None
    assert world.operations == ["run"]
    assert await world.client().endpoint("abc").job(error.job_id).output() == {"a": 1}


@both_flavours
async def test_a_job_that_cannot_be_cancelled_is_said_to_go_on(world: World) -> None:
    world.emulator.endpoint("abc", slow(world, 100))
    world.emulator.inject(Fault.status(500, on="cancel"))
    error = await caught(WaitTimeoutError, lambda: world.client().endpoint("abc").run_sync({"a": 1}, 30))
    assert "It could not be cancelled (InternalServerError: cancel of job" in notes(error)
    assert "The job goes on" in notes(error)
    assert world.now <= 41


@both_flavours
async def test_a_timeout_of_zero_looks_once(world: World) -> None:
    world.emulator.endpoint("abc", slow(world, 100))
    job = await world.client().endpoint("abc").run({"a": 1})
    await caught(WaitTimeoutError, lambda: job.wait(0))
    assert (world.operations, world.now) == (["run", "status"], 0)
    assert await job.output() == {"a": 1}
    assert (await job.wait(0)).output == {"a": 1}


@both_flavours
async def test_a_callback_that_raises_ends_the_call_and_the_job(world: World) -> None:
    world.emulator.endpoint("abc", slow(world, 100))

    def refuse(state: JobState) -> None:
        raise LookupError(state.id)

    endpoint = world.client().endpoint("abc")
    error = await caught(LookupError, lambda: endpoint.run_sync({"a": 1}, on_update=refuse))
    assert "The job was cancelled" in notes(error)
    assert world.emulator.jobs[str(error.args[0])].status == "CANCELLED"
    job = await endpoint.run({"a": 1})
    error = await caught(LookupError, lambda: job.wait(on_update=refuse))
    assert "The job goes on" in notes(error)


# One last look, and what a cancel finds.


@both_flavours
async def test_a_job_that_ended_while_its_wait_heard_nothing_gives_its_output(world: World) -> None:
    world.emulator.endpoint("abc", slow(world, 5))
    endpoint = world.client().endpoint("abc")
    for timeout in (10, 60, 85, 200):
        for call in (endpoint.run_sync, partial(output_of, endpoint)):
            began = world.now
            with world.emulator.inject(Fault.stall(on="status-sync", times=1)):
                assert await call({"a": 1}, timeout) == {"a": 1}
            assert world.now - began <= min(timeout + 5, 50)
    assert "cancel" not in world.operations


async def output_of(endpoint: Any, given: dict[str, int], timeout: float) -> Any:  # noqa: ASYNC109  the SDK's own
    return await (await endpoint.run(given)).output(timeout)


@both_flavours
async def test_a_cancel_that_finds_the_job_completed_gives_its_output_to_who_waits(world: World) -> None:
    world.emulator.endpoint("abc", slow(world, 5))
    endpoint = world.client().endpoint("abc")
    for fault in (Fault.drop(on=["status", "status-sync"]), Fault.status(503, on=["status", "status-sync"])):
        with world.emulator.inject(fault):
            seen: list[JobState] = []
            assert await endpoint.run_sync({"a": 1}, 30, on_update=seen.append) == {"a": 1}
            assert seen[-1].output == {"a": 1}
            job = await endpoint.run({"a": 1})
            assert await job.output(30, on_abandon="cancel") == {"a": 1}
            error = await caught(WaitTimeoutError, partial(job.output, 30))
            assert "The job goes on" in notes(error)


@both_flavours
async def test_a_job_that_failed_meanwhile_raises_that_and_not_a_timeout(world: World) -> None:
    def fails(_: Job) -> None:
        world.emulator.clock.sleep(5)
        raise LookupError("bad prompt")

    world.emulator.endpoint("abc", fails)
    with world.emulator.inject(Fault.drop(on=["status", "status-sync"])):
        error = await caught(JobFailedError, lambda: world.client().endpoint("abc").run_sync({"a": 1}, 30))
    assert "bad prompt" in str(error)


@both_flavours
async def test_a_bulk_run_keeps_what_the_cancel_of_a_lost_job_finds(world: World) -> None:
    world.emulator.endpoint("abc", slow(world, 5))
    client = world.client(poll=PollPolicy(outage=60))
    with world.emulator.inject(Fault.drop(on=["status", "status-sync"])):
        results = [result async for result in client.endpoint("abc").map([{"a": 1}, {"a": 2}])]
    assert [result.output for result in sorted(results, key=lambda result: result.index)] == [{"a": 1}, {"a": 2}]


@both_flavours
async def test_a_callback_that_raises_is_raised_though_the_job_has_ended(world: World) -> None:
    world.emulator.endpoint("abc", slow(world, 0))

    def refuse(state: JobState) -> None:
        raise LookupError(state.id)

    await caught(LookupError, lambda: world.client().endpoint("abc").run_sync({"a": 1}, on_update=refuse))


# Troubles on the way.


@both_flavours
async def test_a_wait_survives_what_comes_between(world: World) -> None:
    world.emulator.endpoint("abc", slow(world, 250))
    job = await world.client().endpoint("abc").run({"a": 1})
    world.emulator.inject(Fault.stall(on="status-sync", times=1))
    world.emulator.inject(Fault.drop(on="status-sync", times=10))
    world.emulator.inject(Fault.html(503, on="status-sync", times=10))
    assert await job.output() == {"a": 1}
    assert 250 <= world.now < 300


@both_flavours
async def test_a_wait_gives_up_in_the_end_and_says_how_to_come_back(world: World) -> None:
    world.emulator.endpoint("abc", slow(world, 5000))
    client = world.client(poll=PollPolicy(outage=60))
    job = await client.endpoint("abc").run({"a": 1}, execution_timeout=6000)
    with world.emulator.inject(Fault.status(503)):
        assert "The job goes on" in notes(await caught(InternalServerError, job.wait))
    with world.emulator.inject(Fault.drop()):
        assert "The job goes on" in notes(await caught(APIConnectionError, job.wait))
    assert world.now < 200


@pytest.mark.slow
@both_flavours
async def test_a_wait_and_a_bulk_run_end_where_nothing_but_refusals_comes(world: World) -> None:
    world.emulator.endpoint("abc", slow(world, 5000))
    endpoint = world.client().endpoint("abc")
    looks = ["status", "status-sync"]
    for fault, kind, limit in (
        (Fault.status(521, on=looks), InternalServerError, 300),
        (Fault.status(530, on=looks), InternalServerError, 300),
        (Fault.rate_limited(5, on=looks), RateLimitError, 900),
    ):
        job = await endpoint.run({"a": 1}, execution_timeout=6000)
        with world.emulator.inject(fault):
            began = world.now
            assert "The job goes on" in notes(await caught(kind, job.wait))
            assert limit <= world.now - began < limit + 110
            began = world.now
            results = [result async for result in endpoint.map([{"a": 1}], execution_timeout=6000)]
            assert [type(result.error) for result in results] == [kind]
            assert limit <= world.now - began < limit + 110


@both_flavours
async def test_where_only_held_looks_are_refused_the_job_is_polled(world: World) -> None:
    world.emulator.endpoint("abc", slow(world, 2000))
    world.emulator.inject(Fault.rate_limited(5, on="status-sync"))
    job = await world.client().endpoint("abc").run({"a": 1}, execution_timeout=6000)
    assert await job.output() == {"a": 1}
    assert 2000 <= world.now < 2006


@both_flavours
async def test_a_service_that_does_not_hold_is_polled(world: World) -> None:
    world.emulator.endpoint("abc", slow(world, 100))
    world.emulator.inject(Fault.status(405, on="status-sync"))
    job = await world.client().endpoint("abc").run({"a": 1})
    assert await job.output() == {"a": 1}
    assert 100 <= world.now < 105
    assert 20 < world.operations.count("status") < 40


@both_flavours
async def test_a_404_right_after_the_submit_is_waited_out(world: World) -> None:
    world.emulator.endpoint("abc", slow(world, 100))
    endpoint = world.client().endpoint("abc")
    too_early = [Fault.status(404, on=on, times=3) for on in ("status-sync", "status", "stream")]
    for fault in too_early:
        world.emulator.inject(fault)
    assert await endpoint.run_sync({"a": 1}) == {"a": 1}
    job = await endpoint.run({"a": 1})
    for fault in too_early:
        world.emulator.inject(fault)
    assert await job.status() == "IN_PROGRESS"
    assert await job.output() == {"a": 1}
    await caught(NotFoundError, lambda: endpoint.job("j1").state())


@both_flavours
async def test_a_job_that_was_forgotten_has_expired(world: World) -> None:
    world.emulator.endpoint("abc", slow(world, 1))
    client = world.client()
    job = await client.endpoint("abc").run({"a": 1})
    await job.wait()
    world.emulator.clock.sleep(1801)
    for call in (job.state, job.wait, job.output, job.status):
        error = await caught(JobExpiredError, call)
        assert "the service no longer knows job" in str(error)
    again = client.endpoint("abc").job(job.id)
    assert "The job goes on" not in notes(await caught(NotFoundError, again.wait))


@both_flavours
async def test_a_wait_ends_when_the_ttl_does(world: World) -> None:
    world.emulator.endpoint("abc", workers=0)
    job = await world.client().endpoint("abc").run({"a": 1}, ttl=120)
    error = await caught(JobExpiredError, job.wait)
    assert world.now == 120
    assert error.state is not None
    assert error.state.status == "IN_QUEUE"
    assert "120 s after it was submitted" in str(error)


@both_flavours
async def test_a_refusal_ends_a_wait(world: World) -> None:
    world.emulator.endpoint("abc", slow(world, 100))
    job = await world.client().endpoint("abc").run({"a": 1})
    with world.emulator.inject(Fault.status(401)):
        await caught(AuthenticationError, job.wait)


@both_flavours
async def test_a_submit_that_took_its_time_does_not_make_a_404_believable(world: World) -> None:
    world.emulator.endpoint("abc", slow(world, 100))
    world.emulator.inject(Fault.rate_limited(30, on="run", times=1))
    job = await world.client().endpoint("abc").run({"a": 1})
    assert world.now == 30
    world.emulator.inject(Fault.status(404, on="status-sync", times=3))
    world.emulator.inject(Fault.status(404, on="status", times=3))
    assert await job.output() == {"a": 1}


# Why a job waits.


@both_flavours
async def test_a_job_that_stays_in_the_queue_is_explained_to_who_watches(world: World) -> None:
    world.emulator.endpoint("abc", slow(world, 100))
    endpoint = world.client().endpoint("abc")
    jobs = [await endpoint.run({"a": 1}) for _ in range(3)]
    seen: list[JobState] = []
    assert await jobs[-1].output(on_update=seen.append) == {"a": 1}
    told = [str(state.queue_reason) for state in seen if state.queue_reason is not None]
    assert told[0] == "all running workers are busy (1); jobs in the queue: 2"
    assert told[-1] == "all running workers are busy (1); jobs in the queue: 1"
    assert seen[-1].queue_reason is None
    assert world.operations.count("health") <= 4


@both_flavours
async def test_the_reason_is_in_the_error_of_a_wait_that_timed_out(world: World) -> None:
    world.emulator.endpoint("abc", slow(world, 1), workers=0)
    call = world.client().endpoint("abc").run_sync
    error = await caught(WaitTimeoutError, lambda: call({"a": 1}, 60, on_update=str))
    assert "last seen IN_QUEUE: the endpoint has no workers" in str(error)
    assert world.now == 60
    world.emulator.inject(Fault.status(500, on="health"))
    error = await caught(WaitTimeoutError, lambda: call({"a": 1}, 60, on_update=str))
    assert str(error).endswith("last seen IN_QUEUE")
    assert world.now == 120


@both_flavours
async def test_where_nobody_watches_why_is_asked_once_when_time_is_up(world: World) -> None:
    world.emulator.endpoint("abc", slow(world, 1), workers=0)
    error = await caught(WaitTimeoutError, lambda: world.client().endpoint("abc").run_sync({"a": 1}, 600))
    assert "last seen IN_QUEUE: the endpoint has no workers" in str(error)
    assert world.operations.count("health") == 1
    assert world.now == 600
