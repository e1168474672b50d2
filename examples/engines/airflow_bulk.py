"""A bulk run by Airflow: a task for each input of a file, each submitted once, whatever is killed.

    airflow dags unpause runpod_bulk
    airflow dags trigger runpod_bulk --conf '{"inputs": "/data/inputs.jsonl"}'

Each line of the file is `{"key": …, "input": {…}}`. The operator is in `airflow_operator.py`, and says what it keeps
where. Airflow needs about a second of a processor for each task: for more than some thousand inputs give it files, and
run each by `endpoint.map(…, journal=…)`, as `ray_bulk.py` does.
"""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import dag, task
from airflow_operator import RunpodOperator

ENDPOINT = os.environ.get("RUNPOD_ENDPOINT", "abc123")


@dag(schedule=None, params={"inputs": "/data/inputs.jsonl"})
def runpod_bulk() -> None:
    @task
    def inputs(params: dict[str, Any]) -> list[dict[str, Any]]:
        lines = Path(params["inputs"]).read_text(encoding="utf-8").splitlines()
        return [json.loads(line)["input"] for line in lines]

    jobs = RunpodOperator.partial(
        task_id="job",
        endpoint_id=ENDPOINT,
        retries=3,
        retry_delay=timedelta(seconds=int(os.environ.get("RETRY_DELAY", "10"))),
        map_index_template="{{ task.input }}",
    )
    jobs.expand(input=inputs())


runpod_bulk()
