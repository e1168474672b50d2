"""Thousands of held requests on a socket: all are held, the dead among them lose nothing, and a close answers all."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections import Counter
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from runpod_sdk.clock import VirtualClock
from runpod_sdk.emulator import Emulator, Options
from tests.scale import scaled

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator

    from runpod_sdk.emulator import Server

TAKES, STREAMS, SYNCS = scaled(100, 1_000), scaled(100, 1_000), scaled(20, 200)
PATIENCE = 60  # real seconds; nothing here takes so long
SEED = 4


@pytest.fixture(autouse=True)
def _files() -> Iterator[None]:
    """Allow both ends of every connection in this process."""
    if sys.platform == "win32":
        pytest.skip("select() there knows no more than 512 sockets")
    import resource  # noqa: PLC0415  POSIX

    needed = 2 * (TAKES + STREAMS + SYNCS) + 500
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.skip(f"no more than {hard} files may be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Caller:
    """One connection, with one request on it at a time."""

    def __init__(self, server: Server) -> None:
        self._url = urlsplit(server.url)

    async def open(self) -> Caller:
        self._reader, self._writer = await asyncio.open_connection(self._url.hostname, self._url.port)
        return self

    def send(self, method: str, path: str, body: Any = None) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        fields = f"host: here\r\nauthorization: test\r\ncontent-length: {len(content)}"
        self._writer.write(f"{method} {self._url.path}{path} HTTP/1.1\r\n{fields}\r\n\r\n".encode() + content)

    async def answer(self) -> tuple[int, Any]:
        """Return status and body of a whole answer."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
        size = int(head.partition("content-length: ")[2].partition("\r\n")[0] or 0)
        body = await self._reader.readexactly(size)
        return int(head.split()[1]), json.loads(body) if body else None

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        self.send(method, path, body)
        return await self.answer()

    async def rest(self) -> bytes:
        """Return what comes until the connection ends."""
        return await self._reader.read()

    def close(self) -> None:
        self._writer.transport.abort()

    async def closed(self) -> None:
        with suppress(ConnectionError):
            await self._writer.wait_closed()


@asynccontextmanager
async def callers(server: Server, number: int) -> AsyncGenerator[list[Caller]]:
    """Provide so many connections."""
    made: list[Caller] = []
    try:
        while len(made) < number:
            made += await asyncio.gather(*(Caller(server).open() for _ in range(min(100, number - len(made)))))
        yield made
    finally:
        for caller in made:
            caller.close()
        await asyncio.gather(*(caller.closed() for caller in made))


async def wait_for(is_so: Callable[[], bool]) -> None:
    """Return when something is so; other tasks go on meanwhile."""
    async with asyncio.timeout(PATIENCE):
        while not is_so():  # noqa: ASYNC110  nobody tells when; each look lets all others take a turn
            await asyncio.sleep(0)


def run(
    emulator: Emulator, main: Callable[[Emulator, Server, list[Caller]], Coroutine[Any, Any, None]], number: int
) -> None:
    """Serve, and run a test with so many connections."""

    async def with_connections() -> None:
        server = emulator.serve()
        async with asyncio.timeout(PATIENCE), callers(server, number) as made:
            await main(emulator, server, made)

    asyncio.run(with_connections())


@pytest.mark.slow
def test_all_are_held_until_the_server_closes_and_then_all_are_answered() -> None:
    async def main(emulator: Emulator, server: Server, connections: list[Caller]) -> None:
        user, *crowd = connections
        _, job = await user.ask("POST", "/idle/run", {"input": {}})
        for number, caller in enumerate(crowd):
            if number < TAKES:
                caller.send("GET", f"/taken/job-take/w{number}?gpu=cpu")
            elif number < TAKES + STREAMS:
                caller.send("GET", f"/idle/stream/{job['id']}?wait=300000")
            else:
                caller.send("POST", "/idle/runsync?wait=300000", {"input": {"number": number}})
        await wait_for(lambda: len(server._app._held) == len(crowd))

        status, health = await user.ask("GET", "/idle/health")
        assert (status, health["jobs"]["inQueue"]) == (200, 1 + SYNCS), "others are answered beside them"
        assert Counter(request.operation for request in emulator.requests) == {"run": 1, "health": 1}

        closing = asyncio.create_task(asyncio.to_thread(emulator.close))
        answers = await asyncio.gather(*(caller.answer() for caller in crowd))
        assert set(map(str, answers[:TAKES])) == {"(204, None)"}
        assert set(map(str, answers[TAKES : TAKES + STREAMS])) == {"(200, {'status': 'IN_QUEUE', 'stream': []})"}
        assert {(status, job["status"]) for status, job in answers[TAKES + STREAMS :]} == {(200, "IN_QUEUE")}
        assert len({job["id"] for _, job in answers[TAKES + STREAMS :]}) == SYNCS
        # An answer comes before the end of its connection, and every answer before the end of the close.
        assert set(await asyncio.gather(*(caller.rest() for caller in crowd))) == {b""}
        await closing
        assert len([request for request in emulator.requests if request.status is not None]) == 2 + len(crowd)
        with pytest.raises(ConnectionRefusedError):
            await Caller(server).open()

    with Emulator(options=Options(take_hold=300.0)) as emulator:
        emulator.endpoint("taken", workers=0)
        emulator.endpoint("idle", workers=0)
        run(emulator, main, 1 + TAKES + STREAMS + SYNCS)


