"""Threads, forks and event loops that share a client, or must not."""

from __future__ import annotations

import asyncio
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from runpod_sdk import AsyncClient, AsyncJob, Client, Job
from runpod_sdk.errors import JobFailedError, RunpodError, SubmissionUnknownError
from tests.faults.acts import answer_and_close, cut, nothing
from tests.faults.flavours import FLAVOURS, Flavour, closed, settled
from tests.faults.server import KEY, FaultServer, answer

flavours = pytest.mark.parametrize("flavour", FLAVOURS, ids=lambda flavour: flavour.name)


def test_threads_share_a_client_and_its_connections() -> None:
    threads, each = 8, 10
    with FaultServer() as server, Client(KEY, base_url=server.url) as client:
        with ThreadPoolExecutor(threads) as pool:
            calls = [pool.submit(client.endpoint(f"e{number % 3}").health) for number in range(threads * each)]
            assert {call.result().jobs.in_queue for call in calls} == {2}
        assert client.stats["health"].requests == server.counts()["health"] == threads * each
        assert 1 <= server.connections <= threads


def test_tasks_share_a_client_and_its_connections() -> None:
    tasks = 80

    async def main() -> None:
        async with AsyncClient(KEY, base_url=server.url) as client:
            found = await asyncio.gather(*(client.endpoint(f"e{number % 3}").health() for number in range(tasks)))
            assert {health.jobs.in_queue for health in found} == {2}
            assert client.stats["health"].requests == server.counts()["health"] == tasks

    with FaultServer() as server:
        asyncio.run(main())


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("way", ["before its first request", "between two requests"])
def test_a_client_works_on_both_sides_of_a_fork(way: str) -> None:
    """Connections are not shared: each process opens its own, as with gunicorn's preload or Celery's prefork."""
    program = (
        "import os, sys; from runpod_sdk import Client\n"
        "client = Client('key', base_url=sys.argv[1]); endpoint = client.endpoint('e')\n"
        "if sys.argv[2].startswith('between'): endpoint.health()\n"
        "child = os.fork()\n"
        "for _ in range(3): endpoint.health()\n"
        "client.close()\n"
        "if child: sys.exit(os.waitpid(child, 0)[1])\n"
    )
    with FaultServer() as server:
        subprocess.run([sys.executable, "-W", "error", "-c", program, server.url, way], check=True, timeout=60)  # noqa: S603
    before = int(way.startswith("between"))
    assert sorted(arrival.nth for arrival in server.arrivals if arrival.nth == 1) == [1, 1]
    assert max(arrival.nth for arrival in server.arrivals) == 3 + before
    assert len(server.arrivals) == 6 + before


def test_an_async_client_may_be_made_before_its_loop() -> None:
    with FaultServer(default=answer_and_close) as server:
        client = AsyncClient(KEY, base_url=server.url)

        async def main() -> None:
            async with client:
                assert (await client.endpoint("e").health()).jobs.in_queue == 2

        asyncio.run(main())


def test_an_async_client_in_a_second_loop_says_so_and_sends_nothing() -> None:
    with FaultServer() as server:
        client = AsyncClient(KEY, base_url=server.url)

        async def first() -> None:
            await client.endpoint("e").health()
            await asyncio.to_thread(asyncio.run, second())
            await client.aclose()

        async def second() -> None:
            with pytest.raises(RuntimeError, match="another event loop"):
                await client.endpoint("e").health()
            with pytest.raises(RuntimeError, match="another event loop"):
                await client.endpoint("e").run({"n": 1})

        asyncio.run(first())
    assert server.counts() == {"health": 1}
    assert client.unknowns == ()


def test_a_client_works_under_a_running_loop() -> None:
    """As in a notebook, whose cells run inside of one."""

    async def cell(url: str) -> Any:
        with Client(KEY, base_url=url) as client:
            return client.endpoint("e").run_sync({"n": 1})

    with FaultServer() as server:
        assert asyncio.run(cell(server.url)) == ["a", "b"]


@flavours
def test_a_closed_client_says_so_and_sends_nothing(flavour: Flavour) -> None:
    async def body(client: Any) -> None:
        await settled(client.endpoint("e").health())
        await closed(client)
        with pytest.raises(RuntimeError, match="closed"):
            await settled(client.endpoint("e").health())
        with pytest.raises(RuntimeError, match="closed"):
            await settled(client.endpoint("e").run({"n": 1}))
        assert client.unknowns == ()

    with FaultServer() as server:
        flavour.play(server, body)
    assert len(server.arrivals) == 1


@flavours
def test_what_a_process_hands_to_another_survives_pickle(flavour: Flavour) -> None:
    found: list[RunpodError] = []

    async def body(client: Any) -> Any:
        job = await settled(client.endpoint("e").run({"n": 1}))
        for call in (job.output, lambda: client.endpoint("e").run({"n": 1})):
            with pytest.raises(RunpodError) as caught:
                await settled(call())
            found.append(caught.value)
        return job

    with FaultServer() as server:
        server.script("e", answer, answer, cut(nothing), status="FAILED")
        job: Job | AsyncJob = flavour.play(server, body)
    copy = pickle.loads(pickle.dumps(job))  # noqa: S301  our own
    assert (copy, copy.submitted_at, hash(copy)) == (job, job.submitted_at, hash(job))
    with pytest.raises(RuntimeError, match=r'client\.endpoint\("e"\)\.job\("j1"\)'):
        copy.cancel() if isinstance(copy, Job) else asyncio.run(copy.cancel())
    failed, unknown = (pickle.loads(pickle.dumps(error)) for error in found)  # noqa: S301  our own
    assert isinstance(failed, JobFailedError)
    assert (failed.job, str(failed)) == (job, str(found[0]))
    assert isinstance(unknown, SubmissionUnknownError)
    assert vars(unknown) == vars(found[1])
