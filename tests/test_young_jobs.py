"""Whose 404 is believed: the table of `_jobs.py`, for every operation on a job that is known."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod_sdk import Client, JobExpiredError, NotFoundError, WaitTimeoutError
from runpod_sdk._flows._control import cancel, retry
from runpod_sdk._flows._delivery import Delivery
from runpod_sdk._flows._jobs import YOUNG, YOUNG_PAUSE_MAX, JobRef, Life, young_pause
from runpod_sdk._flows._stream import stream
from runpod_sdk._flows._wait import look, wait
from runpod_sdk.clock import VirtualClock
from runpod_sdk.emulator import Emulator, Fault
from tests.flows import Play, answer, job, play, settings
from tests.sdk.flavours import World, both_flavours, caught

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_sdk import JobState
    from runpod_sdk._flows._effects import Flow
    from runpod_sdk._flows._exchange import Settings
    from runpod_sdk._values._outcomes import Result
    from runpod_sdk._values._requests import Request

GONE: Result = answer(404, {"error": "job not found"})
FLOWS: dict[str, Callable[[Settings, JobRef, float | None], Flow[JobState]]] = {
    "status": lambda on, ref, _: look(on, ref),
    "wait": lambda on, ref, timeout: wait(on, ref, on.deadline(timeout), watched=False),
    "stream": lambda on, ref, timeout: stream(on, ref, on.deadline(timeout), Delivery("repair")),
    "cancel": lambda on, ref, timeout: cancel(on, ref, on.deadline(timeout)),
    "retry": lambda on, ref, timeout: retry(on, ref, on.deadline(timeout)),
}
ANSWERS: dict[str, Result] = {
    "cancel": job("CANCELLED"),
    "retry": job("IN_QUEUE"),
    "stream": answer(200, {"status": "COMPLETED", "stream": []}),
}
every_operation = pytest.mark.parametrize("name", FLOWS)


def asked(
    name: str,
    *,
    known_after: float = float("inf"),
    life: Life | None = None,
    is_ours: bool = True,
    timeout: float | None = None,
) -> Play[JobState]:
    """Ask about a job that the service knows from some moment on."""
    on = settings()
    ref = JobRef("abc", "j1", life, is_ours=is_ours)

    def given_(request: Request) -> Result:
        return GONE if on.now() < known_after else ANSWERS.get(request.operation, job("COMPLETED"))

    return play(on, FLOWS[name](on, ref, timeout), given_)


@every_operation
@pytest.mark.parametrize("known_after", [0.1, 4, 12, 29.9])
def test_a_job_of_ours_is_not_believed_gone_while_it_is_young(name: str, known_after: float) -> None:
    done = asked(name, known_after=known_after, life=Life(0.0))
    assert done.value.id == "j1"
    assert known_after <= done.ended_at <= known_after + YOUNG_PAUSE_MAX


@every_operation
def test_once_it_is_older_it_is(name: str) -> None:
    done = asked(name, life=Life(0.0))
    assert isinstance(done.error, NotFoundError if name in ("cancel", "retry") else JobExpiredError)
    assert YOUNG <= done.ended_at <= YOUNG + YOUNG_PAUSE_MAX
    assert len(done.sent) < 30


@every_operation
@pytest.mark.parametrize("age", [30, 31, 3600])
def test_an_older_job_is_believed_gone_at_once(name: str, age: float) -> None:
    done = asked(name, life=Life(-age))
    assert isinstance(done.error, NotFoundError | JobExpiredError)
    assert done.ended_at == 0


@every_operation
def test_a_job_is_no_longer_young_than_its_ttl(name: str) -> None:
    done = asked(name, life=Life(0.0, ttl=12))
    assert isinstance(done.error, NotFoundError | JobExpiredError)
    assert 12 <= done.ended_at <= 12 + YOUNG_PAUSE_MAX
    assert asked(name, known_after=20, life=Life(0.0, ttl=3600)).value.id == "j1"


@every_operation
@pytest.mark.parametrize("is_ours", [True, False])
def test_a_job_without_an_age_is_believed_gone_at_once(name: str, *, is_ours: bool) -> None:
    done = asked(name, is_ours=is_ours)
    assert isinstance(done.error, JobExpiredError if is_ours and name not in ("cancel", "retry") else NotFoundError)
    assert done.ended_at == 0


@pytest.mark.parametrize("name", ["wait", "stream", "cancel", "retry"])
@pytest.mark.parametrize("timeout", [0.5, 5, 20])
def test_doubt_ends_with_the_deadline(name: str, timeout: float) -> None:
    done = asked(name, life=Life(0.0), timeout=timeout)
    assert isinstance(done.error, NotFoundError if name in ("cancel", "retry") else WaitTimeoutError)
    assert done.ended_at == timeout


@pytest.mark.parametrize("name", ["status", "wait", "stream", "cancel"])
def test_a_job_whose_end_was_seen_is_believed_gone(name: str) -> None:
    life = Life(0.0)
    assert asked("status", known_after=0, life=life).value.is_final
    done = asked(name, life=life)
    assert isinstance(done.error, NotFoundError | JobExpiredError)
    assert done.ended_at == 0


def test_a_retry_of_a_job_whose_end_was_seen_is_asked_for_again() -> None:
    life = Life(0.0, has_ended=True)
    assert asked("retry", known_after=20, life=life).value.status == "IN_QUEUE"
    assert asked("wait", known_after=20, life=life).value.is_final, "it goes on, so its end is to be seen again"


def test_a_look_that_sets_the_ttl_sets_it_here_too() -> None:
    on, life = settings(), Life(0.0)
    play(on, look(on, JobRef("abc", "j1", life), ttl=15), [job("IN_PROGRESS")])
    assert life.ttl == 15
    assert asked("wait", life=life).ended_at < 15 + YOUNG_PAUSE_MAX


@given(st.integers(1, 10**6))
def test_pauses_grow_up_to_a_bound(times: int) -> None:
    assert 0.25 <= young_pause(times) <= young_pause(times + 1) <= YOUNG_PAUSE_MAX


# As users meet it.


def fast(_: dict[str, Any]) -> int:
    return 1


@both_flavours
async def test_every_operation_waits_out_a_404_of_a_fresh_job(world: World) -> None:
    world.emulator.endpoint("abc", fast)
    endpoint = world.client().endpoint("abc")

    async def is_well(operation: str, run: Callable[[Any], Any]) -> None:
        fresh = await endpoint.run({"a": 1})
        began = world.now
        times = 8  # with pauses of 0.25 s and more: 10 s
        world.emulator.inject(Fault.status(404, on=operation, times=times, when="before"))
        await run(fresh)
        assert 5 < world.now - began < YOUNG, operation
        assert world.operations.count(operation) > times

    async def chunks(of: Any) -> None:
        assert [chunk async for chunk in of.stream()] == []

    await is_well("status", lambda fresh: fresh.state())
    await is_well("cancel", lambda fresh: fresh.cancel())
    await is_well("stream", chunks)
    world.emulator.inject(Fault.status(404, on="status-sync", times=1, when="before"))
    await is_well("status", lambda fresh: fresh.output())


@both_flavours
async def test_a_retry_waits_out_a_404_of_a_fresh_job(world: World) -> None:
    def fails(_: dict[str, Any]) -> None:
        raise ValueError

    world.emulator.endpoint("abc", fails)
    fresh = await world.client().endpoint("abc").run({"a": 1})
    assert (await fresh.wait()).status == "FAILED"
    world.emulator.inject(Fault.status(404, on="retry", times=6, when="before"))
    await fresh.retry()
    assert (await fresh.wait()).status == "FAILED"
    assert world.operations.count("retry") == 7


@both_flavours
async def test_a_bulk_run_waits_out_404s_of_its_jobs(world: World) -> None:
    world.emulator.endpoint("abc", fast)
    for operation in ("status-sync", "status"):
        world.emulator.inject(Fault.status(404, on=operation, times=5, when="before"))
    results = world.client().endpoint("abc").map([{"a": 1}, {"a": 2}], concurrency=2)
    assert [result.output async for result in results] == [1, 1]


@both_flavours
async def test_a_job_that_is_abandoned_young_is_cancelled_all_the_same(world: World) -> None:
    def slow(_: dict[str, Any]) -> None:
        world.emulator.clock.sleep(3600)

    world.emulator.endpoint("abc", slow)
    world.emulator.inject(Fault.status(404, on="cancel", times=4, when="before"))
    error = await caught(WaitTimeoutError, lambda: world.client().endpoint("abc").run_sync({"a": 1}, 3))
    assert world.emulator.jobs[error.job_id].status == "CANCELLED"


class WallClock(VirtualClock):
    """A machine whose wall clock is set."""

    offset = 0.0

    def time(self) -> float:
        return super().time() + self.offset


@pytest.mark.parametrize("offset", [-3600.0, 3600.0, -1e9])
def test_a_wall_clock_that_is_set_changes_nothing(offset: float) -> None:
    clock = WallClock()
    with Emulator(clock=clock) as emulator, Client(**emulator.connection) as client:
        emulator.endpoint("abc", workers=0)
        fresh, old = (client.endpoint("abc").run({"n": n}) for n in range(2))
        clock.offset = offset
        emulator.inject(Fault.status(404, on="status", times=3, when="before"))
        assert fresh.status() == "IN_QUEUE"
        clock.sleep(YOUNG)
        emulator.reset()
        began = clock.monotonic()
        for call in (old.state, old.wait, old.output):
            with pytest.raises(JobExpiredError):
                call()
        assert clock.monotonic() == began


def test_a_handle_from_a_pickle_has_no_age() -> None:
    with Emulator() as emulator, Client(**emulator.connection) as client:
        emulator.endpoint("abc", workers=0)
        kept = pickle.loads(pickle.dumps(client.endpoint("abc").run({"n": 1})))  # noqa: S301  our own
        again = replace(kept, _client=client)
        assert again.state().status == "IN_QUEUE"
        emulator.reset()
        with pytest.raises(JobExpiredError):
            again.state()
        assert emulator.clock.monotonic() == 0
