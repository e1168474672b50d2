"""Celery tasks that run jobs: a soft time limit cancels the job; a task that is delivered twice submits once.

    pip install celery
    celery -A examples.celery_tasks worker --pool=prefork
    python -c "from examples.celery_tasks import draw; print(draw.delay('a cat').get())"

ENDPOINT_ID names the endpoint, BROKER_URL the broker, RESULTS what keeps results. JOBS is a folder, where your database
would have a table: of each task, the id of its job, as soon as there is one.
"""

import os
from functools import cache
from pathlib import Path
from typing import Any

from celery import Celery, Task

from runpod_sdk import Client, Endpoint

app: Any = Celery("draw", broker=os.environ.get("BROKER_URL"), backend=os.environ.get("RESULTS"))
app.conf.task_acks_late = True  # a task whose process dies is delivered again
JOBS = Path(os.environ.get("JOBS", "jobs"))


@cache
def endpoint() -> Endpoint[Any]:
    """Make the client when it is first needed; one that was made before the fork would do as well."""
    return Client().endpoint(os.environ["ENDPOINT_ID"])


@app.task(bind=True, soft_time_limit=300, acks_on_failure_or_timeout=True)
def draw(self: Task, prompt: str) -> Any:
    """Return the job's output. SoftTimeLimitExceeded cancels the job, and is raised here."""
    kept = JOBS / str(self.request.id)
    if kept.exists():
        job = endpoint().job(kept.read_text())
    else:
        job = endpoint().run({"prompt": prompt}, execution_timeout=300)
        JOBS.mkdir(exist_ok=True)
        kept.write_text(job.id)
    return job.output(on_abandon="cancel")
