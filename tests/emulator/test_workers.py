"""Python callables as workers, in virtual time, through the transport."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runpod_sdk.emulator import Emulator, Fault, Options, progress_update

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    import httpx

    Call = Callable[..., httpx.Response]

HOUR = 3600.0
PATIENT = {"executionTimeout": 7 * 86_400_000, "ttl": 7 * 86_400_000}


def run_sync(call: Call, emulator: Emulator, job_input: Any, **body: Any) -> dict[str, Any]:
    """Submit, and wait for the end."""
    job_id = run(call, emulator, job_input, **body)
    return wait(call, emulator, job_id)


def run(call: Call, emulator: Emulator, job_input: Any, **body: Any) -> str:
    answer = call(emulator, "POST", "/e/run", json={"input": job_input, "policy": PATIENT} | body)
    assert answer.status_code == 200
    job_id: str = answer.json()["id"]
    return job_id


def wait(call: Call, emulator: Emulator, job_id: str) -> dict[str, Any]:
    while True:
        state: dict[str, Any] = call(emulator, "GET", f"/e/status-sync/{job_id}?wait=300000").json()
        if state["status"] not in ("IN_QUEUE", "IN_PROGRESS"):
            return state


def status(call: Call, emulator: Emulator, job_id: str) -> dict[str, Any]:
    state: dict[str, Any] = call(emulator, "GET", f"/e/status/{job_id}").json()
    return state


def read_all(call: Call, emulator: Emulator, job_id: str) -> list[Any]:
    outputs: list[Any] = []
    while True:
        answer = call(emulator, "GET", f"/e/stream/{job_id}?wait=300000").json()
        outputs += [chunk["output"] for chunk in answer["stream"]]
        if answer["status"] not in ("IN_QUEUE", "IN_PROGRESS"):
            return outputs


# Every kind of handler; each sleeps for an hour.


def handlers(emulator: Emulator) -> dict[str, Any]:
    def plain(job: dict[str, Any]) -> Any:
        emulator.clock.sleep(HOUR)
        return {"echo": job["input"]}

    async def coroutine(job: dict[str, Any]) -> Any:
        await emulator.clock.sleep_async(HOUR)
        return {"echo": job["input"]}

    def awaitable(job: dict[str, Any]) -> Awaitable[Any]:
        return coroutine(job)

    class Instance:
        async def __call__(self, job: dict[str, Any]) -> Any:
            return await coroutine(job)

    return {
        "plain": plain,
        "coroutine": coroutine,
        "awaitable": awaitable,
        "instance": Instance(),
    }


@pytest.mark.parametrize("kind", ["plain", "coroutine", "awaitable", "instance"])
def test_an_hour_of_work_is_done_at_once(call: Call, emulator: Emulator, kind: str) -> None:
    emulator.endpoint("e", handlers(emulator)[kind])
    state = run_sync(call, emulator, {"n": 1})
    assert (state["status"], state["output"]) == ("COMPLETED", {"echo": {"n": 1}})
    assert (state["delayTime"], state["executionTime"]) == (0, 3_600_000)
    assert emulator.clock.monotonic() == HOUR


def generators(emulator: Emulator) -> dict[str, Any]:
    def generator(job: dict[str, Any]) -> Iterator[Any]:
        for item in job["input"]["items"]:
            emulator.clock.sleep(HOUR)
            if item == "raise":
                raise ValueError("broken")
            yield item

    async def async_generator(job: dict[str, Any]) -> AsyncIterator[Any]:
        for item in job["input"]["items"]:
            await emulator.clock.sleep_async(HOUR)
            if item == "raise":
                raise ValueError("broken")
            yield item

    return {"generator": generator, "async generator": async_generator}


@pytest.mark.parametrize("kind", ["generator", "async generator"])
@pytest.mark.parametrize("aggregate", [False, True])
@pytest.mark.fidelity(
    "/stream: the output of a generator is the list of all chunks with return_aggregate_stream, otherwise []",
    source="documented",
)
def test_generators_stream(call: Call, emulator: Emulator, kind: str, aggregate: bool) -> None:  # noqa: FBT001  a parameter
    emulator.endpoint("e", generators(emulator)[kind], return_aggregate_stream=aggregate)
    items: list[Any] = [None, 0, "", [], {"a": 1}]
    job_id = run(call, emulator, {"items": items})
    assert read_all(call, emulator, job_id) == items
    state = status(call, emulator, job_id)
    assert (state["status"], state["output"]) == ("COMPLETED", items if aggregate else [])
    assert state["executionTime"] == 5 * 3_600_000


@pytest.mark.parametrize("kind", ["generator", "async generator"])
@pytest.mark.fidelity("worker: a generator that raises has sent its chunks before", source="official source")
def test_a_generator_that_raises_sends_its_chunks_and_a_text(call: Call, emulator: Emulator, kind: str) -> None:
    emulator.endpoint("e", generators(emulator)[kind], return_aggregate_stream=True)
    job_id = run(call, emulator, {"items": [1, 2, "raise"]})
    assert read_all(call, emulator, job_id) == [1, 2]
    state = status(call, emulator, job_id)
    assert state["status"] == "FAILED"
    assert state["error"].startswith("handler: broken \ntraceback: Traceback")
    assert "output" not in state


@pytest.mark.parametrize("kind", ["generator", "async generator"])
def test_a_generator_that_yields_an_error_fails(call: Call, emulator: Emulator, kind: str) -> None:
    emulator.endpoint("e", generators(emulator)[kind])
    job_id = run(call, emulator, {"items": [1, {"error": {"code": 5}}, 2]})
    assert read_all(call, emulator, job_id) == [1]
    state = status(call, emulator, job_id)
    assert (state["status"], state["error"]) == ("FAILED", "{'code': 5}")


def test_a_handler_that_raises_fails_its_job_and_its_worker_goes_on(call: Call, emulator: Emulator) -> None:
    def handler(job: dict[str, Any]) -> Any:
        return 1 / job["input"]["n"]

    emulator.endpoint("e", handler)
    failed, completed = run_sync(call, emulator, {"n": 0}), run_sync(call, emulator, {"n": 2})
    error = json.loads(failed["error"])
    assert (failed["status"], error["error_type"]) == ("FAILED", "<class 'ZeroDivisionError'>")
    assert error["error_message"] == "division by zero"
    assert error["worker_id"] == failed["workerId"] == completed["workerId"]
    assert (completed["status"], completed["output"]) == ("COMPLETED", 0.5)


def test_a_returned_error_fails_the_job_and_keeps_the_rest(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e", lambda _: {"error": "no", "partial": 1})
    state = run_sync(call, emulator, {"n": 1})
    assert (state["status"], state["error"], state["output"]) == ("FAILED", "no", {"partial": 1})


def test_an_empty_result_shows_no_output(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e", lambda _: {})
    state = run_sync(call, emulator, {"n": 1})
    assert state["status"] == "COMPLETED"
    assert "output" not in state


@pytest.mark.fidelity("worker: refresh_worker delivers the result and replaces the worker", source="official source")
def test_refresh_worker_delivers_the_result_and_replaces_the_worker(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e", lambda job: {"refresh_worker": True, "n": job["input"]["n"]})
    first, second = run_sync(call, emulator, {"n": 1}), run_sync(call, emulator, {"n": 2})
    assert (first["output"], second["output"]) == ({"n": 1}, {"n": 2})
    assert first["workerId"] != second["workerId"]


@pytest.mark.parametrize("death", [SystemExit(1), KeyboardInterrupt()])
@pytest.mark.parametrize("kind", ["plain", "coroutine"])
@pytest.mark.fidelity(
    "states: a job whose worker dies is queued once more with retries 1, then FAILED (job timed out after 1 retries)",
    source="live",
)
def test_a_worker_that_dies_costs_one_retry_then_the_job(
    call: Call, emulator: Emulator, kind: str, death: BaseException
) -> None:
    deaths = threading.Semaphore(3)

    def plain(_: dict[str, Any]) -> Any:
        if deaths.acquire(blocking=False):
            raise death
        return "alive"

    async def coroutine(job: dict[str, Any]) -> Any:
        return plain(job)

    emulator.endpoint("e", plain if kind == "plain" else coroutine)
    failed, saved = run_sync(call, emulator, {"n": 1}), run_sync(call, emulator, {"n": 1})
    assert (failed["status"], failed["error"], failed["retries"]) == ("FAILED", "job timed out after 1 retries", 1)
    assert (saved["status"], saved["output"], saved["retries"]) == ("COMPLETED", "alive", 1)
    assert failed["workerId"] != saved["workerId"]


@pytest.mark.fidelity("states: a job with an empty input fails after one retry (Options.empty_input)", source="live")
def test_an_empty_input_fails_after_one_retry(call: Call, emulator: Emulator) -> None:
    """live: the worker gets a job without input, and never runs it."""
    emulator.endpoint("e", lambda _: pytest.fail("the handler ran"))
    state = run_sync(call, emulator, {})
    assert (state["status"], state["error"], state["retries"]) == ("FAILED", "job timed out after 1 retries", 1)


@pytest.mark.fidelity("worker: a job whose result is not JSON runs into its executionTimeout", source="official source")
def test_a_result_that_is_not_json_is_never_sent(
    call: Call, emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    results = iter([object(), "fine"])
    emulator.endpoint("e", lambda _: next(results))
    with caplog.at_level(logging.WARNING, "runpod_sdk.emulator"):
        state = run_sync(call, emulator, {"n": 1}, policy={"executionTimeout": 5000})
    assert (state["status"], state["error"]) == ("FAILED", "executionTimeout exceeded")
    assert state["executionTime"] == 5000
    assert "not JSON" in caplog.text
    assert run_sync(call, emulator, {"n": 1})["output"] == "fine"


@pytest.mark.parametrize("kind", ["plain", "async", "generator"])
@pytest.mark.parametrize("cause", ["limit", "fault"])
def test_a_refused_result_ends_its_job_without_output_and_is_told(
    call: Call, caplog: pytest.LogCaptureFixture, kind: str, cause: str
) -> None:
    def plain(_: dict[str, Any]) -> str:
        return "x" * 100

    async def coroutine(_: dict[str, Any]) -> str:
        return "x" * 100

    def generator(_: dict[str, Any]) -> Iterator[str]:
        yield "x" * 100

    handlers: dict[str, Any] = {"plain": plain, "async": coroutine, "generator": generator}
    with Emulator(options=Options(result_limit=100 if cause == "limit" else None)) as emulator:
        emulator.endpoint("e", handlers[kind], return_aggregate_stream=True)
        if cause == "fault":
            emulator.inject(Fault.refuse_result(times=1))
        with caplog.at_level(logging.WARNING, "runpod_sdk.emulator"):
            state = run_sync(call, emulator, {"n": 1})
            run_sync(call, emulator, {"n": 2})  # its worker has told by then
    assert (state["status"], state.keys() & {"output", "error"}) == ("COMPLETED", set())
    assert f"job {state['id']}: its result of " in caplog.text


def test_progress_over_the_limit_is_left_out(call: Call, caplog: pytest.LogCaptureFixture) -> None:
    def handler(job: dict[str, Any]) -> Any:
        progress_update(job, "x" * 100)
        return status(call, emulator, job["id"]).get("output", "none")

    with Emulator(options=Options(result_limit=100)) as emulator:
        emulator.endpoint("e", handler)
        with caplog.at_level(logging.WARNING, "runpod_sdk.emulator"):
            assert run_sync(call, emulator, {"n": 1})["output"] == "none"
    assert "progress of " in caplog.text


def test_a_chunk_that_is_not_json_is_left_out(call: Call, emulator: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    def generator(_: dict[str, Any]) -> Iterator[Any]:
        yield 1
        yield object()
        yield 2

    emulator.endpoint("e", generator)
    job_id = run(call, emulator, {"n": 1})
    with caplog.at_level(logging.WARNING, "runpod_sdk.emulator"):
        assert read_all(call, emulator, job_id) == [1, 2]
    assert "not JSON" in caplog.text


def test_handlers_may_change_what_they_get(call: Call, emulator: Emulator) -> None:
    def handler(job: dict[str, Any]) -> Any:
        value = job["input"].pop("n")
        if value == 1:
            job["input"]["n"] = 5
            raise ValueError
        return value

    emulator.endpoint("e", handler)
    job_id = run(call, emulator, {"n": 1})
    assert wait(call, emulator, job_id)["status"] == "FAILED"
    assert emulator.jobs[job_id].input == {"n": 1}


def test_what_the_worker_gets_beside_the_input(call: Call, emulator: Emulator) -> None:
    s3_config = {"accessId": "a", "accessSecret": "s", "bucketName": "b", "endpointUrl": "u"}
    emulator.endpoint("e", dict)
    state = run_sync(call, emulator, {"n": 1}, s3Config=s3_config, webhook="https://example.com", other=1)
    assert state["output"] == {"id": state["id"], "input": {"n": 1}, "s3Config": s3_config}
    assert "s3Config" not in state


# Progress.


@pytest.mark.fidelity("/status: what a worker sends as progress is the output until the end", source="official source")
def test_progress_shows_while_the_job_runs(call: Call, emulator: Emulator) -> None:
    async def handler(job: dict[str, Any]) -> Any:
        for percent in (0, 50):
            progress_update(job, {"percent": percent})
            await emulator.clock.sleep_async(10)
        return "done"

    emulator.endpoint("e", handler)
    job_id = run(call, emulator, {"n": 1})
    seen: list[Any] = []
    for _ in range(3):
        emulator.clock.sleep(7)
        seen.append(status(call, emulator, job_id).get("output"))
    assert seen == [{"percent": 0}, {"percent": 50}, "done"]


@pytest.mark.fidelity(
    "worker: a result or progress after the end is taken, and changes nothing", source="official source"
)
def test_late_progress_does_nothing(call: Call, emulator: Emulator) -> None:
    handed: list[dict[str, Any]] = []
    emulator.endpoint("e", handed.append)
    state = run_sync(call, emulator, {"n": 1})
    progress_update(handed[0], "late")
    assert status(call, emulator, state["id"]) == state


def test_progress_that_is_not_json_is_left_out(
    call: Call, emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    emulator.endpoint("e", lambda job: progress_update(job, object()))
    with caplog.at_level(logging.WARNING, "runpod_sdk.emulator"):
        assert run_sync(call, emulator, {"n": 1})["output"] is None
    assert "not JSON" in caplog.text


def test_progress_of_a_job_that_does_not_run_is_not_sent() -> None:
    progress_update({"id": "x"}, 1)


@pytest.mark.parametrize("job", [{}, {"id": 1}, None])
def test_progress_of_what_is_no_job_is_refused(job: Any) -> None:
    with pytest.raises(TypeError, match="no dict with an id"):
        progress_update(job, 1)


# Several workers, and jobs that end without theirs.


@pytest.mark.parametrize("kind", ["plain", "coroutine"])
def test_workers_run_side_by_side(call: Call, emulator: Emulator, kind: str) -> None:
    emulator.endpoint("e", handlers(emulator)[kind], workers=3)
    job_ids = [run(call, emulator, {"n": n}) for n in range(6)]
    states = [wait(call, emulator, job_id) for job_id in job_ids]
    assert [state["delayTime"] for state in states] == [0] * 3 + [3_600_000] * 3
    assert len({state["workerId"] for state in states}) == 3
    assert emulator.clock.monotonic() == 2 * HOUR


def test_a_blocked_handler_does_not_block_another(call: Call, emulator: Emulator) -> None:
    release = threading.Event()

    def handler(job: dict[str, Any]) -> Any:
        if job["input"]["block"]:
            release.wait(10)
        return "done"

    emulator.endpoint("e", handler, workers=2)
    blocked = run(call, emulator, {"block": True})
    assert run_sync(call, emulator, {"block": False})["output"] == "done"
    assert status(call, emulator, blocked)["status"] == "IN_PROGRESS"
    release.set()
    assert wait(call, emulator, blocked)["output"] == "done"


def test_a_job_is_running_right_after_it_was_submitted(call: Call, emulator: Emulator) -> None:
    """Between two calls time stands still, however fast the handler would be."""
    emulator.endpoint("e", handlers(emulator)["plain"])
    job_id = run(call, emulator, {"n": 1})
    assert status(call, emulator, job_id)["status"] == "IN_PROGRESS"
    assert call(emulator, "POST", f"/e/cancel/{job_id}").json()["status"] == "CANCELLED"
    assert emulator.clock.monotonic() == 0.0


@pytest.mark.fidelity("worker: a cancel stops an async handler", source="official source")
def test_cancelling_stops_an_async_handler(call: Call, emulator: Emulator) -> None:
    stopped: list[float] = []

    async def handler(_: dict[str, Any]) -> None:
        try:
            await emulator.clock.sleep_async(HOUR)
        except asyncio.CancelledError:
            stopped.append(emulator.clock.monotonic())
            raise

    emulator.endpoint("e", handler)
    job_id = run(call, emulator, {"n": 1})
    emulator.clock.sleep(60)
    call(emulator, "POST", f"/e/cancel/{job_id}")
    emulator.clock.sleep(1)
    assert stopped == [60.0]
    assert emulator.endpoint("f").id == "f"
    state = run_sync(call, emulator, {"n": 1})
    assert (state["status"], state["delayTime"]) == ("COMPLETED", 0)


@pytest.mark.fidelity("worker: a cancelled sync handler runs on, and its result is ignored", source="official source")
def test_a_cancelled_sync_handler_runs_on_and_its_result_is_ignored(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e", handlers(emulator)["plain"])
    job_id = run(call, emulator, {"n": 1})
    call(emulator, "POST", f"/e/cancel/{job_id}")
    later = run_sync(call, emulator, {"n": 2})
    assert (later["status"], later["delayTime"]) == ("COMPLETED", 3_600_000)
    assert status(call, emulator, job_id)["status"] == "CANCELLED" if job_id in emulator.jobs else True


@pytest.mark.parametrize("kind", ["generator", "async generator"])
def test_a_cancelled_generator_ends_at_its_next_yield(call: Call, emulator: Emulator, kind: str) -> None:
    emulator.endpoint("e", generators(emulator)[kind])
    job_id = run(call, emulator, {"items": [1, 2, 3, 4]})
    call(emulator, "GET", f"/e/stream/{job_id}?wait=300000")
    emulator.clock.sleep(HOUR * 1.5)
    call(emulator, "POST", f"/e/cancel/{job_id}")
    following = run(call, emulator, {"items": [5]})
    assert read_all(call, emulator, following) == [5]
    assert emulator.clock.monotonic() <= 3.5 * HOUR


def test_a_job_that_runs_too_long_is_stopped(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e", handlers(emulator)["coroutine"])
    state = run_sync(call, emulator, {"n": 1}, policy={"executionTimeout": 60_000})
    assert (state["status"], state["error"]) == ("FAILED", "executionTimeout exceeded")
    assert emulator.clock.monotonic() == 60.0
    assert run_sync(call, emulator, {"n": 1})["delayTime"] == 0


def test_a_retried_job_runs_again(call: Call, emulator: Emulator) -> None:
    results = iter([ZeroDivisionError("first"), "second"])

    def handler(_: dict[str, Any]) -> Any:
        result = next(results)
        if isinstance(result, Exception):
            raise result
        return result

    emulator.endpoint("e", handler)
    job_id = run(call, emulator, {"n": 1})
    assert wait(call, emulator, job_id)["status"] == "FAILED"
    assert call(emulator, "POST", f"/e/retry/{job_id}").json() == {"id": job_id, "status": "IN_QUEUE"}
    assert wait(call, emulator, job_id)["output"] == "second"
    assert call(emulator, "POST", f"/e/retry/{job_id}").status_code == 400


def test_without_workers_jobs_stay_in_the_queue(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e", workers=0)
    job_id = run(call, emulator, {"n": 1})
    emulator.clock.sleep(HOUR)
    assert status(call, emulator, job_id) == {"id": job_id, "status": "IN_QUEUE"}
    assert call(emulator, "POST", "/e/purge-queue").json() == {"removed": 1, "status": "completed"}
    assert status(call, emulator, job_id)["status"] == "CANCELLED"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(value=JSON)
@settings(max_examples=50, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_json_goes_in_and_comes_back_equal(call_once: Call, value: Any) -> None:
    with Emulator() as emulator:
        emulator.endpoint("e", lambda job: [job["input"]["value"]])
        assert run_sync(call_once, emulator, {"value": value})["output"] == [value]
