"""What the emulator can take: jobs a second, memory, a virtual day, start, and thousands of parked long polls.

    python benchmarks/emulator.py [--quick] [--json FILE]

Each server is a process of its own, and this process is the load beside it. The local server of the official package
(`--rp_serve_api`) is measured with the same load where RUNPOD_OFFICIAL_PYTHON names a Python that has it; it has no
queue: its /status runs the handler. Figures depend on the machine, and on what else it does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from http_load import Connection, open_many
from rows import Row, table, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator

OURS, OFFICIAL = "emulator", "--rp_serve_api (official)"
HANDLER = """
import runpod

def handler(job):
    return job["input"]

runpod.serverless.start({"handler": handler})
"""
CONNECTIONS = 64
JOB = {"input": {"prompt": "hello"}}
HOLD_MS = 300_000
INSIDE = str(Path(__file__).with_name("emulator_inside.py"))
# How many of each are parked: a busy day, and as many as one machine may have.
CROWDS = {"2,200": (1_000, 1_000, 200, 0), "10,000": (1_000, 1_000, 200, 7_800)}
IDLE_SECONDS = 5
HAND_OVERS = 500


# --- servers ---


@contextmanager
def process(*command: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Run a server until the end of the block."""
    started = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options)  # noqa: S603
    try:
        yield started
    finally:
        started.send_signal(signal.SIGTERM)
        started.communicate()


@contextmanager
def emulate(folder: str) -> Iterator[tuple[str, float]]:
    """Start the command as a user does; yield the URL of the endpoint, and how long it took to answer, seconds."""
    began = time.perf_counter()
    command = (sys.executable, "-m", "runpod_sdk", "emulate", f"{folder}/handler.py")
    with process(*command, "--port", "0", "--json", "--quiet") as server:
        told = json.loads(server.stdout.readline() if server.stdout else "")
        url = f"{told['url']}/local"
        status, _ = asyncio.run(once(url, "GET", "/health"))
        if status != 200:
            raise SystemExit(f"health: {status}")
        yield url, time.perf_counter() - began


