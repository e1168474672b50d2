from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.job_status import JobStatus

T = TypeVar("T", bound="SubmittedJob")


@_attrs_define
class SubmittedJob:
    """A job that has just been queued

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
    """

    id: str
    status: JobStatus
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        id = self.id

        status = self.status.value

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "id": id,
                "status": status,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        id = d.pop("id")

        status = JobStatus(d.pop("status"))

        submitted_job = cls(
            id=id,
            status=status,
        )

        submitted_job.additional_properties = d
        return submitted_job

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
