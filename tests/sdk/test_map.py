"""Bulk runs of both flavours against the emulator: what comes of each input, whatever goes wrong."""

from __future__ import annotations

import asyncio
import logging
import math
import queue
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

import pytest

from runpod_sdk import (
    AsyncClient,
    AsyncMapResult,
    AuthenticationError,
    Client,
    JobFailedError,
    JobTimedOutError,
    MapStoppedError,
    NotFoundError,
    PollPolicy,
    RetryPolicy,
    Stop,
    SubmissionUnknownError,
)
from runpod_sdk.emulator import Emulator, Fault
from tests.sdk.flavours import World, both_flavours, caught

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

Job = dict[str, Any]


def sleeping(world: World) -> Callable[[Job], Any]:
    """Return a handler that takes as long, and ends, as its input says."""

    def handler(job: Job) -> Any:
        given = job["input"]
        world.emulator.clock.sleep(given.get("seconds", 0))
        if "error" in given:
            raise ValueError(given["error"])
        return given.get("n")

    return handler


async def listed(results: Any) -> list[AsyncMapResult[Any]]:
    return [result async for result in results]


async def first(results: Any) -> AsyncMapResult[Any]:
    return cast("AsyncMapResult[Any]", await anext(results))


@both_flavours
async def test_one_input_in_place_of_many_is_said_to_be_a_mapping_of_keys(world: World) -> None:
    world.emulator.endpoint("abc", lambda _: 1)
    endpoint: Any = world.client().endpoint("abc")
    options: list[dict[str, Any]] = [{}, {"via": "batch", "key_of": repr}]
    for given in options:
        (result,) = await listed(endpoint.map({"n": 1}, **given))
        assert (result.key, type(result.error)) == ("n", TypeError)
        assert str(result.error).endswith("; a mapping is read as {key: input}; for one input, pass [input]")
        (result,) = await listed(endpoint.map([1], **given))
        assert "mapping" not in str(result.error)
    assert world.operations.count("run") == 0


def numbered(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"n": n, **more} for n in range(count)]


# What comes out, and when.


@both_flavours
async def test_results_come_as_the_jobs_end(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world), workers=5)
    inputs = [{"n": n, "seconds": (7 * n) % 5 + 1} for n in range(5)]
    results = await listed(world.client().endpoint("abc").map(inputs))
    assert [result.output for result in results] == sorted(range(5), key=lambda n: (7 * n) % 5)
    assert [(result.key, result.index, result.input) for result in results] == [
        (n, n, inputs[n]) for n in (result.output for result in results)
    ]
    assert all(result.is_success and result.error is None for result in results)
    assert [world.emulator.jobs[cast("Any", result.job).id].status for result in results] == ["COMPLETED"] * 5
    assert world.now == 5


@both_flavours
async def test_a_job_takes_two_requests(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world), workers=4)
    await listed(world.client().endpoint("abc").map(numbered(10, seconds=5)))
    assert sorted(world.operations) == ["run"] * 10 + ["status-sync"] * 10


@both_flavours
async def test_results_come_in_the_order_of_their_inputs_where_that_is_asked_for(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world), workers=8)
    inputs = [{"n": n, "seconds": (7 * n) % 11} for n in range(40)]
    results = await listed(world.client().endpoint("abc").map(inputs, concurrency=8, ordered=True))
    assert [result.output for result in results] == list(range(40))


@both_flavours
async def test_keys_come_from_a_mapping_or_from_pairs(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world))
    endpoint = world.client().endpoint("abc")
    inputs = {"x": {"n": 1}, "y": {"n": 2}}
    for given in (inputs, list(inputs.items()), iter(inputs.items())):
        assert {result.key: result.output async for result in endpoint.map(given)} == {"x": 1, "y": 2}


@both_flavours
async def test_no_inputs_are_no_results_and_no_requests(world: World) -> None:
    world.emulator.endpoint("abc")
    results = world.client().endpoint("abc").map([])
    assert await listed(results) == []
    assert await listed(results) == []
    assert world.operations == []


