"""Play cases through the sync client of `runpod` from PyPI; its own Python runs this file.

Reads one JSON list of cases from stdin, plays them all at once, and prints one JSON line for each: what the call
returned or raised, or that it was still at it when the budget was over.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any

import runpod
from runpod.endpoint.runner import Job, RunPodClient

REQUEST = {"input": {"prompt": "Hello, world!"}}


def call(case: dict[str, Any], chunks: list[Any]) -> Any:
    """Make the one call of a case, as the documentation makes it."""
    endpoint = runpod.Endpoint(case["endpoint"], api_key=case["key"])
    job = Job(case["endpoint"], case["job"], RunPodClient(api_key=case["key"]))
    match case["operation"]:
        case "run":
            return endpoint.run(REQUEST).job_id
        case "runsync":
            return endpoint.run_sync(REQUEST, timeout=60)
        case "status":
            return job.status()
        case "output":
            return job.output(timeout=60)
        case "stream":
            for chunk in job.stream():
                chunks.append(chunk)  # noqa: PERF402  those before an error count
            return "end"
        case "cancel":
            return job.cancel()
        case "health":
            return endpoint.health()
        case "purge-queue":
            return endpoint.purge_queue()
    raise ValueError(case["operation"])


def error_of(error: BaseException) -> dict[str, Any]:
    """Tell an error by its type; its text only where it is Python's own or the client's."""
    kind = type(error)
    if kind.__module__ == "builtins":
        return {"raised": kind.__name__, "message": str(error)}
    response = getattr(error, "response", None)
    status = {} if response is None else {"status": response.status_code}
    return {"raised": f"{kind.__module__}.{kind.__name__}", **status}


def play(case: dict[str, Any], lines: dict[str, dict[str, Any]]) -> None:
    """Play one case."""
    chunks: list[Any] = []
    stream = {"chunks": chunks} if case["operation"] == "stream" else {}
    lines[case["name"]] = {**stream, "running": True}
    try:
        seen = {"returned": call(case, chunks)}
    except Exception as error:  # noqa: BLE001  whatever it raises is what is looked for
        seen = error_of(error)
    lines[case["name"]] = {**stream, **seen}


def main() -> None:
    """Play all cases, each in a thread of its own."""
    plan = json.load(sys.stdin)
    lines: dict[str, dict[str, Any]] = {}
    threads = [threading.Thread(target=play, args=(case, lines), daemon=True) for case in plan["cases"]]
    for thread in threads:
        thread.start()
    end = time.monotonic() + plan["budget"]
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    for name, seen in sorted(lines.items()):
        print(json.dumps({"name": name, "seen": seen}))
    sys.stdout.flush()
    os._exit(0)  # some calls never end


if __name__ == "__main__":
    main()
