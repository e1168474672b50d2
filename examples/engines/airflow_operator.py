"""An operator for Airflow 3.3: each task is one job on an endpoint, submitted once, whatever is killed.

    cp airflow_operator.py $AIRFLOW_HOME/plugins/     # where the triggerer finds it, too
    cp airflow_bulk.py $AIRFLOW_HOME/dags/            # a DAG that uses it

Workers and the triggerer need RUNPOD_API_KEY, and `pip install runpod-sdk`.

Airflow runs a task again whose process died (`retries`). What must outlive the process is in the task state store:

- a *ticket*, before the request leaves. The next attempt finds it without a job's id: the job may have been queued and
  paid for, so the task fails as UNKNOWN, and nothing is sent again.
- the job's *id*, as soon as it is known. The next attempt waits for that job.

A task whose job FAILED or is UNKNOWN is not retried. Say what you want instead in its *state store* (in the web
interface, or by the REST API), and clear the task: without `ticket` and `job_id` its input is submitted again; with the
`job_id` of a job that you have found, that one is collected. From Airflow 3.4 on, clearing discards the state, unless
you keep it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException
from airflow.triggers.base import BaseTrigger, TriggerEvent

from runpod_sdk import AsyncClient, Client, JobError, RunpodError, SubmissionUnknownError, once

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence


class RunpodOperator(BaseOperator):
    """Run one input on an endpoint; the output of its job is the task's XCom.

    Waiting takes no worker's slot, it is the triggerer's. Where you run none: `deferrable=False`.
    """

    template_fields: Sequence[str] = ("endpoint_id", "input")

    def __init__(self, *, endpoint_id: str, input: dict[str, Any], deferrable: bool = True, **kwargs: Any) -> None:  # noqa: A002  the service's word
        super().__init__(**kwargs)
        self.endpoint_id = endpoint_id
        self.input = input
        self.deferrable = deferrable

    def execute(self, context: Any) -> Any:
        store = context["task_state_store"]
        job_id = store.get("job_id") or self.submit(store)
        if self.deferrable:
            trigger = RunpodJobEnded(self.endpoint_id, job_id)
            self.defer(trigger=trigger, method_name="finish", timeout=self.execution_timeout)
        with Client() as client:
            try:
                return once.collect(client.endpoint(self.endpoint_id), job_id)
            except JobError as failure:  # it has ended without an output, or is forgotten
                raise AirflowFailException(str(failure)) from failure

    def submit(self, store: Any) -> str:
        """Submit the job, unless an attempt before this one may have done so."""
        with Client() as client:
            ticket = store.get("ticket")
            if ticket is None:
                ticket = once.ticket()
                store.set("ticket", ticket)
            try:
                job_id = once.submit(client.endpoint(self.endpoint_id), self.input, ticket=ticket)
            except SubmissionUnknownError as unknown:
                raise AirflowFailException(f"UNKNOWN: {unknown}") from unknown
            except (RunpodError, TypeError, ValueError):  # certainly not submitted: the next attempt may be
                store.delete("ticket")
                raise
        store.set("job_id", job_id)
        return job_id

    def finish(self, context: Any, event: dict[str, Any]) -> Any:
        """Go on where the triggerer has seen the end of the job."""
        if event["error"]:
            raise AirflowFailException(event["error"])
        return event["output"]


class RunpodJobEnded(BaseTrigger):
    """Wait for a job; its output travels in the event, as the service forgets it after 30 minutes."""

    def __init__(self, endpoint_id: str, job_id: str) -> None:
        super().__init__()
        self.endpoint_id = endpoint_id
        self.job_id = job_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        where = type(self).__module__ + "." + type(self).__qualname__
        return where, {"endpoint_id": self.endpoint_id, "job_id": self.job_id}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        async with AsyncClient() as client:
            try:
                output, error = await once.collect_async(client.endpoint(self.endpoint_id), self.job_id), None
            except JobError as failure:
                output, error = None, str(failure)
        yield TriggerEvent({"output": output, "error": error})
