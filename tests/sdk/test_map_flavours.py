"""What only one flavour of a bulk run can do or suffer: its thread, forks, loops, cancellation; and its memory."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import tracemalloc
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod_sdk import AsyncClient, Client, as_completed
from runpod_sdk.emulator import Emulator, Fault, Options

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME, INPUTS = "runpod-sdk-map", "runpod-sdk-inputs"


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(NAME)]


def numbered(count: int) -> Iterator[dict[str, int]]:
    return ({"n": n} for n in range(count))


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """An emulator whose jobs take a minute, but for each tenth, which takes no time."""
    with Emulator(options=Options(ledger=0)) as emulator:

        def handler(job: dict[str, Any]) -> int:
            number: int = job["input"]["n"]
            emulator.clock.sleep(60 if number % 10 else 0)
            return number

        emulator.endpoint("abc", handler, workers=20)
        yield emulator


@pytest.fixture
def client(emulator: Emulator) -> Iterator[Client]:
    with Client(**emulator.connection) as client:
        yield client


# The thread of a sync run.


def test_one_thread_drives_all_jobs_and_ends_with_the_run(client: Client) -> None:
    results = client.endpoint("abc").map(numbered(100), concurrency=50)
    assert threads() == []
    next(results)
    assert threads() == [NAME]
    assert len(list(results)) == 99
    assert threads() == []


def test_no_thread_is_left_after_close_or_an_exception(client: Client) -> None:
    with client.endpoint("abc").map(numbered(100)) as results:
        next(results)
    assert threads() == []
    with pytest.raises(LookupError), client.endpoint("abc").map(numbered(100)) as results:
        raise LookupError(next(results))
    assert threads() == []


@pytest.mark.slow
def test_a_run_that_is_forgotten_is_closed(emulator: Emulator, client: Client) -> None:
    results = client.endpoint("abc").map(numbered(100), concurrency=5)
    next(results)
    del results
    gc.collect()
    assert threads() == []
    assert {job.status for job in emulator.jobs.values()} <= {"COMPLETED", "CANCELLED"}


@pytest.mark.slow
def test_as_completed_leaves_no_thread_where_its_loop_is_left(client: Client) -> None:
    endpoint = client.endpoint("abc")
    jobs = [endpoint.run({"n": n}) for n in range(5)]
    for _ in as_completed(jobs):
        break
    gc.collect()
    assert threads() == []


def test_inputs_are_taken_in_one_thread_that_ends_with_the_run(client: Client) -> None:
    seen: set[str] = set()

    def inputs() -> Iterator[dict[str, int]]:
        for one in numbered(30):
            seen.add(threading.current_thread().name)
            yield one

    assert len(list(client.endpoint("abc").map(inputs(), concurrency=5))) == 30
    assert seen == {INPUTS}
    with client.endpoint("abc").map(inputs(), concurrency=5) as results:
        next(results)
    assert INPUTS not in {thread.name for thread in threading.enumerate()}


def test_a_sync_run_works_under_a_running_loop(client: Client) -> None:
    async def notebook() -> int:
        return len(list(client.endpoint("abc").map(numbered(30))))

    assert asyncio.run(notebook()) == 30


def test_a_sync_run_works_inside_a_handler(emulator: Emulator, client: Client) -> None:
    def outer(job: dict[str, Any]) -> int:
        return sum(result.output for result in client.endpoint("abc").map(numbered(job["input"]["n"])))

    emulator.endpoint("outer", outer)
    assert client.endpoint("outer").run_sync({"n": 10}) == 45


@pytest.mark.slow
def test_two_runs_of_one_client_at_once(client: Client) -> None:
    endpoint = client.endpoint("abc")
    one, two = endpoint.map(numbered(40), ordered=True), endpoint.map(numbered(40), ordered=True)
    assert [(a.output, b.output) for a, b in zip(one, two, strict=True)] == [(n, n) for n in range(40)]
    assert endpoint.run_sync({"n": 7}) == 7


class Threaded(httpx.BaseTransport):
    """A transport that knows no asyncio."""

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self.inner = inner
        self.users: set[str] = set()
        self.holds: set[str] = set()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.users.add(threading.current_thread().name)
        self.holds.add(request.url.params.get("wait", "0"))
        return self.inner.handle_request(request)


@pytest.mark.slow
def test_a_transport_that_knows_no_asyncio_is_used_from_threads(emulator: Emulator) -> None:
    transport = Threaded(emulator.transport)
    options: dict[str, Any] = {**emulator.connection, "transport": transport}
    with Client(**options) as client:
        results = list(client.endpoint("abc").map(numbered(100), concurrency=30))
        assert sorted(result.output for result in results) == list(range(100))
        assert transport.holds == {"0", "5000"}  # a thread cannot be cancelled, so none is held for long
        assert all(name.startswith(NAME) for name in transport.users)
        assert client.endpoint("abc").run_sync({"n": 7}) == 7
    for thread in threading.enumerate():
        if thread.name.startswith(NAME):
            thread.join(60)  # it ends with the request that it was making
    assert threads() == []


@pytest.mark.slow
def test_an_http_client_of_the_callers_own_is_used_from_threads(emulator: Emulator) -> None:
    connection = emulator.connection
    with httpx.Client(transport=Threaded(connection.pop("transport"))) as own:
        client = Client(**connection, http_client=own)
        with client.endpoint("abc").map(numbered(1000), concurrency=500) as results:
            assert next(results).is_success
            assert len(results.abandoned) == 0
        assert len(results.abandoned) <= 64
        assert not own.is_closed


def test_the_transport_of_a_client_outlives_a_run(emulator: Emulator) -> None:
    class Counting(httpx.BaseTransport, httpx.AsyncBaseTransport):
        closed = 0

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            return emulator.transport.handle_request(request)

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return await emulator.transport.handle_async_request(request)

        async def aclose(self) -> None:
            Counting.closed += 1

    options: dict[str, Any] = {**emulator.connection, "transport": Counting()}
    with Client(**options) as client:
        assert len(list(client.endpoint("abc").map(numbered(5)))) == 5
        assert len(list(client.endpoint("abc").map(numbered(5)))) == 5
    assert Counting.closed == 0


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_run_does_not_go_on_in_a_fork(client: Client) -> None:
    results = client.endpoint("abc").map(numbered(100), concurrency=5)
    next(results)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of what this is about
        child = os.fork()
    if child == 0:
        code = 1
        with suppress(BaseException):
            try:
                for _ in results:
                    pass
            except RuntimeError as error:
                code = 0 if "forked process" in str(error) else 2
            results.close()
        os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(list(results)) == 99


def test_ctrl_c_cancels_what_is_in_flight(emulator: Emulator, client: Client) -> None:
    def inputs() -> Iterator[dict[str, int]]:
        yield from numbered(30)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(client.endpoint("abc").map(inputs(), concurrency=20))
    assert threads() == []
    assert {job.status for job in emulator.jobs.values()} <= {"COMPLETED", "CANCELLED"}


# The tasks of an async run.


def test_a_cancelled_task_cancels_what_is_in_flight(emulator: Emulator) -> None:
    async def main() -> None:
        async with AsyncClient(**emulator.connection) as client:
            results = client.endpoint("abc").map(({"n": 1} for _ in range(50)), concurrency=5)
            waiting = asyncio.ensure_future(anext(results))
            while len(emulator.jobs) < 5:  # noqa: ASYNC110  what the emulator has sets no asyncio.Event
                await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert len(results.abandoned) == 5
            assert {job.status for job in emulator.jobs.values()} == {"CANCELLED"}
            assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


@pytest.mark.parametrize(
    ("fault", "unknowns", "statuses"),
    [(Fault.delay(3, on="run"), 0, {"CANCELLED"}), (Fault.stall("after", on="run"), 5, {"IN_PROGRESS", "COMPLETED"})],
    ids=["the id comes home", "it does not"],
)
def test_submits_that_are_out_when_the_task_is_cancelled(
    emulator: Emulator, fault: Fault, unknowns: int, statuses: set[str]
) -> None:
    async def main() -> None:
        async with AsyncClient(**emulator.connection) as client:
            results = client.endpoint("abc").map([{"n": 1}] * 50, concurrency=5)
            waiting = asyncio.ensure_future(anext(results))
            for _ in range(4):  # the feeder, the work, the submit, its request
                await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert [len(results.unknowns), len(client.unknowns)] == [unknowns, unknowns]
            assert len(results.abandoned) == 5 - unknowns
            assert len(emulator.jobs) == 5
            assert {job.status for job in emulator.jobs.values()} <= statuses

    emulator.inject(fault)
    asyncio.run(main())


@pytest.mark.slow
def test_an_async_run_that_is_forgotten_leaves_no_task(emulator: Emulator) -> None:
    async def main() -> None:
        async with AsyncClient(**emulator.connection) as client:
            results = client.endpoint("abc").map(numbered(50), concurrency=5)
            await anext(results)
            del results
            gc.collect()
            while len(asyncio.all_tasks()) > 1:  # noqa: ASYNC110  as above
                await asyncio.sleep(0)
            assert {job.status for job in emulator.jobs.values()} <= {"COMPLETED", "CANCELLED"}

    asyncio.run(main())


def test_an_async_run_that_is_left_when_its_loop_ends_cancels_what_is_in_flight(emulator: Emulator) -> None:
    async def main() -> None:
        client = AsyncClient(**emulator.connection)
        async for _ in client.endpoint("abc").map(numbered(50), concurrency=5):
            raise LookupError

    with pytest.raises(LookupError):
        asyncio.run(main())
    assert {job.status for job in emulator.jobs.values()} <= {"COMPLETED", "CANCELLED"}


# Both, over a socket; and their memory.


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_run_over_a_socket(kind: type[Client | AsyncClient]) -> None:
    def handler(job: dict[str, Any]) -> Any:
        if job["input"]["n"] == 13:
            raise ValueError("unlucky")
        return job["input"]["n"]

    async def collected(server: Any) -> list[Any]:
        async with AsyncClient(**server.connection) as client:
            return [result async for result in client.endpoint("abc").map(numbered(60), concurrency=20)]

    with Emulator() as emulator:
        emulator.endpoint("abc", handler, workers=10)
        with emulator.serve() as server:
            if kind is AsyncClient:
                results = asyncio.run(collected(server))
            else:
                with Client(**server.connection) as client:
                    results = list(client.endpoint("abc").map(numbered(60), concurrency=20))
    assert sorted(result.output for result in results if result.is_success) == [n for n in range(60) if n != 13]
    assert threads() == []


class Answering(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A service that forgets: each submit is a new job, and each job has ended."""

    def __init__(self) -> None:
        self.count = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        job_id = request.url.path.rpartition("/")[2]
        if request.method == "POST":
            self.count += 1
            return httpx.Response(200, json={"id": f"j{self.count}", "status": "IN_QUEUE"})
        return httpx.Response(200, json={"id": job_id, "status": "COMPLETED", "output": "x" * 1000})

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)
        return self.handle_request(request)


def peak(kind: type[Client | AsyncClient], count: int) -> int:
    """Return the most bytes that a run of so many jobs holds at once."""
    options: dict[str, Any] = {"api_key": "key", "base_url": "https://emulator.invalid/v2", "transport": Answering()}

    def sync() -> int:
        with Client(**options) as client:
            return sum(result.is_success for result in client.endpoint("abc").map(numbered(count), concurrency=16))

    async def other() -> int:
        done = 0
        async with AsyncClient(**options) as client:
            async for result in client.endpoint("abc").map(numbered(count), concurrency=16):
                done += result.is_success
        return done

    tracemalloc.start()
    try:
        assert (sync() if kind is Client else asyncio.run(other())) == count
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_memory_does_not_grow_with_the_number_of_inputs(kind: type[Client | AsyncClient]) -> None:
    peak(kind, 100)  # imports, and what is kept of the first request
    assert peak(kind, 1_200) < 1.5 * peak(kind, 200)
