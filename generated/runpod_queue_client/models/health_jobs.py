from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="HealthJobs")


@_attrs_define
class HealthJobs:
    """Jobs by state

    Attributes:
        completed (int): Jobs that ended well
        failed (int): Jobs that failed
        in_progress (int): Jobs on a worker
        in_queue (int): Jobs that wait
        retried (int): Jobs that were given to a second worker
    """

    completed: int
    failed: int
    in_progress: int
    in_queue: int
    retried: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        completed = self.completed

        failed = self.failed

        in_progress = self.in_progress

        in_queue = self.in_queue

        retried = self.retried

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "completed": completed,
                "failed": failed,
                "inProgress": in_progress,
                "inQueue": in_queue,
                "retried": retried,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        completed = d.pop("completed")

        failed = d.pop("failed")

        in_progress = d.pop("inProgress")

        in_queue = d.pop("inQueue")

        retried = d.pop("retried")

        health_jobs = cls(
            completed=completed,
            failed=failed,
            in_progress=in_progress,
            in_queue=in_queue,
            retried=retried,
        )

        health_jobs.additional_properties = d
        return health_jobs

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
