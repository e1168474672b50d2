"""Every operation of both flavours against the emulator: what goes out, what comes back, what is raised."""

from __future__ import annotations

import copy
import json
import pickle
import re
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from runpod_sdk import (
    AsyncClient,
    AuthenticationError,
    BadRequestError,
    JobCancelledError,
    JobCounts,
    JobFailedError,
    JobTimedOutError,
    NotFoundError,
    PayloadTooLargeError,
    PurgeResult,
    RateLimitError,
    RetryPolicy,
    S3Config,
    SubmissionUnknownError,
    WorkerCounts,
)
from runpod_sdk.clock import VIRTUAL_EPOCH
from runpod_sdk.emulator import Fault
from tests.sdk.flavours import World, both_flavours, caught

Job = dict[str, Any]


def echo(job: Job) -> Any:
    return job["input"]


def slow(world: World, seconds: float = 60) -> Any:
    def handler(job: Job) -> Any:
        world.emulator.clock.sleep(seconds)
        return job["input"]

    return handler


# run, and what is known of a job.


@both_flavours
async def test_run_returns_a_handle_as_soon_as_the_job_is_queued(world: World) -> None:
    world.emulator.endpoint("abc", slow(world))
    job = await world.client().endpoint("abc").run({"a": 1})
    assert (job.endpoint_id, world.now) == ("abc", 0)
    assert job.submitted_at == datetime.fromtimestamp(VIRTUAL_EPOCH, UTC)
    assert world.emulator.jobs[job.id].input == {"a": 1}
    assert await job.status() == "IN_PROGRESS"
    assert await job.output() == {"a": 1}
    assert await job.status() == "COMPLETED"
    assert world.now == 60


@both_flavours
async def test_an_input_arrives_untouched_and_falsy_outputs_stay_what_they_are(world: World) -> None:
    world.emulator.endpoint("abc", lambda job: job["input"].get("return", job["input"]))
    endpoint = world.client().endpoint("abc")
    values: list[Any] = [None, False, 0, "", [], {"ä": "\ud83d"}]
    for value in values:
        assert await endpoint.run_sync({"return": value}) == value
        assert await (await endpoint.run({"return": value})).output() == value
    job = await endpoint.run({})
    assert world.emulator.jobs[job.id].input == {}


@both_flavours
async def test_a_misspelt_argument_is_answered_by_the_one_that_was_meant(world: World) -> None:
    endpoint = world.client().endpoint("abc")
    misspelt: list[tuple[Any, str, str]] = [
        (endpoint.run, "timout", "; did you mean 'timeout'?"),
        (endpoint.run_sync, "on_abandn", "; did you mean 'on_abandon'?"),
        (endpoint.stream, "on_gapp", "; did you mean 'on_gap'?"),
        (endpoint.map, "concurency", "; did you mean 'concurrency'?"),
        (endpoint.map, "execution_timeut", "; did you mean 'execution_timeout'?"),
        (endpoint.run, "concurrency", ""),
    ]
    for method, name, meant in misspelt:
        with pytest.raises(TypeError, match=f"^unexpected argument {name!r}{re.escape(meant)}$"):
            await method({"a": {}}, **{name: 3})
    assert world.emulator.requests == []


@both_flavours
async def test_an_id_of_another_endpoint_is_told_as_one_that_may_be(world: World) -> None:
    world.emulator.endpoint("abc", echo)
    world.emulator.endpoint("other", echo)
    kept = (await world.client().endpoint("abc").run({"a": 1})).id
    with pytest.raises(NotFoundError, match=r"has expired .*, or its id is of another endpoint$"):
        await world.client().endpoint("other").job(kept).output(timeout=60)


@both_flavours
async def test_an_input_within_an_input_is_warned_of_where_it_stands(world: World) -> None:
    world.emulator.endpoint("abc", echo)
    endpoint = world.client().endpoint("abc")
    with pytest.warns(UserWarning, match='holds an "input" of its own') as warned:
        assert await endpoint.run_sync({"input": {"a": 1}}) == {"input": {"a": 1}}
    if world.kind is AsyncClient:  # the sync one is called by its dress
        assert warned[0].filename == __file__


