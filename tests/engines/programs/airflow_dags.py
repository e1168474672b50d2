"""The DAG of the test: the example's operator, and what is usual without it, each in tasks that are killed."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseOperator, ResumableJobMixin, dag, task
from airflow_operator import RunpodOperator

from runpod_sdk import Client

# A scheduler that is busy sometimes takes a task for dead that is not: attempts enough for that, too.
RETRIED = {"retries": 8, "retry_delay": timedelta(seconds=1)}


def marked(given: dict[str, Any]) -> dict[str, Any]:
    """Let the input tell which process submits it, so that the test can kill that."""
    return {**given, "pid": os.getpid()}


class Marked(RunpodOperator):
    def execute(self, context: Any) -> Any:
        self.input = marked(self.input)
        return super().execute(context)


class Resumable(ResumableJobMixin, BaseOperator):
    """Airflow's own mixin, as its documentation shows it."""

    def __init__(self, *, endpoint_id: str, input: dict[str, Any], **kwargs: Any) -> None:  # noqa: A002  the service's word
        super().__init__(**kwargs)
        self.endpoint_id = endpoint_id
        self.input = input

    def execute(self, context: Any) -> Any:
        self.endpoint = Client().endpoint(self.endpoint_id)
        return self.execute_resumable(context)

    def submit_job(self, context: Any) -> Any:
        return self.endpoint.run(marked(self.input)).id

    def get_job_status(self, external_id: Any, context: Any) -> str:
        return str(self.endpoint.job(external_id).status())

    def is_job_active(self, status: str) -> bool:
        return status in {"IN_QUEUE", "IN_PROGRESS"}

    def is_job_succeeded(self, status: str) -> bool:
        return status == "COMPLETED"

    def poll_until_complete(self, external_id: Any, context: Any) -> None:
        self.endpoint.job(external_id).output()

    def get_job_result(self, external_id: Any, context: Any) -> Any:
        return self.endpoint.job(external_id).output()


def keys(group: str) -> list[dict[str, Any]]:
    return [{"key": f"{group}-{n}"} for n in range(int(os.environ["ROWS"]))]


@dag(schedule=None)
def killed() -> None:
    # The id is stored, the job runs, and the process that waits dies.
    Marked.partial(task_id="waiting", endpoint_id="held", deferrable=False, **RETRIED).expand(input=keys("waiting"))
    # The job is in the queue, its answer does not come, and the process dies.
    Marked.partial(task_id="submitting", endpoint_id="lost", **RETRIED).expand(input=keys("submitting"))
    # The service refuses the first submit.
    RunpodOperator.partial(task_id="refused", endpoint_id="refused", **RETRIED).expand(input=keys("refused"))
    # The job fails.
    RunpodOperator.partial(task_id="failing", endpoint_id="abc", **RETRIED).expand(input=keys("failing"))
    # Airflow's mixin, whose answer does not come either.
    Resumable.partial(task_id="mixin", endpoint_id="lost-too", **RETRIED).expand(input=keys("mixin"))

    @task(**RETRIED)
    def plain(given: dict[str, Any]) -> Any:
        """Run it as one would with no thought of kills."""
        return Client().endpoint("held").run_sync(marked(given))

    plain.expand(given=keys("plain"))


killed()
