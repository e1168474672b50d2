"""Connections: one client for each key and address, in threads, after a fork, in each event loop; closed at the end."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk import compat
from runpod_sdk.compat import _loops
from runpod_sdk.emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.compat.service import Service


@pytest.fixture
def base_url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serve on a socket, for real connections."""
    with Emulator() as emulator:
        emulator.endpoint("e", lambda job: job["input"]["n"], workers=4)
        url = emulator.serve().url
        monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", url)
        monkeypatch.setenv("RUNPOD_API_KEY", emulator.api_key)
        yield url


def in_a_fresh_python(code: str, warnings: str = "error") -> str:
    """Run code with every warning as an error; also those of connections that were left open."""
    command = [sys.executable, "-W", warnings, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  ours
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def test_endpoints_of_one_key_and_address_share_a_client() -> None:
    first = compat.Endpoint("a", "key").rp_client.native
    assert compat.Endpoint("b", "key").rp_client.native is first
    assert compat.Endpoint("a", "other").rp_client.native is not first


def test_another_address_is_another_client(monkeypatch: pytest.MonkeyPatch) -> None:
    first = compat.Endpoint("a", "key").rp_client.native
    monkeypatch.setitem(vars(compat), "endpoint_url_base", "https://example.com/v2")
    assert compat.Endpoint("a", "key").rp_client.native is not first


def test_threads_that_come_at_once_share_a_client() -> None:
    together = Barrier(8)

    def make(_: int) -> Any:
        together.wait()
        return compat.Endpoint("e", "a-key-that-no-other-test-has").rp_client.native

    with ThreadPoolExecutor(8) as threads:
        assert len({id(client) for client in threads.map(make, range(8))}) == 1


def test_threads_may_call_at_once(service: Service) -> None:
    service.emulator.endpoint("e", lambda job: job["input"]["n"], workers=4)

    def call(n: int) -> Any:
        return compat.Endpoint("e").run_sync({"n": n}, timeout=60)

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(call, range(40))) == list(range(40))


def test_a_loop_has_one_client_which_ends_with_it(service: Service) -> None:
    async def client() -> Any:
        first, second = compat.AsyncioEndpoint("a", None), compat.AsyncioEndpoint("b", None)
        await first.native._client.endpoint("e").health()
        assert first.native._client is second.native._client
        return first.native._client

    service.emulator.endpoint("e")
    clients = [asyncio.run(client()), asyncio.run(client())]
    assert clients[0] is not clients[1]
    assert [client._wire._closed for client in clients] == [True, True]
    assert _loops._CLIENTS == {}


def test_an_endpoint_may_be_used_in_one_loop_after_another(service: Service) -> None:
    service.emulator.endpoint("e", lambda job: job["input"]["n"])
    endpoint = compat.AsyncioEndpoint("e", None)

    async def call(n: int) -> Any:
        return await (await endpoint.run({"n": n})).output()

    assert [asyncio.run(call(1)), asyncio.run(call(2))] == [1, 2]


def test_threads_may_each_run_loops_of_their_own(base_url: str) -> None:
    endpoint = compat.AsyncioEndpoint("e", None)
    together = Barrier(8)

    async def call(n: int) -> Any:
        return await (await endpoint.run({"n": n})).output()

    def calls(thread: int) -> list[Any]:
        together.wait()
        return [asyncio.run(call(thread)) for _ in range(5)]

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(calls, range(8))) == [[thread] * 5 for thread in range(8)]
    assert base_url in endpoint.endpoint_url
    assert _loops._CLIENTS == {}


def test_a_loop_that_was_closed_without_being_shut_down_is_forgotten(service: Service) -> None:
    service.emulator.endpoint("e")
    loop = asyncio.new_event_loop()
    loop.run_until_complete(compat.AsyncioEndpoint("e", None).health())
    loop.close()
    assert len(_loops._CLIENTS) == 1
    [(_, keeper)] = _loops._CLIENTS.values()
    asyncio.run(compat.AsyncioEndpoint("e", None).health())
    assert _loops._CLIENTS == {}
    asyncio.run(keeper.aclose())  # its own loop would have done it


CALLS = """
from runpod_sdk import compat as runpod
print(runpod.Endpoint("e").run_sync({"n": 1}, timeout=60))
"""
ASYNC_CALLS = """
import asyncio
from runpod_sdk import compat as runpod

async def main():
    async with runpod.http_client.AsyncClientSession(headers={}) as session:
        job = await runpod.AsyncioEndpoint("e", session).run({"n": 2})
        print(await job.output())

asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.usefixtures("base_url")
@pytest.mark.parametrize(("code", "printed"), [(CALLS, "1"), (ASYNC_CALLS, "2")], ids=["sync", "asyncio"])
def test_nothing_is_left_open_at_the_end(code: str, printed: str) -> None:
    assert in_a_fresh_python(code) == printed


@pytest.mark.slow
@pytest.mark.usefixtures("base_url")
def test_a_session_of_aiohttp_may_be_passed_and_is_not_used() -> None:
    pytest.importorskip("aiohttp")
    code = ASYNC_CALLS.replace("import asyncio", "import asyncio, aiohttp").replace(
        "runpod.http_client.AsyncClientSession(headers={})", "aiohttp.ClientSession()"
    )
    assert in_a_fresh_python(code) == "2"


FORK = """
import os
from runpod_sdk import compat as runpod

endpoint = runpod.Endpoint("e")
endpoint.run_sync({"n": 1}, timeout=60)
child = os.fork()
assert endpoint.run_sync({"n": 3}, timeout=60) == 3
assert runpod.Endpoint("e").run_sync({"n": 4}, timeout=60) == 4
if child:
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.usefixtures("base_url")
def test_a_fork_has_connections_of_its_own() -> None:
    # The child leaves the sockets of its parent alone, of which Python warns.
    assert in_a_fresh_python(FORK, "ignore") == "0"
