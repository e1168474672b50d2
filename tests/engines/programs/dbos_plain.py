"""DBOS with a step that submits, and no ticket. `dbos_plain.py INPUTS`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from dbos import DBOS, SetWorkflowID

from runpod_sdk import Client

DBOS(config={"name": "plain", "system_database_url": os.environ["DBOS_SYSTEM_DATABASE_URL"]})
endpoint = Client().endpoint(os.environ["RUNPOD_ENDPOINT"])


@DBOS.workflow()
def job(key: str) -> str:
    return collect(submit(key))


@DBOS.step()
def submit(key: str) -> str:
    return endpoint.run({"key": key}).id


@DBOS.step()
def collect(job_id: str) -> str:
    return str(endpoint.job(job_id).output())


DBOS.launch()
DBOS.register_queue("jobs", worker_concurrency=32, polling_interval_sec=0.2)
runs = []
for line in Path(sys.argv[1]).read_text("utf-8").splitlines():
    key = json.loads(line)["key"]
    with SetWorkflowID(key):
        runs.append(DBOS.enqueue_workflow("jobs", job, key))
print(len([run.get_result() for run in runs]))
DBOS.destroy()
