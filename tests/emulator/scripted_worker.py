"""A worker that needs nothing but the standard library: it does what `do` in a job's input says."""

from __future__ import annotations

import json
import os
import signal
import sys
import urllib.request
from pathlib import Path
from typing import Any

WORKER = os.environ["RUNPOD_POD_ID"]
stopping = False


def stop(_: int, __: object) -> None:
    """End after the held request, as the official worker does."""
    global stopping  # noqa: PLW0603  a signal handler has nowhere else to write
    stopping = True


def call(name: str, job_id: str = "", body: Any = None) -> Any:
    url = os.environ[name].replace("$RUNPOD_POD_ID", WORKER).replace("$ID", job_id or WORKER) + "&glued=1"
    data = None if body is None else json.dumps(body).encode()
    headers = {"authorization": os.environ["RUNPOD_AI_API_KEY"]}
    with urllib.request.urlopen(urllib.request.Request(url, data=data, headers=headers)) as answer:  # noqa: S310  http
        text = answer.read()
    return json.loads(text) if text else None


def run(job: dict[str, Any]) -> dict[str, Any]:
    wanted = job["input"]
    match wanted["do"]:
        case "die once":
            marker = Path(wanted["marker"])
            if not marker.exists():
                marker.write_text(str(orphan()))
                os._exit(1)
        case "wait":
            call("RUNPOD_WEBHOOK_POST_OUTPUT", job["id"], {"status": "IN_PROGRESS", "output": "waiting"})
            Path(wanted["fifo"]).read_bytes()
        case "ignore SIGTERM":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            call("RUNPOD_WEBHOOK_POST_OUTPUT", job["id"], {"status": "IN_PROGRESS", "output": orphan()})
            signal.pause()
        case "work":
            work(job)
        case "refresh":
            return {"output": WORKER, "stopPod": True}
        case "environment":
            return {"output": {name: value for name, value in os.environ.items() if name.startswith("RUNPOD")}}
        case _:
            pass
    return {"output": WORKER}


def work(job: dict[str, Any]) -> None:
    """Send all that a worker may send, and die where `die after` says, the first time."""
    die_after(job, "take")
    call("RUNPOD_WEBHOOK_PING", job["id"])
    die_after(job, "ping")
    call("RUNPOD_WEBHOOK_POST_OUTPUT", job["id"], {"status": "IN_PROGRESS", "output": "half"})
    die_after(job, "progress")
    call("RUNPOD_WEBHOOK_POST_STREAM", job["id"], {"output": "chunk"})
    die_after(job, "chunk")


def die_after(job: dict[str, Any], point: str) -> None:
    wanted = job["input"]
    if wanted.get("die after") == point and not Path(wanted["marker"]).exists():
        Path(wanted["marker"]).touch()
        os.kill(os.getpid(), signal.SIGKILL)


def orphan() -> int:
    """Start what outlives this process if nobody ends it, as the official pinger does."""
    child = os.fork()
    if child == 0:
        while True:
            signal.pause()
    return child


signal.signal(signal.SIGTERM, stop)
sys.stdout.write(f"worker {WORKER} begins\n")
sys.stdout.flush()
while not stopping:
    taken = call("RUNPOD_WEBHOOK_GET_JOB")
    if taken is not None:
        call("RUNPOD_WEBHOOK_POST_OUTPUT", taken["id"], run(taken))
        die_after(taken, "result")