@both_flavours
async def test_so_many_jobs_are_in_flight_and_no_more(world: World) -> None:
    lock, now, most = Lock(), 0, 0

    def handler(job: Job) -> int:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        world.emulator.clock.sleep(10)
        with lock:
            now -= 1
        return 0

    world.emulator.endpoint("abc", handler, workers=50)
    assert len(await listed(world.client().endpoint("abc").map(numbered(40), concurrency=7))) == 40
    assert most == 7


@both_flavours
async def test_options_go_to_every_job(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world), workers=2)
    results = await listed(
        world.client().endpoint("abc").map(numbered(3, seconds=30), execution_timeout=10, extra_body={"tag": "t"})
    )
    assert [type(result.error) for result in results] == [JobTimedOutError] * 3


# Inputs.


@both_flavours
async def test_lazy_inputs_are_taken_no_further_than_the_window(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world), workers=9)
    taken = 0

    def inputs() -> Iterator[dict[str, int]]:
        nonlocal taken
        for n in range(1_000):
            taken += 1
            yield {"n": n}

    async with world.client().endpoint("abc").map(inputs(), concurrency=5) as results:
        for handed in range(1, 50):
            await first(results)
            assert taken <= handed + 10
    assert taken <= 60


@both_flavours
async def test_async_inputs_are_taken_in_both_flavours(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world), workers=9)

    async def inputs() -> AsyncIterator[dict[str, int]]:
        for n in range(30):
            yield {"n": n}

    results = await listed(world.client().endpoint("abc").map(inputs(), concurrency=5, ordered=True))
    assert [result.output for result in results] == list(range(30))


@both_flavours
async def test_an_exception_of_the_inputs_comes_after_the_results(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world), workers=9)

    def inputs() -> Iterator[dict[str, Any]]:
        yield from numbered(4, seconds=60)
        raise LookupError("row 4")

    outputs: list[int] = []
    results = world.client().endpoint("abc").map(inputs())

    async def collect() -> None:
        async for result in results:
            outputs.append(result.output)  # noqa: PERF401  the rest is not lost

    assert str(await caught(LookupError, collect())) == "row 4"
    assert sorted(outputs) == [0, 1, 2, 3]
    assert await listed(results) == []


@both_flavours
async def test_a_bad_input_is_a_result_and_no_request(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world))
    inputs: list[Any] = [{"n": 0}, "text", {"n": math.nan}, [1], ("key", 5), {"n": b"bytes"}, {"n": 6}]
    results = await listed(world.client().endpoint("abc").map(inputs, ordered=True))
    assert [result.index for result in results if result.is_success] == [0, 6]
    assert [type(result.error) for result in results[1:6]] == [TypeError, ValueError, TypeError, TypeError, TypeError]
    assert [result.job for result in results[1:6]] == [None] * 5
    assert results[4].key == "key"
    assert world.operations.count("run") == 2


@pytest.mark.one_in(5)
@pytest.mark.parametrize(
    ("options", "kind", "said"),
    [
        ({"concurrency": 0}, ValueError, "concurrency=0: at least 1 expected"),
        ({"concurrency": 1.5}, TypeError, "concurrency=1.5: a whole number expected"),
        ({"retries": -1}, ValueError, "retries=-1: at least 0 expected"),
        ({"on_abandon": "forget"}, ValueError, "on_abandon='forget'"),
        ({"ttl": 1}, ValueError, "ttl=1: 10"),
        ({"webhok": "x"}, TypeError, "unexpected argument 'webhok'"),
        ({"inputs": "prompt"}, TypeError, "inputs is of type str: an iterable of inputs expected"),
        ({"inputs": 5}, TypeError, "inputs is of type int"),
    ],
)
@pytest.mark.parametrize("flavour", ["Client", "AsyncClient"])
def test_bad_arguments_are_refused_at_once(
    options: dict[str, Any], kind: type[Exception], said: str, flavour: str
) -> None:
    import runpod_sdk  # noqa: PLC0415  by name

    endpoint = getattr(runpod_sdk, flavour)("key").endpoint("abc")
    with pytest.raises(kind) as error:
        endpoint.map(**{"inputs": [], **options})
    assert str(error.value).startswith(said)


# What goes wrong with a job.


