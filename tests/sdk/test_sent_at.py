"""When a submit was sent: neither when its answer came, nor when it had to wait for its turn."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from runpod_sdk import RetryPolicy, SubmissionUnknownError, WaitTimeoutError
from runpod_sdk.emulator import Fault
from tests.sdk.flavours import World, both_flavours, caught


def echo(job: dict[str, Any]) -> Any:
    return job["input"]


def submits(world: World) -> list[datetime]:
    return [
        datetime.fromtimestamp(record.time, UTC)
        for record in world.emulator.requests
        if record.operation in ("run", "runsync")
    ]


@both_flavours
async def test_a_job_was_submitted_when_its_request_was_sent(world: World) -> None:
    world.emulator.endpoint("abc", echo)
    endpoint = world.client(retry=RetryPolicy(attempts=3)).endpoint("abc")
    with world.emulator.inject(Fault.delay(3, on="run")):
        job = await endpoint.run({"n": 1})
    assert job.submitted_at == submits(world)[-1]
    with world.emulator.inject(Fault.status(429, headers={"retry-after": "2"}, on="run", times=2)):
        job = await endpoint.run({"n": 2})
    assert job.submitted_at == submits(world)[-1]


@both_flavours
async def test_so_was_that_of_a_bulk_run_and_of_a_stream(world: World) -> None:
    world.emulator.endpoint("abc", echo)
    endpoint = world.client(limits="documented").endpoint("abc")
    world.emulator.inject(Fault.delay(3, on="run"))
    results: list[Any] = [result async for result in endpoint.map([{"n": n} for n in range(3)], concurrency=1)]
    assert [result.job.submitted_at for result in results] == submits(world)
    async with endpoint.stream({"n": 4}) as stream:
        assert stream.job.submitted_at == submits(world)[-1]


@both_flavours
async def test_so_was_one_that_may_have_arrived(world: World) -> None:
    world.emulator.endpoint("abc", echo)
    client = world.client(retry=RetryPolicy(attempts=2))
    world.emulator.inject(Fault.drop("after", on="run"))
    error = await caught(SubmissionUnknownError, lambda: client.endpoint("abc").run({"n": 1}, on_unknown="resubmit"))
    assert [record.submitted_at for record in client.unknowns] == submits(world)
    assert error.submitted_at == submits(world)[-1]
    assert len(submits(world)) == 2


@both_flavours
async def test_a_stream_has_one_deadline_for_its_submit_and_its_chunks(world: World) -> None:
    world.emulator.endpoint("abc", echo)
    world.emulator.inject(Fault.delay(7, on="run"))
    world.emulator.inject(Fault.stall(on="stream"))
    stream = world.client().endpoint("abc").stream({"n": 1}, 10)
    world.emulator.clock.sleep(100)  # it begins with its first chunk
    await caught(WaitTimeoutError, lambda: anext(stream))
    assert 110 <= world.now <= 115
