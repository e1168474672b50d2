"""Each call, in both flavours: what the official client returns, and where its defects are left out."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk import (
    AuthenticationError,
    JobCancelledError,
    JobExpiredError,
    JobFailedError,
    NotFoundError,
    StreamInterruptedError,
    SubmissionUnknownError,
    compat,
)
from runpod_sdk.compat.endpoint import AsyncioJob, Job, RunPodClient
from runpod_sdk.emulator import Fault, progress_update
from tests.compat.flavours import World, both

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.compat.service import Service


def upper(job: dict[str, Any]) -> dict[str, str]:
    return {"text": job["input"]["prompt"].upper()}


def letters(job: dict[str, Any]) -> Iterator[str]:
    yield from job["input"]["prompt"]


def failing(_: dict[str, Any]) -> dict[str, Any]:
    raise ValueError("bad prompt")


def failing_late(_: dict[str, Any]) -> Iterator[str]:
    yield "a"
    raise ValueError("bad prompt")


@both
async def test_a_job_is_submitted_looked_at_and_read(world: World) -> None:
    world.emulator.endpoint("e", upper)
    job = await world.endpoint().run({"input": {"prompt": "hi"}})
    assert list(world.emulator.jobs) == [job.job_id]
    assert await job.output(timeout=60) == {"text": "HI"}
    assert (await job.status(), job.job_status, job.job_output) == ("COMPLETED", "COMPLETED", {"text": "HI"})


@both
async def test_a_status_is_a_plain_str(world: World) -> None:
    world.emulator.endpoint("e", upper, workers=0)
    job = await world.endpoint().run({"prompt": "hi"})
    status = await job.status()
    assert (type(status), repr(status), job.job_status) == (str, "'IN_QUEUE'", None)


@both
async def test_what_is_sent_is_what_the_service_takes(world: World) -> None:
    world.emulator.endpoint("e", workers=0)
    endpoint = world.endpoint()
    policy = {"executionTimeout": 60_000, "ttl": 3_600_000, "lowPriority": True}
    whole = {"input": {"prompt": "hi"}, "webhook": "https://example.com/done", "policy": policy}
    requests: list[dict[str, Any]] = [whole, {"input": {}}, {"prompt": "hi"}]
    for request in requests:
        await endpoint.run(request)
    assert world.service.submits == [whole, {"input": {}}, {"input": {"prompt": "hi"}}]


@both
async def test_an_execution_timeout_beside_the_input_ends_the_job(world: World) -> None:
    world.emulator.endpoint("e")
    job = await world.endpoint().run({"input": {"mock_delay": 60}, "policy": {"executionTimeout": 5_000}})
    with pytest.raises(JobFailedError, match="timed out"):
        await job.output(timeout=60)


@both
async def test_a_failed_job_raises_and_keeps_its_status(world: World) -> None:
    world.emulator.endpoint("e", failing)
    job = await world.endpoint().run({"prompt": "hi"})
    with pytest.raises(JobFailedError, match="ValueError: bad prompt") as caught:
        await job.output(timeout=60)
    assert (await job.status(), job.job_status, job.job_output) == ("FAILED", "FAILED", None)
    with pytest.raises(JobFailedError, match="bad prompt"):
        await job.output()
    assert caught.value.job == job.native


@both
async def test_a_final_status_is_known_without_asking_again(world: World) -> None:
    world.emulator.endpoint("e", upper)
    job = await world.endpoint().run({"prompt": "hi"})
    await job.output(timeout=60)
    asked = len(world.service.operations)
    world.emulator.clock.sleep(3600)  # the service has forgotten it
    assert (await job.status(), await job.output()) == ("COMPLETED", {"text": "HI"})
    assert len(world.service.operations) == asked


@both
async def test_a_timeout_is_a_timeout_error_and_the_job_goes_on(world: World) -> None:
    world.emulator.endpoint("e", workers=0)
    job = await world.endpoint().run({"prompt": "hi"})
    began = world.service.now
    with pytest.raises(TimeoutError, match=job.job_id):
        await job.output(timeout=7)
    assert 7 <= world.service.now - began < 12.1
    assert world.service.ends == ["IN_QUEUE"]


@both
async def test_a_stream_yields_each_chunk_and_ends(world: World) -> None:
    world.emulator.endpoint("e", letters)
    job = await world.endpoint().run({"prompt": "abc"})
    assert [chunk async for chunk in job.stream()] == ["a", "b", "c"]
    assert job.job_status == "COMPLETED"


@both
async def test_a_stream_that_is_not_the_output_is_told(world: World) -> None:
    world.emulator.endpoint("e", letters, return_aggregate_stream=True)
    for nth, handed in ((1, "bcd"), (2, "acd")):
        with world.emulator.inject(Fault.lose_yield(nth=nth)):
            job = await world.endpoint().run({"prompt": "abcd"})
            received: list[str] = []
            with pytest.raises(StreamInterruptedError, match=f"differs from its output after chunk {nth - 1}"):
                await collect(job.stream(), received)
        assert "".join(received) == handed
        assert await job.output() == list("abcd")


@both
async def test_a_stream_whose_end_is_missing_gets_it_from_the_output(world: World) -> None:
    world.emulator.endpoint("e", letters, return_aggregate_stream=True)
    world.emulator.inject(Fault.lose_yield(nth=3))
    job = await world.endpoint().run({"prompt": "abc"})
    assert [chunk async for chunk in job.stream()] == ["a", "b", "c"]


async def collect(stream: AsyncIterator[str], received: list[str]) -> None:
    async for chunk in stream:
        received += [chunk]


@both
async def test_the_stream_of_a_failed_job_raises_after_its_chunks(world: World) -> None:
    world.emulator.endpoint("e", failing_late)
    job = await world.endpoint().run({"prompt": "abc"})
    stream = job.stream()
    assert await anext(stream) == "a"
    with pytest.raises(JobFailedError, match="bad prompt"):
        await anext(stream)


@both
async def test_the_stream_of_a_cancelled_job_ends(world: World) -> None:
    world.emulator.endpoint("e", letters, workers=0)
    job = await world.endpoint().run({"prompt": "abc"})
    assert await job.cancel() == {"id": job.job_id, "status": "CANCELLED"}
    with pytest.raises(JobCancelledError):
        [chunk async for chunk in job.stream()]


@both
async def test_leaving_a_stream_early_leaves_the_job_running(world: World) -> None:
    world.emulator.endpoint("e", workers=2)
    job = await world.endpoint().run({"mock_return": ["a", "b"], "mock_delay": 60})
    stream = job.stream()
    assert await anext(stream) == "a"
    await stream.aclose()
    assert world.service.ends == ["IN_PROGRESS"]


@both
async def test_cancel_of_a_finished_job_says_how_it_ended(world: World) -> None:
    world.emulator.endpoint("e", upper)
    job = await world.endpoint().run({"prompt": "hi"})
    await job.output(timeout=60)
    cancelled = await job.cancel()
    assert (type(cancelled), cancelled["status"], cancelled["output"]) == (dict, "COMPLETED", {"text": "HI"})


@both
async def test_health_is_a_dict_in_the_service_s_words(world: World) -> None:
    world.emulator.endpoint("e", workers=0)
    await world.endpoint().run({"prompt": "hi"})
    health = await world.endpoint().health()
    assert (type(health), health["jobs"]["inQueue"], health["workers"]["idle"]) == (dict, 1, 0)
    json.dumps(health)


@both
async def test_purge_queue_says_how_many(world: World) -> None:
    world.emulator.endpoint("e", workers=0)
    for _ in range(2):
        await world.endpoint().run({"prompt": "hi"})
    assert await world.endpoint().purge_queue() == {"removed": 2, "status": "completed"}


@both
@pytest.mark.filterwarnings("error")
async def test_a_wrong_key_is_a_runtime_error_too_in_every_call(world: World) -> None:
    world.emulator.endpoint("e", workers=0)
    job = await world.endpoint().run({"prompt": "hi"})
    wrong = world.endpoint(api_key="wrong")
    headers = {"authorization": "Bearer wrong"}
    unknown = (
        AsyncioJob("e", job.job_id, None, headers)
        if world.is_async
        else type(job)(Job("e", job.job_id, RunPodClient("wrong")))
    )

    async def read() -> None:
        async for _ in unknown.stream():
            pass

    calls: list[Any] = [
        lambda: wrong.run({"prompt": "hi"}),
        wrong.health,
        wrong.purge_queue,
        unknown.status,
        lambda: unknown.output(timeout=5),
        read,
        unknown.cancel,
    ]
    for call in calls:
        with pytest.raises(RuntimeError) as caught:
            await call()
        assert isinstance(caught.value, AuthenticationError)
        assert isinstance(caught.value, compat.error.AuthenticationError)
        assert caught.value.status_code == 401
        assert "wrong" not in str(caught.value)


@both
async def test_an_endpoint_that_does_not_exist_is_not_found(world: World) -> None:
    with pytest.raises(NotFoundError):
        await world.endpoint("none").run({"prompt": "hi"})


@both
async def test_a_submit_whose_answer_is_lost_is_not_repeated(world: World) -> None:
    world.emulator.endpoint("e", workers=0)
    world.emulator.inject(Fault.drop("after", times=1, on="run"))
    with pytest.raises(SubmissionUnknownError):
        await world.endpoint().run({"prompt": "hi"})
    assert len(world.emulator.jobs) == 1


@both
async def test_a_job_that_was_forgotten_is_expired(world: World) -> None:
    world.emulator.endpoint("e", upper)
    job = await world.endpoint().run({"prompt": "hi"})
    world.emulator.clock.sleep(86_500)
    with pytest.raises(JobExpiredError):
        await job.status()


@both
async def test_what_is_native_is_at_hand(world: World) -> None:
    world.emulator.endpoint("e", upper)
    job = await world.endpoint().run({"prompt": "hi"})
    native = job.native
    state = await native.wait() if world.is_async else native.wait()
    assert (state.output, state.id) == ({"text": "HI"}, job.job_id)
    assert native.submitted_at is not None


@both
async def test_no_repr_shows_the_key(world: World) -> None:
    world.emulator.endpoint("e", workers=0)
    endpoint = world.endpoint()
    job = await endpoint.run({"prompt": "hi"})
    shown = [repr(getattr(each, "inner", each)) for each in (endpoint, job)] + [repr(job.native), repr(endpoint.native)]
    assert [text for text in shown if world.emulator.api_key in text] == []


# What only one of the flavours has.


def test_run_sync_returns_the_output(service: Service) -> None:
    service.emulator.endpoint("e", upper)
    assert compat.Endpoint("e").run_sync({"input": {"prompt": "hi"}}, timeout=60) == {"text": "HI"}
    assert service.operations == ["runsync"]


@pytest.mark.slow
def test_run_sync_waits_for_hours_unless_told_otherwise(service: Service) -> None:
    service.emulator.endpoint("e")
    request = {"input": {"mock_return": "late", "mock_delay": 8_000}, "policy": {"executionTimeout": 86_400_000}}
    assert compat.Endpoint("e").run_sync(request) == "late"


def test_run_sync_of_a_failed_job_raises(service: Service) -> None:
    service.emulator.endpoint("e", failing)
    with pytest.raises(JobFailedError, match="bad prompt"):
        compat.Endpoint("e").run_sync({"prompt": "hi"})


def test_run_sync_that_times_out_leaves_the_job_and_says_which(service: Service) -> None:
    service.emulator.endpoint("e", workers=0)
    with pytest.raises(TimeoutError) as caught:
        compat.Endpoint("e").run_sync({"prompt": "hi"}, timeout=30)
    assert service.ends == ["IN_QUEUE"]
    assert getattr(caught.value, "job_id", None) in service.emulator.jobs


@pytest.mark.parametrize("job_input", ["text", ["a"], 5])
def test_an_input_that_is_no_object_is_refused_before_it_is_sent(service: Service, job_input: Any) -> None:
    service.emulator.endpoint("e", workers=0)
    with pytest.raises(TypeError, match="the service takes a JSON object"):
        compat.Endpoint("e").run({"input": job_input})
    assert service.submits == []


def test_a_warning_points_at_the_line_that_submits(service: Service) -> None:
    async def submit() -> None:
        compat.Endpoint("e").run(flat)
        await compat.AsyncioEndpoint("e", None).run(flat)

    service.emulator.endpoint("e", workers=0)
    flat = {"prompt": "hi", "webhook": "https://example.com"}
    with pytest.warns(UserWarning, match="^webhook beside") as caught:
        asyncio.run(submit())
    assert [warning.filename for warning in caught] == [__file__, __file__]
    assert service.submits == [{"input": {"prompt": "hi"}, "webhook": "https://example.com"}] * 2


def test_output_looks_once_unless_told_to_wait(service: Service) -> None:
    service.emulator.endpoint("e", workers=0)
    job = compat.Endpoint("e").run({"prompt": "hi"})
    assert job.output() is None
    assert service.operations == ["run", "status"]
    assert service.now < 1


def test_output_of_a_running_job_is_its_progress(service: Service) -> None:
    def handler(job: dict[str, Any]) -> str:
        progress_update(job, "half")
        service.emulator.clock.sleep(60)
        return "done"

    service.emulator.endpoint("e", handler)
    job = compat.Endpoint("e").run({"prompt": "hi"})
    service.emulator.clock.sleep(30)
    assert (job.output(), job.job_output) == ("half", None)
    assert job.output(timeout=60) == "done"


def test_asyncio_output_waits_for_the_end_unless_told_otherwise(service: Service) -> None:
    async def main() -> Any:
        job = await compat.AsyncioEndpoint("e", None).run({"mock_return": "late", "mock_delay": 500})
        return await job.output()

    service.emulator.endpoint("e")
    assert asyncio.run(main()) == "late"


def test_a_job_is_found_again_by_its_id(service: Service) -> None:
    service.emulator.endpoint("e", upper)
    endpoint = compat.Endpoint("e")
    kept = endpoint.run({"prompt": "hi"}).job_id
    assert Job("e", kept, endpoint.rp_client).output(timeout=60) == {"text": "HI"}

    async def again() -> Any:
        headers = compat.AsyncioEndpoint("e", None).headers
        return await AsyncioJob("e", kept, None, headers).output()

    assert asyncio.run(again()) == {"text": "HI"}


def test_a_timeout_bounds_each_request_of_health(service: Service) -> None:
    service.emulator.endpoint("e")
    service.emulator.inject(Fault.delay(60, times=1, on="health"))
    began = service.now
    assert compat.Endpoint("e").health(timeout=2)["jobs"]["inQueue"] == 0
    assert 2 <= service.now - began < 4


def test_a_timeout_bounds_purge_queue_which_is_not_repeated(service: Service) -> None:
    service.emulator.endpoint("e")
    service.emulator.inject(Fault.delay(60, times=1, on="purge-queue"))
    began = service.now
    with pytest.raises(TimeoutError):
        compat.Endpoint("e").purge_queue(timeout=2)
    assert 2 <= service.now - began < 2.1


@pytest.mark.parametrize("endpoint_id", [None, "", "a/b"])
def test_an_id_that_is_none_is_refused_when_the_endpoint_is_made(service: Service, endpoint_id: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="endpoint_id="):
        compat.Endpoint(endpoint_id)
    with pytest.raises((TypeError, ValueError), match="endpoint_id="):
        compat.AsyncioEndpoint(endpoint_id, None)