@both_flavours
async def test_failures_are_values(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world), workers=3)
    inputs = [{"n": n, **({"error": "bad prompt"} if n % 3 == 1 else {})} for n in range(9)]
    results = await listed(world.client().endpoint("abc").map(inputs, ordered=True))
    assert [result.is_success for result in results] == [n % 3 != 1 for n in range(9)]
    for result in results[1::3]:
        assert isinstance(result.error, JobFailedError)
        assert (result.error.error_type, result.error.error_message) == ("ValueError", "bad prompt")
        assert result.error.job == result.job
        assert (cast("Any", result.state).status, result.output) == ("FAILED", None)


@both_flavours
async def test_a_failed_job_is_queued_again_under_its_id(world: World) -> None:
    runs: dict[str, int] = {}

    def handler(job: Job) -> int:
        runs[job["id"]] = runs.get(job["id"], 0) + 1
        if runs[job["id"]] <= job["input"]["failures"]:
            raise ValueError("not yet")
        return runs[job["id"]]

    world.emulator.endpoint("abc", handler)
    map_ = world.client().endpoint("abc").map([{"failures": n} for n in range(4)], retries=2, ordered=True)
    results = await listed(map_)
    assert [result.output for result in results] == [1, 2, 3, None]
    assert isinstance(results[3].error, JobFailedError)
    assert list(runs.values()) == [1, 2, 3, 3]
    assert len(world.emulator.jobs) == 4
    assert world.operations.count("run") == 4
    assert map_.report().retries == 5


@both_flavours
async def test_a_refused_retry_is_noted_on_the_failure(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world))
    world.emulator.inject(Fault.status(400, on="retry"))
    (result,) = await listed(world.client().endpoint("abc").map([{"error": "bad"}], retries=3))
    assert isinstance(result.error, JobFailedError)
    assert "It could not be retried: retry of job" in result.error.__notes__[0]
    assert world.operations.count("retry") == 1


@both_flavours
async def test_an_unknown_submit_is_not_repeated_and_listed_apart(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world), workers=4)
    world.emulator.inject(Fault.drop("after", times=2, on="run"))
    client = world.client()
    map_ = client.endpoint("abc").map(numbered(6), concurrency=1, ordered=True)
    results = await listed(map_)
    assert [type(result.error) for result in results[:2]] == [SubmissionUnknownError] * 2
    assert [result.output for result in results[2:]] == [2, 3, 4, 5]
    assert list(map_.unknowns) == results[:2]
    assert [one.input_sha256 for one in client.unknowns] == [
        cast("SubmissionUnknownError", result.error).input_sha256 for result in results[:2]
    ]
    assert world.operations.count("run") == 6
    assert sorted(job.input["n"] for job in world.emulator.jobs.values()) == [0, 1, 2, 3, 4, 5]


@both_flavours
async def test_a_refusal_that_all_would_meet_is_met_once_by_each_in_flight(world: World) -> None:
    world.emulator.endpoint("abc")
    client = world.client(api_key="wrong")
    results = await listed(client.endpoint("abc").map(numbered(500), concurrency=4))
    assert {type(result.error) for result in results} == {AuthenticationError}
    assert len(results) == 500
    assert len(world.operations) <= 4
    assert str(results[-1].error).startswith("not submitted, as every submit would be refused like the one before")


@both_flavours
async def test_an_endpoint_that_does_not_exist_is_not_asked_for_each_input(world: World) -> None:
    world.emulator.endpoint("abc")
    results = await listed(world.client().endpoint("nosuch").map(numbered(50), concurrency=4))
    assert {type(result.error) for result in results} == {NotFoundError}
    assert len(world.operations) <= 4


@both_flavours
async def test_a_wait_that_gives_up_is_a_result_with_its_job(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world), workers=3)
    client = world.client(poll=PollPolicy(outage=30), retry=RetryPolicy(attempts=1))
    world.emulator.inject(Fault.status(503, on="status-sync"))
    world.emulator.inject(Fault.status(503, on="status"))
    results = await listed(client.endpoint("abc").map(numbered(3, seconds=500)))
    assert [result.state for result in results] == [None] * 3
    assert {world.emulator.jobs[cast("Any", result.job).id].status for result in results} == {"CANCELLED"}


# A caller, or inputs, that take their time.


