"""What only one flavour can do or suffer: Ctrl-C and threads, cancellation and loops; and connections of one's own."""

from __future__ import annotations

import asyncio
import copy
import logging
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod_sdk import (
    AsyncClient,
    Client,
    RunpodError,
    SubmissionUnknownError,
)
from runpod_sdk.emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import Iterator

JOIN = 10  # real seconds after which something is stuck


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        emulator.endpoint("idle", workers=0)
        emulator.endpoint("echo", lambda job: job["input"], workers=4)
        yield emulator


def notes(error: BaseException) -> str:
    return "\n".join(getattr(error, "__notes__", []))


# Ctrl-C, as a transport that is interrupted while it waits for an answer.


class Interrupted(httpx.BaseTransport):
    """Passes requests on, but for one operation: there Ctrl-C comes first, or right after the request."""

    def __init__(self, emulator: Emulator, operation: str, *, after: bool = False) -> None:
        self.inner = emulator.transport
        self.operation = f"/{operation}"
        self.after = after

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        is_struck = self.operation in request.url.path
        if is_struck and not self.after:
            raise KeyboardInterrupt
        response = self.inner.handle_request(request)
        if is_struck:
            raise KeyboardInterrupt
        return response


def client_through(emulator: Emulator, transport: httpx.BaseTransport, *, trust: bool = False) -> Client:
    options: dict[str, Any] = {**emulator.connection, "transport": transport, "trust_connect_errors": trust}
    return Client(**options)


def test_ctrl_c_in_a_wait_tells_how_to_come_back(emulator: Emulator) -> None:
    client = client_through(emulator, Interrupted(emulator, "status-sync"))
    job = client.endpoint("idle").run({"a": 1})
    with pytest.raises(KeyboardInterrupt) as stopped:
        job.wait()
    assert f'client.endpoint("idle").job("{job.id}")' in notes(stopped.value)
    assert emulator.jobs[job.id].status == "IN_QUEUE"
    with pytest.raises(KeyboardInterrupt) as stopped:
        job.output(on_abandon="cancel")
    assert "The job was cancelled" in notes(stopped.value)
    assert emulator.jobs[job.id].status == "CANCELLED"


def test_ctrl_c_in_run_sync_cancels_the_job(emulator: Emulator) -> None:
    client = client_through(emulator, Interrupted(emulator, "status-sync"))
    with pytest.raises(KeyboardInterrupt) as stopped:
        client.endpoint("idle").run_sync({"a": 1})
    assert "The job was cancelled" in notes(stopped.value)
    assert [job.status for job in emulator.jobs.values()] == ["CANCELLED"]
    assert client.unknowns == ()


@pytest.mark.parametrize("operation", ["run", "runsync"])
def test_ctrl_c_in_a_submit_is_recorded(emulator: Emulator, operation: str, caplog: pytest.LogCaptureFixture) -> None:
    client = client_through(emulator, Interrupted(emulator, operation, after=True))
    endpoint = client.endpoint("idle")
    with caplog.at_level(logging.WARNING, "runpod_sdk"), pytest.raises(KeyboardInterrupt) as stopped:
        (endpoint.run if operation == "run" else endpoint.run_sync)({"x": "hunter2"})
    (record,) = client.unknowns
    assert (record.operation, record.cause, record.status_code) == (operation, "KeyboardInterrupt", None)
    assert record.input_sha256 in caplog.text
    assert "Interrupted while a submit was on its way" in notes(stopped.value)
    assert "hunter2" not in caplog.text + notes(stopped.value) + repr(record)


def test_ctrl_c_in_a_stream_cancels_the_job_that_it_made(emulator: Emulator) -> None:
    client = client_through(emulator, Interrupted(emulator, "stream"))
    with pytest.raises(KeyboardInterrupt) as stopped, client.endpoint("idle").stream({"a": 1}) as stream:
        next(stream)
    assert notes(stopped.value).count("The job was cancelled") == 1
    assert [job.status for job in emulator.jobs.values()] == ["CANCELLED"]


# Cancellation.


