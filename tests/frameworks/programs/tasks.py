"""Makes every call in a task of Celery that has a soft time limit: an app for a worker, and a program that sends.

Started as `celery -A tests.frameworks.programs.tasks worker` and as `python -m tests.frameworks.programs.tasks`. FOLDER
is all that they share, URL where the service is.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from celery import Celery, signals

from tests.frameworks.calls import CALLS
from tests.frameworks.programs.told import told, warm_up

FOLDER, URL = Path(os.environ["FOLDER"]), os.environ["URL"]
# Seconds; enough for a request to be on its way.
LIMIT = 1.0

app: Any = Celery("tasks")
app.conf.update(
    broker_url="filesystem://",
    broker_transport_options={
        "data_folder_in": str(FOLDER / "queue"),
        "data_folder_out": str(FOLDER / "queue"),
        "control_folder": str(FOLDER / "control"),
    },
    result_backend=f"file://{FOLDER / 'results'}",
    worker_proc_alive_timeout=60.0,
)


@signals.worker_process_init.connect
def begin(**_: object) -> None:
    """Import what calls need before there is a task whose time it would take."""
    warm_up(URL)


@app.task(name="call")
def call(name: str) -> dict[str, Any]:
    return told(name, URL, name.replace(" ", "-"))


if __name__ == "__main__":
    sent = [app.send_task("call", (name,), soft_time_limit=LIMIT) for name in CALLS]
    for one in sent:
        sys.stdout.write(json.dumps(one.get(timeout=120, interval=0.05)) + "\n")