async def pause(world: World, seconds: float) -> None:
    """Let the caller do something else for a while."""
    if world.kind is Client:
        world.emulator.clock.sleep(seconds)
    else:
        await world.emulator.clock.sleep_async(seconds)


@both_flavours
async def test_results_are_there_however_long_the_caller_takes(world: World) -> None:
    """Longer than the service keeps them; and no more is submitted than may wait."""
    world.emulator.endpoint("abc", sleeping(world), workers=9)
    async with world.client().endpoint("abc").map(numbered(30, seconds=5), concurrency=4, ordered=True) as results:
        assert (await first(results)).output == 0
        await pause(world, 7200)
        assert world.operations.count("run") <= 1 + 2 * 4
        assert [result.output for result in await listed(results)] == list(range(1, 30))


@both_flavours
async def test_inputs_may_wait_for_results_of_the_run(world: World) -> None:
    """Each input comes of the result before: what is there is handed out while the inputs wait."""
    world.emulator.endpoint("abc", lambda job: job["input"]["n"] + 1, workers=2)
    answers: queue.Queue[int] = queue.Queue()

    def inputs() -> Iterator[dict[str, int]]:
        yield {"n": 0}
        while (last := answers.get(timeout=30)) < 5:
            yield {"n": last}

    seen: list[int] = []
    async for result in world.client().endpoint("abc").map(inputs()):
        seen.append(result.output)
        answers.put(result.output)
    assert seen == [1, 2, 3, 4, 5]


@both_flavours
async def test_a_run_may_take_the_results_of_another(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world), workers=4)
    client = Client(**world.emulator.connection)
    one_run = client.endpoint("abc").map(numbered(6, seconds=60), concurrency=3)
    other = world.client().endpoint("abc").map(({"n": one.output + 100} for one in one_run), concurrency=3)
    assert sorted([result.output for result in await listed(other)]) == list(range(100, 106))
    client.close()


@both_flavours
async def test_a_caller_that_raises_loses_nothing(world: World) -> None:
    """Each input that was taken was handed out or is listed, once."""
    world.emulator.endpoint("abc", sleeping(world), workers=3)
    taken = 0

    def inputs() -> Iterator[dict[str, Any]]:
        nonlocal taken
        for n in range(40):
            taken += 1
            yield {"n": n, "seconds": 0 if n % 2 else 50}

    results = world.client().endpoint("abc").map(inputs(), concurrency=6)
    handed: list[int] = []

    async def work() -> None:
        async with results:
            async for result in results:
                handed.append(result.index)
                if len(handed) == 5:
                    raise LookupError("the caller's")

    await caught(LookupError, work())
    left = [*results.abandoned, *results.unknowns, *results.undelivered]
    assert sorted([*handed, *(result.index for result in left)]) == list(range(taken))
    for result in results.undelivered:
        assert result.is_success or isinstance(result.error, MapStoppedError)
    jobs = {job.input["n"] for job in world.emulator.jobs.values()}
    unsent = {result.input["n"] for result in results.undelivered if not result.is_success}
    assert not jobs & unsent


@both_flavours
async def test_results_that_nobody_takes_are_warned_of_in_time(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world), workers=9)
    told: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: told.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("runpod_sdk").addHandler(handler)
    try:
        async with world.client().endpoint("abc").map(numbered(9), concurrency=9) as results:
            await first(results)
            await pause(world, 1400)
            await first(results)
            assert told == []
            await pause(world, 200)
            await first(results)
            await first(results)
    finally:
        logging.getLogger("runpod_sdk").removeHandler(handler)
    assert len(told) == 1
    assert "results not taken yet, the oldest for 27 min" in told[0]


# Leaving early.


@both_flavours
async def test_leaving_early_cancels_what_is_in_flight(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world), workers=5)
    inputs = [{"n": n, "seconds": 500 * n} for n in range(50)]
    async with world.client().endpoint("abc").map(inputs, concurrency=5) as results:
        assert (await first(results)).output == 0
    statuses = [job.status for job in world.emulator.jobs.values()]
    assert statuses.count("COMPLETED") >= 1
    assert set(statuses) == {"COMPLETED", "CANCELLED"}
    assert statuses.count("CANCELLED") == len(
        [one for one in results.abandoned if cast("Any", one.state).status == "CANCELLED"]
    )
    assert results.report().abandoned == len(results.abandoned) > 0
    assert await listed(results) == []