class Stuck(httpx.AsyncBaseTransport):
    """Passes requests on, but holds the answers to one operation until they are released."""

    def __init__(self, emulator: Emulator, operation: str) -> None:
        self.inner = emulator.transport
        self.operation = f"/{operation}"
        self.arrived = asyncio.Event()
        self.released = asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.operation not in request.url.path:
            return await self.inner.handle_async_request(request)
        response = await self.inner.handle_async_request(request) if request.content else None
        self.arrived.set()
        await self.released.wait()
        return response or await self.inner.handle_async_request(request)


def async_client_through(emulator: Emulator, transport: httpx.AsyncBaseTransport) -> AsyncClient:
    options: dict[str, Any] = {**emulator.connection, "transport": transport}
    return AsyncClient(**options)


def test_cancellation_in_a_wait_tells_how_to_come_back(emulator: Emulator) -> None:
    async def main() -> None:
        stuck = Stuck(emulator, "status-sync")
        async with async_client_through(emulator, stuck) as client:
            job = await client.endpoint("idle").run({"a": 1})
            for on_abandon, note in (
                ("detach", f'client.endpoint("idle").job("{job.id}")'),
                ("cancel", "was cancelled"),
            ):
                stuck.arrived.clear()
                task = asyncio.create_task(job.wait(on_abandon=on_abandon))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
                await stuck.arrived.wait()
                task.cancel()
                with pytest.raises(asyncio.CancelledError) as stopped:
                    await task
                assert note in notes(stopped.value)
            assert emulator.jobs[job.id].status == "CANCELLED"

    asyncio.run(main())


def test_a_cancelled_run_sync_cancels_its_job(emulator: Emulator) -> None:
    async def main() -> None:
        stuck = Stuck(emulator, "status-sync")
        async with async_client_through(emulator, stuck) as client:
            task = asyncio.create_task(client.endpoint("idle").run_sync({"a": 1}))
            await stuck.arrived.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert [job.status for job in emulator.jobs.values()] == ["CANCELLED"]
        assert client.unknowns == ()

    asyncio.run(main())


@pytest.mark.parametrize("operation", ["run", "runsync"])
def test_a_cancelled_submit_comes_home_and_its_job_is_cancelled(emulator: Emulator, operation: str) -> None:
    async def main() -> None:
        stuck = Stuck(emulator, operation)
        async with async_client_through(emulator, stuck) as client:
            endpoint = client.endpoint("idle")
            task = asyncio.create_task(endpoint.run({"a": 1}) if operation == "run" else endpoint.run_sync({"a": 1}))
            await stuck.arrived.wait()
            task.cancel()
            asyncio.get_running_loop().call_soon(stuck.released.set)
            with pytest.raises(asyncio.CancelledError) as stopped:
                await task
            assert "The job was cancelled" in notes(stopped.value)
            assert client.unknowns == ()
        assert [job.status for job in emulator.jobs.values()] == ["CANCELLED"]

    asyncio.run(main())


def test_a_timeout_of_asyncio_works_as_usual(emulator: Emulator) -> None:
    async def main() -> None:
        stuck = Stuck(emulator, "status-sync")
        async with async_client_through(emulator, stuck) as client:
            job = await client.endpoint("idle").run({"a": 1})
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await job.wait()
            assert await job.status() == "IN_QUEUE"

    asyncio.run(main())


# Loops and threads.


def test_a_second_loop_is_refused(emulator: Emulator) -> None:
    client = AsyncClient(**emulator.connection)
    asyncio.run(client.endpoint("echo").health())
    with pytest.raises(RuntimeError, match="in use by another event loop"):
        asyncio.run(client.endpoint("echo").health())


def test_an_async_client_serves_many_tasks_at_once(emulator: Emulator) -> None:
    async def main() -> list[Any]:
        async with AsyncClient(**emulator.connection) as client:
            calls = [client.endpoint("echo").run_sync({"n": n}) for n in range(50)]
            return await asyncio.gather(*calls)

    assert asyncio.run(main()) == [{"n": n} for n in range(50)]


def test_a_sync_client_serves_many_threads_at_once(emulator: Emulator) -> None:
    with Client(**emulator.connection) as client, ThreadPoolExecutor(16) as pool:
        calls = [pool.submit(client.endpoint("echo").run_sync, {"n": n}) for n in range(50)]
        assert [call.result(JOIN) for call in calls] == [{"n": n} for n in range(50)]
        assert client.stats["runsync"].requests == 50