@both_flavours
async def test_so_is_a_test_of_a_worker_and_nothing_else(world: World) -> None:
    world.emulator.endpoint("abc", echo)
    endpoint = world.client().endpoint("abc")
    for beside in ({"id": "x"}, {"name": "basic", "timeout": 9000}, {"expected_output": 1}, {"_comment": "x"}):
        with pytest.warns(UserWarning, match='holds an "input" of its own'):
            assert await endpoint.run_sync({"input": {"a": 1}, **beside}) == {"input": {"a": 1}, **beside}
    for own in ({"input": {"a": 1}, "size": 2}, {"input": "text", "name": "x"}):
        assert await endpoint.run_sync(own) == own  # warnings are errors


@both_flavours
async def test_options_arrive(world: World) -> None:
    seen: list[Job] = []
    world.emulator.endpoint("abc", seen.append)
    bucket = S3Config(access_id="i", access_secret="s", bucket_name="b", endpoint_url="https://e")  # noqa: S106  a test's
    job = await world.client().endpoint("abc").run({"a": 1}, low_priority=True, s3_config=bucket, ttl=100)
    await job.wait()
    assert world.emulator.jobs[job.id].low_priority
    assert seen[0]["s3Config"]["accessSecret"] == "s"


@both_flavours
async def test_bad_arguments_are_refused_before_any_request(world: World) -> None:
    world.emulator.endpoint("abc", echo)
    client = world.client()
    endpoint = client.endpoint("abc")
    calls: list[Any] = [endpoint.run, endpoint.run_sync]
    for call in calls:
        await caught(TypeError, partial(call, [1]))
        await caught(ValueError, partial(call, {"x": float("nan")}))
        error = await caught(ValueError, partial(call, {}, execution_timeout=900_000))
        assert str(error).endswith("seconds expected; 900000 ms is 900 s")
        await caught(ValueError, partial(call, {}, timeout=-1))
    await caught(ValueError, lambda: endpoint.run_sync({}, on_abandon="forget"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await caught(ValueError, lambda: endpoint.job("j1").wait(-1))
    await caught(ValueError, lambda: endpoint.job("j1").state(ttl=1))
    for make in (lambda: client.endpoint("a/b"), lambda: endpoint.job("..")):
        with pytest.raises(ValueError, match="1 to 128 of the characters"):
            make()
    wrong: list[Any] = [{"on_gap": "ignore"}, {"on_abandon": "forget"}, {"timeout": -1}]
    for options in wrong:
        with pytest.raises(ValueError, match="expected"):
            endpoint.stream({}, **options)
    assert world.operations == []


@both_flavours
async def test_a_job_is_found_again_by_its_id(world: World) -> None:
    world.emulator.endpoint("abc", echo)
    job = await world.client().endpoint("abc").run({"a": 1})
    again = world.client().endpoint("abc").job(job.id)
    assert (again.submitted_at, again == job, hash(again) == hash(job)) == (None, True, True)
    assert await again.output() == {"a": 1}


@both_flavours
async def test_a_state_has_all_that_is_known(world: World) -> None:
    world.emulator.endpoint("abc", slow(world, 1.5))
    job = await world.client().endpoint("abc").run({"a": 1})
    running = await job.state()
    assert (running.status, running.output, running.is_final) == ("IN_PROGRESS", None, False)
    state = await job.wait()
    assert (state.id, state.status, state.output, state.is_success) == (job.id, "COMPLETED", {"a": 1}, True)
    assert (state.delay_time_ms, state.execution_time_ms, state.retries) == (0, 1500, 0)
    assert state.raw["workerId"] == state.worker_id


@both_flavours
async def test_a_ttl_can_be_set_later(world: World) -> None:
    world.emulator.endpoint("abc", workers=0)
    job = await world.client().endpoint("abc").run({})
    await job.state(ttl=100)
    world.emulator.clock.sleep(101)
    assert job.id not in world.emulator.jobs


# run_sync


@both_flavours
async def test_run_sync_is_one_request_for_a_quick_job(world: World) -> None:
    world.emulator.endpoint("abc", slow(world, 0.9))
    assert await world.client().endpoint("abc").run_sync({"a": 1}) == {"a": 1}
    assert world.operations == ["runsync"]
    assert world.now == 0.9


@both_flavours
async def test_run_sync_goes_on_by_id(world: World) -> None:
    world.emulator.endpoint("abc", slow(world, 500))
    assert await world.client().endpoint("abc").run_sync({"a": 1}) == {"a": 1}
    assert world.operations == ["runsync"] + ["status-sync"] * 17  # 30 s each: the result is kept for a minute
    assert world.now == 500


@both_flavours
async def test_run_sync_with_less_than_a_second_does_not_hold_the_submit(world: World) -> None:
    world.emulator.endpoint("abc", slow(world, 0.25))
    assert await world.client().endpoint("abc").run_sync({"a": 1}, timeout=0.5) == {"a": 1}
    assert world.operations[0] == "run"
    assert world.now <= 0.5


# How jobs end.


def failing(job: Job) -> None:
    raise ValueError(job["input"]["message"])


@both_flavours
async def test_a_job_that_fails_raises_its_error(world: World) -> None:
    world.emulator.endpoint("abc", failing)
    endpoint = world.client().endpoint("abc")
    job = await endpoint.run({"message": "bad prompt"})
    state = await job.wait()
    assert state.status == "FAILED"
    for call in (job.output, lambda: endpoint.run_sync({"message": "bad prompt"})):
        error = await caught(JobFailedError, call)
        assert (error.error_type, error.error_message) == ("ValueError", "bad prompt")
        assert "bad prompt" in (error.worker_traceback or "")
        assert error.worker_id == state.worker_id
        assert str(error) == (
            f'job {error.job_id} on endpoint "abc" failed on worker {error.worker_id} after 0.0 s: '
            "ValueError: bad prompt"
        )
        assert error.state is not None
        assert error.job is not None
        assert (error.job.id, error.state.id) == (error.job_id, error.job_id)
        assert pickle.loads(pickle.dumps(error)).error_type == "ValueError"  # noqa: S301  ours


@both_flavours
async def test_an_error_that_is_text_is_kept_as_text(world: World) -> None:
    world.emulator.endpoint("abc", lambda _: {"error": "no such voice", "hint": 1})
    error = await caught(JobFailedError, lambda: world.client().endpoint("abc").run_sync({}))
    assert (error.error_type, error.error_message) == (None, "no such voice")
    assert error.state is not None
    assert error.state.output == {"hint": 1}


@both_flavours
async def test_a_job_that_runs_too_long_raises_its_error(world: World) -> None:
    world.emulator.endpoint("abc", slow(world, 60))
    error = await caught(JobTimedOutError, lambda: world.client().endpoint("abc").run_sync({}, execution_timeout=5))
    assert "timed out on worker" in str(error)
    assert world.now == 5


@both_flavours
async def test_a_cancelled_job_raises_its_error(world: World) -> None:
    world.emulator.endpoint("abc", slow(world))
    job = await world.client().endpoint("abc").run({})
    assert (await job.cancel()).status == "CANCELLED"
    assert (await job.wait()).status == "CANCELLED"
    await caught(JobCancelledError, job.output)


@both_flavours
async def test_cancelling_what_has_ended_returns_its_end(world: World) -> None:
    world.emulator.endpoint("abc", echo)
    job = await world.client().endpoint("abc").run({"a": 1})
    await job.wait()
    assert (await job.cancel()).output == {"a": 1}


@both_flavours
async def test_a_failed_job_can_be_retried_under_its_id(world: World) -> None:
    def once(job: Job, tries: list[int] = []) -> int:  # noqa: B006  remembered on purpose
        tries.append(1)
        if len(tries) % 2:
            raise ValueError(job["id"])
        return len(tries)

    world.emulator.endpoint("abc", once)
    job = await world.client().endpoint("abc").run({"a": 1})
    await caught(JobFailedError, job.output)
    again = await job.retry()
    assert again == job
    assert await again.output() == 2
    error = await caught(BadRequestError, job.retry)
    assert "only a FAILED or TIMED_OUT job can be retried" in str(error)


@both_flavours
async def test_health_and_purge(world: World) -> None:
    world.emulator.endpoint("abc", slow(world), workers=1)
    endpoint = world.client().endpoint("abc")
    for _ in range(3):
        await endpoint.run({})
    health = await endpoint.health()
    assert health.jobs == JobCounts(in_progress=1, in_queue=2)
    assert health.workers == WorkerCounts(running=1)
    assert await endpoint.purge_queue() == PurgeResult(removed=2, status="completed")
    assert (await endpoint.health()).jobs.in_queue == 0


# What the service refuses.


@both_flavours
async def test_a_wrong_key_and_an_unknown_endpoint(world: World) -> None:
    world.emulator.endpoint("abc", echo)
    error = await caught(
        AuthenticationError, lambda: world.client(api_key="hunter2").endpoint("abc").run({"x": "hunter3"})
    )
    assert str(error) == 'run on endpoint "abc": HTTP 401: invalid api key; check the API key'
    assert (error.operation, error.endpoint_id, error.status_code) == ("run", "abc", 401)
    await caught(NotFoundError, lambda: world.client().endpoint("abd").run({}))
    assert world.operations.count("run") == 0


@both_flavours
async def test_a_body_above_the_limit(world: World) -> None:
    world.emulator.endpoint("abc", echo)
    endpoint = world.client().endpoint("abc")
    await caught(ValueError, lambda: endpoint.run({"x": "a" * 10 * 2**20}))
    world.emulator.inject(
        Fault.status(400, body={"status": 400, "detail": "exceeded max body size of 10MiB"}, on="run")
    )
    error = await caught(PayloadTooLargeError, lambda: endpoint.run({"x": "a"}))
    assert isinstance(error, BadRequestError)


@both_flavours
async def test_refusals_are_repeated_and_their_wait_is_obeyed(world: World) -> None:
    world.emulator.endpoint("abc", echo)
    world.emulator.inject(Fault.rate_limited(7, on="run", times=2))
    job = await world.client().endpoint("abc").run({"a": 1})
    assert world.now >= 14
    assert await job.output() == {"a": 1}
    assert len(world.emulator.jobs) == 1


@both_flavours
async def test_refusals_end_after_all_attempts(world: World) -> None:
    world.emulator.endpoint("abc", echo)
    world.emulator.inject(Fault.rate_limited(3, on="run"))
    client = world.client(retry=RetryPolicy(attempts=3))
    error = await caught(RateLimitError, lambda: client.endpoint("abc").run({}))
    assert str(error) == 'run on endpoint "abc": HTTP 429 after 3 attempts: rate limit exceeded; retry after 3.0 s'
    assert world.operations == ["run"] * 3


# Submits of which nobody knows.


@both_flavours
async def test_a_lost_answer_to_a_submit_is_told_and_not_repeated(world: World) -> None:
    world.emulator.endpoint("abc", echo)
    client = world.client()
    calls: list[Any] = [client.endpoint("abc").run, client.endpoint("abc").run_sync]
    for operation, call in zip(("run", "runsync"), calls, strict=True):
        lost = Fault.drop("after", on=operation)
        for fault in (lost, Fault.html(502, when="after", on=operation), Fault.truncate(on=operation)):
            before = len(world.emulator.jobs)
            with world.emulator.inject(fault):
                error = await caught(SubmissionUnknownError, partial(call, {"x": "hunter2"}))
            assert len(world.emulator.jobs) == before + 1
            record = client.unknowns[-1]
            assert (record.endpoint_id, record.operation) == ("abc", operation)
            assert (record.input_sha256, record.submitted_at) == (error.input_sha256, error.submitted_at)
            assert record.status_code == error.status_code
            assert "hunter2" not in f"{error}{record}{error.__cause__}"
    assert [record.cause for record in client.unknowns[:2]] == ["RemoteProtocolError", "HTTP 502"]
    assert len(client.unknowns) == 6


@both_flavours
async def test_resubmit_is_the_callers_word(world: World) -> None:
    world.emulator.endpoint("abc", echo)
    world.emulator.inject(Fault.drop("after", on="run", times=1))
    job = await world.client().endpoint("abc").run({"a": 1}, on_unknown="resubmit")
    assert await job.output() == {"a": 1}
    assert len(world.emulator.jobs) == 2


# Clients.


@both_flavours
async def test_other_options_over_the_same_connections(world: World) -> None:
    world.emulator.endpoint("abc", echo)
    world.emulator.inject(Fault.status(503, on="health"))
    client = world.client()
    other = client.with_options(retry=None)
    await caught_5xx(other)
    assert world.operations == ["health"]
    await caught_5xx(client)
    assert len(world.operations) == 6
    await caught_5xx(other.with_options(timeout=5))
    assert len(world.operations) == 7
    assert other.unknowns is not None
    await other.aclose()
    await caught(RuntimeError, lambda: client.endpoint("abc").health())


async def caught_5xx(client: Any) -> None:
    with pytest.raises(Exception, match="HTTP 503"):
        await client.endpoint("abc").health()


@both_flavours
async def test_a_closed_client_says_so(world: World) -> None:
    world.emulator.endpoint("abc", echo)
    client = world.client()
    async with client:
        job = await client.endpoint("abc").run({})
    for call in (client.endpoint("abc").health, job.wait, job.cancel, lambda: client.endpoint("abc").run({})):
        error = await caught(RuntimeError, call)
        assert str(error) == "the client is closed"
    await client.aclose()


@both_flavours
async def test_a_job_pickles_and_copies_without_its_client(world: World) -> None:
    world.emulator.endpoint("abc", echo)
    client = world.client(api_key="test")
    job = await client.endpoint("abc").run({"a": 1})
    inner = getattr(job, "inner", job)
    again = pickle.loads(pickle.dumps(inner))  # noqa: S301  ours
    assert (again, again.submitted_at, copy.copy(inner)) == (inner, inner.submitted_at, inner)
    with pytest.raises(RuntimeError, match=rf'has no client: use client.endpoint\("abc"\).job\("{job.id}"\)'):
        again.stream()


@both_flavours
async def test_no_repr_shows_what_is_secret(world: World) -> None:
    world.emulator.endpoint("abc", slow(world))
    client = world.client()
    endpoint = client.endpoint("abc")
    job = await endpoint.run({"x": "hunter2"})
    shown = f"{client!r}{endpoint!r}{job!r}{job.stream()!r}{await job.state()!r}"
    assert "hunter2" not in shown
    assert "IN_PROGRESS" not in repr(job)
    assert job.id in repr(job)
    assert endpoint.url == "https://emulator.invalid/v2/abc"


@both_flavours
async def test_what_was_done_is_counted(world: World) -> None:
    world.emulator.endpoint("abc", echo)
    world.emulator.inject(Fault.rate_limited(2, on="run", times=1))
    client = world.client()
    await client.endpoint("abc").run({})
    stats = client.stats["run"]
    assert (stats.requests, stats.retries, stats.unknowns) == (2, 1, 0)
    assert stats.waited >= 2


@both_flavours
async def test_a_json_answer_of_a_foreign_service_is_our_error(world: World) -> None:
    world.emulator.endpoint("abc", echo)
    for body in (json.dumps({"hello": "world"}), "<html>", "[]"):
        with (
            world.emulator.inject(Fault.status(200, body=body, on="health")),
            pytest.raises(Exception, match="cannot be used"),
        ):
            await world.client().endpoint("abc").health()