class Poller:
    """A worker that takes jobs one after the other, in the way of its kind.

    "alive" delivers each; "silent" takes one and is never heard of again, until it delivers it far too late; "leaving"
    closes its connection, without regard to what is on its way.
    """

    def __init__(self, kind: str, number: int, caller: Caller) -> None:
        self.kind = kind
        self.name = f"{kind}{number}"
        self.caller = caller
        self.taken: list[str] = []

    async def work(self) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):  # closed, by itself or at the end
            await self._work()

    async def _work(self) -> None:
        while True:
            status, job = await self.caller.ask("GET", f"/e/job-take/{self.name}?gpu=cpu")
            if status != 200:
                return
            self.taken.append(job["id"])
            if self.kind == "silent":
                return
            assert await self.deliver(job["id"], job["input"]["number"]) == 200

    async def deliver(self, job_id: str, output: Any) -> int:
        path = f"/e/job-done/{self.name}/{job_id}?gpu=cpu&isStream=false"
        status, _ = await self.caller.ask("POST", path, {"output": output})
        return status


def test_jobs_handed_to_dead_pollers_are_back_within_a_lease_and_run_once_more() -> None:
    clock = VirtualClock(auto_jump=False)
    options = Options(take_hold=1e6, ledger=100 * TAKES)
    chance = random.Random(SEED)  # noqa: S311  which of them leave when

    def statuses(emulator: Emulator) -> Counter[str]:
        return Counter(job.status for job in emulator.jobs.values())

    def waiting(emulator: Emulator) -> list[str]:
        """Return the jobs that the living have still to take or to deliver."""
        open_jobs = [job for job in emulator.jobs.values() if job.status in ("IN_QUEUE", "IN_PROGRESS")]
        return [job.id for job in open_jobs if job.state.get("workerId", "alive").startswith("alive")]

    async def main(emulator: Emulator, server: Server, opened: list[Caller]) -> None:
        user, *connections = opened
        kinds = ["alive", "silent", "leaving", "alive"] * (TAKES // 4)
        chance.shuffle(kinds)
        pollers = [
            Poller(kind, number, each) for number, (kind, each) in enumerate(zip(kinds, connections, strict=True))
        ]
        tasks = [asyncio.create_task(poller.work()) for poller in pollers]
        await wait_for(lambda: len(server._app._held) == len(pollers))
        for number, poller in enumerate(pollers):  # the longest idle first, so this is about the one that gets it
            user.send("POST", "/e/run", {"input": {"number": number}})
            if poller.kind == "leaving":
                poller.caller.close()
            await user.answer()
        silent = [poller for poller in pollers if poller.kind == "silent"]
        await wait_for(lambda: all(poller.taken for poller in silent))
        await wait_for(lambda: not waiting(emulator))

        clock.advance(options.lease)
        await wait_for(lambda: statuses(emulator).keys() <= {"COMPLETED", "FAILED"})
        for poller in silent:
            assert await poller.deliver(poller.taken[0], "far too late") == 200

        verdict = emulator.ledger.verdict()
        assert verdict.is_conserved, str(verdict)
        assert verdict.overexecuted.keys() <= verdict.requeues.keys()
        assert verdict.requeues.keys() >= {poller.taken[0] for poller in silent}
        for job in emulator.jobs.values():
            retries = job.state.get("retries", 0)
            assert 1 + retries >= verdict.executions[job.id] >= (job.status == "COMPLETED")
            # Two who were leaving may have had the same one.
            expected = job.input["number"] if job.status == "COMPLETED" else None
            assert job.state.get("output") == expected
            assert job.status == "COMPLETED" or job.state["error"] == "job timed out after 1 retries"
        completed = Counter(row["job"] for row in emulator.ledger.rows() if row.get("to") == "COMPLETED")
        assert set(completed.values()) == {1}
        assert len(completed) == statuses(emulator)["COMPLETED"]

        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    with Emulator(clock=clock, options=options) as emulator:
        emulator.endpoint("e", workers=0)
        run(emulator, main, 1 + TAKES)