def test_a_sync_client_works_under_a_running_loop(emulator: Emulator) -> None:
    async def main() -> Any:
        with Client(**emulator.connection) as client:
            return client.endpoint("echo").run_sync({"a": 1})

    assert asyncio.run(main()) == {"a": 1}


def test_a_callback_may_be_a_coroutine_function(emulator: Emulator) -> None:
    seen: list[str] = []

    async def on_update(state: Any) -> None:
        await asyncio.sleep(0)
        seen.append(state.status)

    async def main() -> None:
        async with AsyncClient(**emulator.connection) as client:
            await client.endpoint("echo").run_sync({"a": 1}, on_update=on_update)

    asyncio.run(main())
    assert seen[-1] == "COMPLETED"


def test_close_ends_the_waits_of_other_threads(emulator: Emulator) -> None:
    client = Client(**emulator.connection)
    job = client.endpoint("idle").run({"a": 1}, ttl=60)
    ends: list[BaseException] = []

    def wait() -> None:
        try:
            job.wait()
        except (RuntimeError, RunpodError) as error:
            ends.append(error)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    client.close()
    thread.join(JOIN)
    assert not thread.is_alive()
    assert ends


# Connections of one's own.


def test_a_client_of_ones_own_is_used_as_it_is_and_not_closed(emulator: Emulator) -> None:
    options = {name: value for name, value in emulator.connection.items() if name != "transport"}
    keys: set[str] = set()

    def note(request: httpx.Request) -> None:
        keys.add(request.headers["authorization"])

    hooks: dict[str, list[Any]] = {"request": [note]}
    with httpx.Client(transport=emulator.transport, event_hooks=hooks) as mine:
        with Client(**options, http_client=mine) as client:
            assert client.endpoint("echo").run_sync({"a": 1}) == {"a": 1}
        assert not mine.is_closed
        assert mine.event_hooks == {**hooks, "response": []}
    assert keys == {"Bearer test"}


def test_an_async_client_of_ones_own_too(emulator: Emulator) -> None:
    async def main() -> None:
        options = {name: value for name, value in emulator.connection.items() if name != "transport"}
        async with httpx.AsyncClient(transport=emulator.transport) as mine:
            async with AsyncClient(**options, http_client=mine) as client:
                assert await client.endpoint("echo").run_sync({"a": 1}) == {"a": 1}
            assert not mine.is_closed

    asyncio.run(main())


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_client_and_a_transport_of_ones_own_exclude_each_other(kind: type[Client | AsyncClient]) -> None:
    wrong: Any = kind
    with pytest.raises(ValueError, match="http_client and transport cannot be combined"):
        wrong("key", http_client=httpx.Client(), transport=httpx.HTTPTransport())


class Refusing(httpx.BaseTransport):
    """Says that it could not connect; whether that is true, nobody knows."""

    def __init__(self) -> None:
        self.count = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.count += 1
        raise httpx.ConnectError("refused", request=request)


def test_the_connect_error_of_a_transport_of_ones_own_is_no_proof(emulator: Emulator) -> None:
    transport = Refusing()
    with pytest.raises(SubmissionUnknownError):
        client_through(emulator, transport).endpoint("idle").run({"a": 1})
    assert transport.count == 1


def test_unless_the_caller_says_so(emulator: Emulator) -> None:
    transport = Refusing()
    with pytest.raises(RunpodError, match="ConnectError: refused"):
        client_through(emulator, transport, trust=True).endpoint("idle").run({"a": 1})
    assert transport.count == 5


# What nobody else may see.


def test_no_log_shows_a_key_or_an_input(emulator: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "runpod_sdk"):
        client = client_through(emulator, Refusing())
        with pytest.raises(SubmissionUnknownError):
            client.endpoint("idle").run({"x": "hunter2"}, extra_headers={"x-secret": "hunter2"})
        with Client(**emulator.connection) as client:
            assert client.endpoint("echo").run_sync({"x": "hunter2"}) == {"x": "hunter2"}
    assert "runsync on endpoint" in caplog.text
    assert "hunter2" not in caplog.text
    assert "Bearer" not in caplog.text


def test_a_client_is_not_pickled(emulator: Emulator) -> None:
    for client in (Client(**emulator.connection), AsyncClient(**emulator.connection)):
        for way in (pickle.dumps, copy.copy):
            with pytest.raises(TypeError, match="holds connections and a key"):
                way(client)
