"""Jobs a second through an emulator with and without a file that keeps its state: `python benchmarks/kept.py [JOBS]`.

Behind the doors, without HTTP and without a client: each job is submitted, taken by a worker, finished, and looked at,
four requests with their rows in the ledger. With the file, what each has changed is in it before its answer is there.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from runpod_sdk.clock import SystemClock
from runpod_sdk.emulator import Emulator
from runpod_sdk.emulator._queue import _requests as ask

JOBS = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000


def measured(db: Path | None) -> tuple[float, float]:
    """Return jobs a second, by the clock on the wall and by what the processor was used."""
    with Emulator(clock=SystemClock(), db=db) as emulator:
        emulator.endpoint("e", workers=0)
        hub = emulator.transport._gateway.hub
        endpoint = hub.endpoints["e"]

        def asked(operation: str, request: ask.Request, sha256: str | None = None) -> ask.Reply:
            logged = hub.ledger.request(operation, "POST", f"/v2/e/{operation}", "e", None, sha256)
            reply = hub.ask(endpoint, request, logged=logged)
            if not isinstance(reply, ask.Reply):
                raise TypeError(f"{operation} is held")
            hub.ledger.answer(logged, 200, "whole", reply.body.get("status"))
            return reply

        wall, used = time.perf_counter(), time.process_time()
        for n in range(JOBS):
            submit = ask.Submit(input={"prompt": f"job {n}"}, execution_timeout=600.0, ttl=86_400.0, retention=1_800.0)
            asked("run", submit, f"{n:064}")
            job = asked("job-take", ask.Take(worker_id="w", wait=60.0, lease=40.0)).body
            asked("job-done", ask.Finish(worker_id="w", job_id=job["id"], output={"n": n}))
            asked("status", ask.Status(job_id=job["id"]))
        return JOBS / (time.perf_counter() - wall), JOBS / (time.process_time() - used)


def main() -> None:
    """Print both."""
    with tempfile.TemporaryDirectory() as folder:
        for name, db in (("without a file", None), ("with --db", Path(folder) / "state.db")):
            wall, used = measured(db)
            print(f"{name:<15} {wall:8,.0f} jobs/s, {used:8,.0f} by CPU time")
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
        print(f"the file        {size / JOBS:8,.0f} bytes a job")


if __name__ == "__main__":
    main()