@both_flavours
async def test_leaving_early_detaches_where_that_is_asked_for(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world), workers=5)
    inputs = [{"n": n, "seconds": 500 * n} for n in range(50)]
    endpoint = world.client().endpoint("abc")
    async with endpoint.map(inputs, concurrency=5, on_abandon="detach") as results:
        await first(results)
    assert "cancel" not in world.operations
    left = results.abandoned
    assert left
    assert [result.state for result in left] == [None] * len(left)
    assert [result.is_success for result in left] == [False] * len(left)
    assert world.emulator.jobs[cast("Any", left[0].job).id].status in {"IN_QUEUE", "IN_PROGRESS"}


@both_flavours
async def test_a_run_that_is_closed_before_it_began_makes_no_request(world: World) -> None:
    world.emulator.endpoint("abc")
    async with world.client().endpoint("abc").map(numbered(5)) as results:
        pass
    assert await listed(results) == []
    assert world.operations == []


@both_flavours
async def test_a_client_that_is_closed_ends_the_run_with_an_exception(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world), workers=5)
    client = world.client()
    results = client.endpoint("abc").map(numbered(50), concurrency=5)
    await first(results)
    await client.aclose()
    assert "closed" in str(await caught(RuntimeError, listed(results)))


# Along the way.


@both_flavours
async def test_a_callback_sees_each_result_and_its_exception_ends_the_run(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world), workers=5)
    seen: list[AsyncMapResult[Any]] = []
    endpoint = world.client().endpoint("abc")
    assert await listed(endpoint.map(numbered(9), on_result=seen.append)) == seen

    def tired(result: AsyncMapResult[Any]) -> None:
        raise LookupError("enough")

    results = endpoint.map(numbered(9, seconds=900), on_result=tired)
    await caught(LookupError, listed(results))
    assert await listed(results) == []


@both_flavours
async def test_the_report_has_the_numbers(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world), workers=10)
    inputs: list[Any] = [*numbered(8, seconds=10), {"error": "bad", "seconds": 10}, "text"]
    results = world.client().endpoint("abc").map(inputs, concurrency=4)
    assert results.report().results == 0
    await listed(results)
    report = results.report(price_per_second=0.25)
    assert (report.results, report.succeeded, report.failed, report.unsubmitted) == (10, 8, 1, 1)
    assert report.cancelled == report.unknown == report.unfinished == report.timed_out == report.abandoned == 0
    assert report.execution is not None
    assert report.delay is not None
    assert (report.execution.p50, report.execution.p99, report.delay.p99) == (10, 10, 0)
    assert (report.execution_seconds, report.estimated_execution_cost) == (90, 22.5)
    assert report.seconds == 30
    assert 4 <= report.workers <= 10


@pytest.mark.parametrize("lazy", [False, True])
def test_progress_is_written_to_standard_error(lazy: bool, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: FBT001
    async def main() -> None:
        with Emulator() as emulator:
            emulator.endpoint("abc", lambda _: emulator.clock.sleep(5))
            async with AsyncClient(**emulator.connection) as client:
                inputs = iter(numbered(3)) if lazy else numbered(3)
                assert len(await listed(client.endpoint("abc").map(inputs, progress=True))) == 3

    asyncio.run(main())
    total = "" if lazy else "/3"
    assert capsys.readouterr().err.splitlines() == [
        f'map on endpoint "abc"  {5 * n:5} s  {n}{total} done, 0 failed' for n in (1, 2, 3)
    ]


@both_flavours
async def test_options_of_one_input_go_over_those_of_all(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world))
    inputs = {"a": {"n": 1}, "b": {"n": 2}}

    def options(key: Any, given: Any) -> Any:
        assert inputs[key] == given
        return {"low_priority": False} if key == "a" else None

    results = await listed(world.client().endpoint("abc").map(inputs, input_options=options, low_priority=True))
    assert all(result.is_success for result in results)
    assert {job.input["n"]: job.low_priority for job in world.emulator.jobs.values()} == {1: False, 2: True}


