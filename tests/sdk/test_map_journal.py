"""What a bulk run tells for a journal, and the jobs of an earlier run among its inputs; both flavours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runpod_sdk import MapResult, NotFoundError, RateLimitError, SubmissionUnknownError
from runpod_sdk.emulator import Fault
from tests.sdk.flavours import World, bare, both_flavours, caught

if TYPE_CHECKING:
    from collections.abc import Callable

Job = dict[str, Any]


async def listed(results: Any) -> list[MapResult[Any]]:
    return [result async for result in results]


def sleeping(world: World) -> Callable[[Job], Any]:
    def handler(job: Job) -> Any:
        world.emulator.clock.sleep(job["input"].get("seconds", 0))
        return job["input"]["n"]

    return handler


@both_flavours
async def test_a_submit_is_told_before_it_is_sent_and_once_its_job_is_known(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world))
    told: list[tuple[Any, str | None, int]] = []

    def on_submit(key: Any, job: Any) -> None:
        told.append((key, None if job is None else job.id, world.operations.count("run")))

    endpoint = world.client().endpoint("abc")
    results = await listed(endpoint.map({"x": {"n": 1}, "y": {"n": 2}}, concurrency=1, on_submit=on_submit))
    first, second = (job_id_of(result) for result in results)
    assert told == [("x", None, 0), ("x", first, 1), ("y", None, 1), ("y", second, 2)]


@both_flavours
async def test_a_submit_that_waits_for_its_turn_is_told_when_the_turn_comes(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world))
    world.emulator.inject(Fault.rate_limited(times=1, on="run"))
    endpoint = world.client(retry=None).endpoint("abc")
    await caught(RateLimitError, lambda: endpoint.run({"n": 0}))
    told: list[float] = []

    def on_submit(_: Any, job: Any) -> None:
        if job is None:
            told.append(world.emulator.clock.time())

    await listed(endpoint.map([{"n": n} for n in range(3)], on_submit=on_submit))
    assert told == [record.time for record in world.emulator.requests if record.operation == "run"][1:]
    assert told[0] < told[1] <= told[2], "the second waits; by its success the pace picks up"


@both_flavours
async def test_a_submit_that_is_sent_again_is_told_once(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world))
    world.emulator.inject(Fault.rate_limited(times=2, on="run"))
    told: list[Any] = []
    (result,) = await listed(world.client().endpoint("abc").map([{"n": 1}], on_submit=lambda _, job: told.append(job)))
    assert told == [None, result.job]


@both_flavours
async def test_a_callback_for_submits_may_be_a_coroutine_function(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world))
    told: list[Any] = []

    async def on_submit(key: Any, job: Any) -> None:
        told.append((key, job))

    (result,) = await listed(world.client().endpoint("abc").map([{"n": 1}], on_submit=on_submit))
    assert told == [(0, None), (0, result.job)]


@both_flavours
async def test_a_submit_that_is_refused_or_unknown_is_told_once(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world))
    world.emulator.inject(Fault.drop("after", times=1, on="run"))
    told: list[Any] = []
    inputs: list[Any] = [{"n": 0}, "no input", {"n": 2}]
    endpoint = world.client().endpoint("abc")
    results = await listed(
        endpoint.map(inputs, concurrency=1, ordered=True, on_submit=lambda key, job: told.append((key, job)))
    )
    assert [type(result.error) for result in results] == [SubmissionUnknownError, TypeError, type(None)]
    assert told == [(0, None), (2, None), (2, results[2].job)]


@both_flavours
async def test_a_job_of_which_no_note_could_be_taken_is_cancelled(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world))

    def full(_: Any, job: Any) -> None:
        if job is not None:
            raise OSError("no space left on device")

    results = world.client().endpoint("abc").map([{"n": 0, "seconds": 900}], on_submit=full)
    await caught(OSError, listed(results))
    assert [job.status for job in world.emulator.jobs.values()] == ["CANCELLED"]
    assert [result.key for result in results.abandoned] == [0]


@both_flavours
async def test_nothing_is_sent_of_which_no_note_could_be_taken(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world))

    def full(_: Any, __: Any) -> None:
        raise OSError("no space left on device")

    await caught(OSError, listed(world.client().endpoint("abc").map([{"n": 0}], on_submit=full)))
    assert world.operations == []


@both_flavours
async def test_a_job_among_the_inputs_is_waited_for_and_not_submitted(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world), workers=3)
    endpoint = world.client().endpoint("abc")
    before = await endpoint.run({"n": 1, "seconds": 60})
    told: list[Any] = []
    inputs: list[Any] = [{"n": 0}, ("kept", bare(endpoint.job(before.id)))]
    results = await listed(endpoint.map(inputs, ordered=True, on_submit=lambda key, _: told.append(key)))
    assert [(result.key, result.output) for result in results] == [(0, 0), ("kept", 1)]
    assert job_id_of(results[1]) == before.id
    assert world.operations.count("run") == 2
    assert told == [0, 0]


@both_flavours
async def test_a_job_among_the_inputs_that_is_not_known_any_more_is_a_failure(world: World) -> None:
    world.emulator.endpoint("abc")
    endpoint = world.client().endpoint("abc")
    (result,) = await listed(endpoint.map([bare(endpoint.job("gone"))]))
    assert isinstance(result.error, NotFoundError)
    assert job_id_of(result) == "gone"


@both_flavours
async def test_a_job_of_another_endpoint_is_refused_without_a_request(world: World) -> None:
    world.emulator.endpoint("abc")
    client = world.client()
    (result,) = await listed(client.endpoint("abc").map([bare(client.endpoint("other").job("j1"))]))
    assert isinstance(result.error, ValueError)
    assert world.operations == []


def job_id_of(result: MapResult[Any]) -> str:
    assert result.job is not None
    job_id: str = result.job.id
    return job_id
