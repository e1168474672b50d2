"""The emulator without a socket, each case in a process of its own, which prints one number.

    python benchmarks/emulator_inside.py CASE JOBS

queue: jobs a second through `Queue.handle`: submit, take, finish and status of each
memory: by how many MB the process has grown after so many jobs, five a second, with its ledger
day: seconds that a virtual day takes: jobs spread over 24 hours, a minute each, submitted and awaited with the SDK
"""

from __future__ import annotations

import asyncio
import gc
import resource
import sys
import time
from typing import Any

from runpod_sdk.clock import VirtualClock
from runpod_sdk.emulator import Emulator
from runpod_sdk.emulator._queue import _requests as ask
from runpod_sdk.emulator._queue._queue import Queue

DAY = 86_400.0
RATE = 5  # jobs a second, where memory is measured: with a retention of 30 minutes, 9,000 of them are kept
SPANS = {"execution_timeout": 600.0, "ttl": DAY, "retention": 1_800.0}


def queue(jobs: int) -> float:
    """Return jobs a second."""
    ids = map(str, range(jobs))
    tested = Queue("e", new_id=lambda: next(ids))
    began = time.perf_counter()
    for number in range(jobs):
        now = number / RATE
        tested.handle(ask.Submit(input={"number": number}, **SPANS), now)
        taken: Any = tested.handle(ask.Take(worker_id="w"), now)[0]
        job_id = taken.body["id"]
        tested.handle(ask.Finish(worker_id="w", job_id=job_id, output=number), now)
        state: Any = tested.handle(ask.Status(job_id=job_id), now)[0]
        if state.body["output"] != number:
            raise SystemExit(f"job {number}: {state}")
    return jobs / (time.perf_counter() - began)


def memory(jobs: int) -> float:
    """Return MB."""
    with Emulator(clock=VirtualClock(auto_jump=False)) as emulator:
        emulator.endpoint("e", workers=0)
        clock: Any = emulator.clock
        hub = emulator._open(VirtualClock).hub
        endpoint = hub.endpoints["e"]
        gc.collect()
        before = peak()
        for number in range(jobs):
            hub.ask(endpoint, ask.Submit(input={"number": number}, **SPANS))
            taken: Any = hub.ask(endpoint, ask.Take(worker_id="w"))
            hub.ask(endpoint, ask.Finish(worker_id="w", job_id=taken.body["id"], output=number))
            if number % 100 == 0:
                clock.advance(100 / RATE)
        grown = peak() - before
        verdict = emulator.ledger.verdict()
        if verdict.submitted != jobs or not verdict.is_conserved:
            raise SystemExit(str(verdict))
        return grown


def peak() -> float:
    """Return the most memory that this process has had, MB."""
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage: bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def day(jobs: int) -> float:
    """Return seconds."""
    from runpod_sdk import AsyncClient

    with Emulator() as emulator:

        async def handler(job: dict[str, Any]) -> Any:
            await emulator.clock.sleep_async(60)
            return job["input"]["number"]

        emulator.endpoint("e", handler, workers=32)

        async def main() -> list[Any]:
            async with AsyncClient(**emulator.connection) as client:
                endpoint = client.endpoint("e")

                async def one(number: int) -> Any:
                    return await (await endpoint.run({"number": number})).output()

                async with asyncio.TaskGroup() as group:
                    tasks: list[asyncio.Task[Any]] = []
                    for number in range(jobs):
                        tasks.append(group.create_task(one(number)))
                        await emulator.clock.sleep_async(DAY / jobs)
                return [task.result() for task in tasks]

        began, virtual = time.perf_counter(), emulator.clock.monotonic()
        outputs = asyncio.run(main())
        took = time.perf_counter() - began
        if outputs != list(range(jobs)) or emulator.clock.monotonic() - virtual < DAY * 0.999:
            raise SystemExit("that was not a day, or not all jobs")
        return took


CASES = {"queue": queue, "memory": memory, "day": day}

if __name__ == "__main__":
    print(CASES[sys.argv[1]](int(sys.argv[2])))