@both_flavours
async def test_bad_options_of_one_input_are_its_result(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world))
    given: list[Any] = [{"ttl": 1}, {"webhok": "https://me.example"}, ["ttl"], {}]
    results = world.client().endpoint("abc").map(enumerate([{"n": 1}] * 4), input_options=lambda key, _: given[key])
    errors = {result.key: result.error for result in await listed(results)}
    assert [type(errors[key]) for key in range(4)] == [ValueError, TypeError, TypeError, type(None)]
    assert "'webhok'" in str(errors[1])


@both_flavours
async def test_what_the_options_of_an_input_raise_ends_the_run(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world))

    def options(_: Any, __: Any) -> Any:
        raise LookupError("ours")

    await caught(LookupError, listed(world.client().endpoint("abc").map([{"n": 1}], input_options=options)))
    assert world.operations == []


@both_flavours
async def test_a_run_that_is_stopped_hands_out_what_is_in_flight_and_takes_no_more(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world), workers=4)
    taken: list[int] = []

    def inputs() -> Iterator[dict[str, Any]]:
        for n in range(1000):
            taken.append(n)
            yield {"n": n, "seconds": 10}

    results = world.client().endpoint("abc").map(inputs(), concurrency=4, stop=Stop(after=35))
    ends = await listed(results)
    assert len(ends) == len(taken) < 40
    stopped = [result for result in ends if isinstance(result.error, MapStoppedError)]
    assert all(result.is_success for result in ends if result not in stopped)
    assert world.operations.count("run") == len(ends) - len(stopped) == 16
    report = results.report()
    assert (report.stopped, report.unsubmitted) == ("the time limit was reached: 40 s", len(stopped))
    assert str(report).endswith("stopped: the time limit was reached: 40 s")


@both_flavours
async def test_a_run_is_stopped_by_what_its_workers_cost(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world), workers=8)
    inputs = [{"n": n, "seconds": 10} for n in range(50)]
    stop = Stop(cost=200, price_per_second=1)
    results = world.client().endpoint("abc").map(inputs, concurrency=1, stop=stop)
    ends = await listed(results)
    assert sum(result.is_success for result in ends) == 3, "seven of eight workers are idle all the time, and paid"
    assert results.report().stopped == "the cost limit was reached: 240, by worker time in /health"
    assert world.operations.count("health") == 4
    report = results.report(price_per_second=2)
    assert (report.execution_seconds, report.worker_seconds, report.estimated_worker_cost) == (30, 240, 480)
    assert str(report).splitlines()[-2] == "240.0 s of worker time, by /health, estimated cost: 480.0000"


@both_flavours
async def test_a_run_whose_workers_cannot_be_seen_is_stopped_by_what_its_jobs_cost(world: World) -> None:
    world.emulator.endpoint("abc", sleeping(world), workers=8)
    world.emulator.inject(Fault.status(503, on="health"))
    inputs = [{"n": n, "seconds": 10} for n in range(50)]
    stop = Stop(cost=50, price_per_second=1)
    results = world.client(retry=None).endpoint("abc").map(inputs, concurrency=1, stop=stop)
    assert sum(result.is_success for result in await listed(results)) == 5
    assert results.report().stopped == "the cost limit was reached: 50, by execution time alone"
    assert results.report(price_per_second=1).worker_seconds is None


@both_flavours
async def test_what_is_to_be_called_is_a_function_and_a_price_a_number(world: World) -> None:
    endpoint: Any = world.client().endpoint("abc")
    for name in ("input_options", "on_submit", "on_result", "key_of"):
        with pytest.raises(TypeError, match=f"^{name} is of type int: a function expected"):
            endpoint.map([{}], **{name: 3})
    with pytest.raises(TypeError, match="key_of is of type int"):
        endpoint.map([{}], via="batch", key_of=3)
    run = endpoint.map([])
    for price in ("x", True):
        with pytest.raises(TypeError, match=f"^price_per_second={price!r}: a number expected$"):
            run.report(price_per_second=price)
    assert run.report(price_per_second=2).estimated_execution_cost == 0
    assert world.operations == []


@both_flavours
async def test_a_stop_is_one(world: World) -> None:
    with pytest.raises(TypeError, match="a Stop expected"):
        world.client().endpoint("abc").map([], stop=5)  # type: ignore[call-overload]
