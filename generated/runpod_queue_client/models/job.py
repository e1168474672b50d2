from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.job_status import JobStatus
from ..types import UNSET, Unset

T = TypeVar("T", bound="Job")


@_attrs_define
class Job:
    """What is known of a job. Only `id` and `status` are always there; the others are present when they are set. Public
    endpoints add `cost`, what
    the result cost. The fields `started`, `completed`
    and `succeeded` of some samples are added by the official JavaScript client.

        Attributes:
            id (str): The id of a job: a UUID, mostly followed by `-u1`, `-u2`, `-e1` or `-e2`, and preceded by `sync-` when
                `/runsync` made it.
                Treat it as opaque.
            status (JobStatus): Where a job is. `IN_QUEUE` waits for a worker; `IN_PROGRESS` is on one; `COMPLETED`,
                `FAILED`, `CANCELLED` and `TIMED_OUT` are final.
                `RUNNING` is documented but has never been seen; read it as `IN_PROGRESS`. `ERROR` stands in one sample, as a
                status after which nothing
                comes, and has never been seen; read it as `FAILED`.

                The list is closed so that a wrong value is found in tests. A client should keep an unknown value and treat it
                as not final.
            delay_time (int | Unset): How long the job waited in the queue, in milliseconds
            execution_time (int | Unset): How long the job ran on a worker, in milliseconds
            output (Any | Unset): Any JSON: what the handler returned, or the list of what it yielded, when the job is
                `COMPLETED`. Before the end it is the last progress update
                of the worker, not a result. Results have a limit of size: a job whose result is larger is `COMPLETED` without
                an output.
            error (Any | Unset): Why the job failed. A string in all that was seen, but any JSON is possible here. When a
                handler raised, the string is itself JSON: an object of
                error_type, error_message, error_traceback, hostname, worker_id, runpod_version and, from workers of runpod-
                python 2.0, logs. When a
                generator raised, it is `handler: <message> \\ntraceback: …`, and from these workers `\\nlogs: …` after it. When
                a handler returned an `error`, it is that. `executionTimeout exceeded` and
                `job timed out after N retries` come from the service.
            retries (int | Unset): How often the service has given the job to another worker after the first died
            worker_id (str | Unset): The worker that has, or had, the job
    """

    id: str
    status: JobStatus
    delay_time: int | Unset = UNSET
    execution_time: int | Unset = UNSET
    output: Any | Unset = UNSET
    error: Any | Unset = UNSET
    retries: int | Unset = UNSET
    worker_id: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        id = self.id

        status = self.status.value

        delay_time = self.delay_time

        execution_time = self.execution_time

        output = self.output

        error = self.error

        retries = self.retries

        worker_id = self.worker_id

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "id": id,
                "status": status,
            }
        )
        if delay_time is not UNSET:
            field_dict["delayTime"] = delay_time
        if execution_time is not UNSET:
            field_dict["executionTime"] = execution_time
        if output is not UNSET:
            field_dict["output"] = output
        if error is not UNSET:
            field_dict["error"] = error
        if retries is not UNSET:
            field_dict["retries"] = retries
        if worker_id is not UNSET:
            field_dict["workerId"] = worker_id

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        id = d.pop("id")

        status = JobStatus(d.pop("status"))

        delay_time = d.pop("delayTime", UNSET)

        execution_time = d.pop("executionTime", UNSET)

        output = d.pop("output", UNSET)

        error = d.pop("error", UNSET)

        retries = d.pop("retries", UNSET)

        worker_id = d.pop("workerId", UNSET)

        job = cls(
            id=id,
            status=status,
            delay_time=delay_time,
            execution_time=execution_time,
            output=output,
            error=error,
            retries=retries,
            worker_id=worker_id,
        )

        job.additional_properties = d
        return job

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