@contextmanager
def serve_api(folder: str, python: str) -> Iterator[tuple[str, float]]:
    """Start the official local server; yield the same."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    began = time.perf_counter()
    command = (
        python,
        f"{folder}/handler.py",
        "--rp_serve_api",
        "--rp_api_host",
        "127.0.0.1",
        "--rp_api_port",
        str(port),
    )
    with process(*command, stderr=subprocess.DEVNULL, env=os.environ | {"RUNPOD_DEBUG_LEVEL": "ERROR"}) as server:
        url = f"http://127.0.0.1:{port}"
        while server.poll() is None:
            with suppress(OSError):
                asyncio.run(once(url, "GET", "/docs"))
                break
            time.sleep(0.005)
        yield url, time.perf_counter() - began


async def once(url: str, method: str, path: str) -> tuple[int, Any]:
    """Make one request."""
    connection = await Connection.open(url, "test")
    status, _ = await connection.send(method, path)
    connection.close()
    return status, None


def serve() -> None:
    """Serve endpoints without workers; on standard input: `cpu` prints CPU seconds, `close` ends, and says how long."""
    from runpod_sdk.emulator import Emulator, Options

    emulator = Emulator(options=Options(take_hold=HOLD_MS / 1000, lease=HOLD_MS / 1000))
    for endpoint_id in ("taken", "held"):
        emulator.endpoint(endpoint_id, workers=0)
    server = emulator.serve()
    print(json.dumps(server.url), flush=True)
    for line in sys.stdin:
        if line.strip() == "cpu":
            print(time.process_time(), flush=True)
        else:
            began = time.perf_counter()
            emulator.close()
            print(time.perf_counter() - began, flush=True)


# --- jobs a second ---


async def jobs_a_second(url: str, jobs: int, *, ours: bool) -> float:
    """Submit jobs, and wait for each: run and a held status, over so many connections."""
    path = "/status-sync/{}?wait=90000" if ours else "/status/{}"
    method = "GET" if ours else "POST"
    numbers = iter(range(jobs))
    connections = await open_many(url, "test", CONNECTIONS)

    async def work(connection: Connection) -> None:
        for _ in numbers:
            _, job = await connection.ask("POST", "/run", JOB)
            _, state = await connection.ask(method, path.format(job["id"]))
            if state["status"] != "COMPLETED":
                raise SystemExit(f"a job ended as {state}")

    began = time.perf_counter()
    await asyncio.gather(*map(work, connections))
    return jobs / (time.perf_counter() - began)


# --- parked long polls ---


async def crowd(server: subprocess.Popen[str], url: str, name: str) -> list[Row]:
    """Park as many as a crowd has, and measure beside them."""
    takes, streams, syncs, statuses = CROWDS[name]
    who = f"{OURS}, {name} parked"
    user = await Connection.open(f"{url}/held", "test")
    ids = [(await user.ask("POST", "/run", JOB))[1]["id"] for _ in range(max(streams, statuses))]
    held = await open_many(f"{url}/held", "test", streams + syncs + statuses)
    parked = [c.send("GET", f"/stream/{i}?wait={HOLD_MS}") for c, i in zip(held[:streams], ids, strict=False)]
    parked += [c.send("POST", f"/runsync?wait={HOLD_MS}", JOB) for c in held[streams : streams + syncs]]
    rest = zip(held[streams + syncs :], ids, strict=False)
    parked += [c.send("GET", f"/status-sync/{i}?wait={HOLD_MS}") for c, i in rest]
    workers = await open_many(f"{url}/taken", "test", takes)
    taken: asyncio.Queue[tuple[float, int, dict[str, Any]]] = asyncio.Queue()

    def take(number: int) -> None:
        def arrived(answer: asyncio.Future[tuple[int, bytes]]) -> None:
            if not answer.cancelled() and answer.exception() is None and answer.result()[1]:
                taken.put_nowait((time.perf_counter(), number, json.loads(answer.result()[1])))

        workers[number].send("GET", f"/job-take/w{number}?gpu=cpu&job_in_progress=0").add_done_callback(arrived)

    for number in range(takes):
        take(number)
    submitter, waiter = await open_many(f"{url}/taken", "test", 2)
    for _ in range(2):  # until the last of them is parked: this one is answered after all of them were read
        await submitter.ask("GET", "/health")
        await asyncio.sleep(1)

    before, began = cpu(server), time.perf_counter()
    await asyncio.sleep(IDLE_SECONDS)
    idle = (cpu(server) - before) / (time.perf_counter() - began) * 100

    to_worker: list[float] = []
    to_caller: list[float] = []
    for _ in range(HAND_OVERS):
        began = time.perf_counter()
        submitted = submitter.send("POST", "/run", JOB)
        at, number, job = await taken.get()
        to_worker.append(at - began)
        await submitted
        caller = waiter.send("GET", f"/status-sync/{job['id']}?wait={HOLD_MS}")
        await asyncio.sleep(0.002)  # it is parked
        began = time.perf_counter()
        done = workers[number].send("POST", f"/job-done/w{number}/{job['id']}?gpu=cpu&isStream=false", {"output": 1})
        await caller
        to_caller.append(time.perf_counter() - began)
        await done
        take(number)

    if any(future.done() for future in parked):
        raise SystemExit("not all of them were held")
    began = time.perf_counter()
    closing = asyncio.get_running_loop().run_in_executor(None, tell, server, "close")
    answers = await asyncio.gather(*parked, return_exceptions=True)
    drain = time.perf_counter() - began
    lost = sum(isinstance(answer, BaseException) or answer[0] != 200 for answer in answers)
    close = await closing
    if lost:
        raise SystemExit(f"{lost} held requests were not answered when the server was closed")
    most = 200.0 if name == "2,200" else None
    return [
        Row(figure="CPU while nothing happens", who=who, unit="% of a core", values=(idle,), most=2),
        Row(figure="hand-over, run → worker, p50", who=who, unit="ms", values=(percentile(to_worker, 0.5),)),
        Row(figure="hand-over, run → worker, p99", who=who, unit="ms", values=(percentile(to_worker, 0.99),), most=20),
        Row(figure="hand-over, done → caller, p99", who=who, unit="ms", values=(percentile(to_caller, 0.99),), most=20),
        Row(figure="close → the last held is answered", who=who, unit="ms", values=(drain * 1000,), most=most),
        Row(figure="close → closed", who=who, unit="ms", values=(close * 1000,)),
    ]


def percentile(seconds: list[float], share: float) -> float:
    """Return milliseconds."""
    return sorted(seconds)[min(len(seconds) - 1, int(len(seconds) * share))] * 1000


def tell(server: subprocess.Popen[str], word: str) -> float:
    """Tell the server something, and return the number that it answers."""
    if server.stdin is None or server.stdout is None:
        raise SystemExit("the server has no pipes")
    server.stdin.write(f"{word}\n")
    server.stdin.flush()
    return float(server.stdout.readline())


def cpu(server: subprocess.Popen[str]) -> float:
    """Return the CPU seconds that it has taken so far."""
    return tell(server, "cpu")


# --- all of it ---


def over_http(folder: str, *, quick: bool) -> list[Row]:
    """Measure start and jobs a second, in turn with the official server where there is one."""
    jobs, rounds = (4_000, 2) if quick else (20_000, 3)
    python = os.environ.get("RUNPOD_OFFICIAL_PYTHON")
    starts: dict[str, list[float]] = {OURS: [], OFFICIAL: []}
    rates: dict[str, list[float]] = {OURS: [], OFFICIAL: []}
    with emulate(folder):
        pass  # byte code, and files in memory
    for _ in range(rounds):
        with emulate(folder) as (url, start):
            starts[OURS].append(start)
            rates[OURS].append(asyncio.run(jobs_a_second(url, jobs, ours=True)))
        if python:
            with serve_api(folder, python) as (url, start):
                starts[OFFICIAL].append(start)
                rates[OFFICIAL].append(asyncio.run(jobs_a_second(url, jobs // 4, ours=False)))
    rows: list[Row] = []
    for who in (OURS, OFFICIAL) if python else (OURS,):
        most, least = (0.3, 2_000) if who == OURS else (None, None)
        rows += [
            Row(figure="command → first answer", who=who, unit="s", values=tuple(starts[who]), most=most),
            Row(figure="jobs over HTTP", who=who, unit="jobs/s", values=tuple(rates[who]), least=least),
        ]
    return rows


def parked(names: list[str], rounds: int) -> list[Row]:
    """Measure beside each crowd, so many times."""
    rows: list[Row] = []
    for name in names:
        runs: list[list[Row]] = []
        for _ in range(rounds):
            with process(sys.executable, __file__, "--serve") as server:
                url = json.loads(server.stdout.readline() if server.stdout else "")
                runs.append(asyncio.run(crowd(server, url, name)))
        rows += [replace(same[0], values=tuple(row.median for row in same)) for same in zip(*runs, strict=True)]
    return rows


def inside(case: str, jobs: int) -> float:
    """Run a case without a socket in a process of its own, and return its number."""
    done = subprocess.run([sys.executable, INSIDE, case, str(jobs)], stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
    return float(done.stdout)


def measure(*, quick: bool) -> list[Row]:
    """Measure all of it."""
    with TemporaryDirectory() as folder:
        Path(folder, "handler.py").write_text(HANDLER, encoding="utf-8")
        rows = over_http(folder, quick=quick)
    jobs = 20_000 if quick else 100_000
    values = tuple(inside("queue", jobs) for _ in range(3))
    rows.append(Row(figure="jobs through `Queue.handle`", who=OURS, unit="jobs/s", values=values, least=10_000))
    jobs = 50_000 if quick else 1_000_000
    values = (inside("memory", jobs),)
    rows.append(Row(figure=f"memory grown after {jobs:,} jobs", who=OURS, unit="MB", values=values, most=50))
    jobs = 2_000 if quick else 10_000
    values = (inside("day", jobs),)
    most = None if quick else 10
    rows.append(
        Row(figure=f"a virtual day with {jobs:,} jobs, with the SDK", who=OURS, unit="s", values=values, most=most)
    )
    return rows + (parked(["2,200"], 1) if quick else parked(list(CROWDS), 2))


def main(argv: list[str] | None = None) -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer of everything, in less than a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file, too")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args(argv)
    if asked.serve:
        serve()
        return 0
    rows = measure(quick=asked.quick)
    print(table(rows))
    if asked.json:
        write_json(asked.json, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
