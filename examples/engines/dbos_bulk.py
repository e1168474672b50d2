"""A bulk run by DBOS: a workflow for each input, whose steps are recorded in a database.

    export RUNPOD_API_KEY=…
    python examples/engines/dbos_bulk.py inputs.jsonl     # again after a kill: it goes on, and prints all results

Each line of the file is `{"key": …, "input": {…}}`; a key that is known is not run again. DBOS goes on with a workflow
whose process died from its last recorded step, and runs the step again in which it died. So a *ticket* is recorded
first, which is worth one submit in its process: elsewhere the next step sends nothing, and the input is UNKNOWN. What
the service refused is an ERROR, and was not submitted: it is run again under another key.

The database is SQLite, or the PostgreSQL of DBOS_SYSTEM_DATABASE_URL. With that, run it on as many machines as you
like, each with an EXECUTOR of its own: the same one takes up what it had left.

    pip install runpod-sdk dbos
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from dbos import DBOS, SetWorkflowID

from runpod_sdk import Client, JobError, SubmissionUnknownError, once

# Jobs in flight in one process.
AT_ONCE = 32

DBOS(
    config={
        "name": "runpod-bulk",
        "system_database_url": os.environ.get("DBOS_SYSTEM_DATABASE_URL", "sqlite:///runpod_bulk.sqlite"),
        "application_version": "1",  # an edited program goes on, too
        "executor_id": os.environ.get("EXECUTOR", "local"),
        "console_log_level": "WARNING",
    }
)
endpoint = Client().endpoint(os.environ.get("RUNPOD_ENDPOINT", "abc123"))


@DBOS.workflow()
def job(input: dict[str, Any]) -> dict[str, Any]:  # noqa: A002  the service's word
    """Run one input, submitted once."""
    try:
        job_id = submit(input, ticket())
    except SubmissionUnknownError as unknown:
        return {"status": "UNKNOWN", "error": str(unknown)}
    return {"job_id": job_id, **collect(job_id)}


@DBOS.step()
def ticket() -> str:
    return once.ticket()


@DBOS.step()
def submit(input: dict[str, Any], ticket: str) -> str:  # noqa: A002  the service's word
    return once.submit(endpoint, input, ticket=ticket)


@DBOS.step(retries_allowed=True, max_attempts=20)
def collect(job_id: str) -> dict[str, Any]:
    try:
        return {"status": "COMPLETED", "output": once.collect(endpoint, job_id)}
    except JobError as failure:  # it has ended without an output, or is forgotten
        return {"status": "FAILED", "error": str(failure)}


def main(path: Path) -> None:
    """Queue the inputs of a file that are new, and print what became of each."""
    DBOS.launch()  # goes on with what this executor had left
    DBOS.register_queue("jobs", worker_concurrency=AT_ONCE, polling_interval_sec=0.2)
    runs = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        with SetWorkflowID(row["key"]):
            runs[row["key"]] = DBOS.enqueue_workflow("jobs", job, row["input"])
    for key, run in runs.items():
        try:
            result = run.get_result()
        except Exception as error:  # noqa: BLE001  whatever ended it is recorded
            result = {"status": "ERROR", "error": str(error)}
        print(json.dumps({"key": key, **result}), flush=True)
    DBOS.destroy()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
