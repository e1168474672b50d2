from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="Policy")


@_attrs_define
class Policy:
    """Limits of time and priority of one job

    Attributes:
        execution_timeout (int | Unset): How long the job may run on a worker, in milliseconds: 5 seconds to 7 days.
            When it is absent the setting of the endpoint holds, which is
            600000 (10 minutes) unless somebody changed it. A job that exceeds it ends as `FAILED` with the error
            `executionTimeout exceeded`.
        ttl (int | Unset): How long the job may exist, in milliseconds, counted from its submission, in the queue and on
            the worker: 10 seconds to 7 days. When
            it is absent the setting of the endpoint holds, which is 86400000 (24 hours) unless somebody changed it. When it
            is over the service
            forgets the job, in whatever state it is.
        low_priority (bool | Unset): If true, the job does not make the service start more workers. The service takes
            false when it is absent.
    """

    execution_timeout: int | Unset = UNSET
    ttl: int | Unset = UNSET
    low_priority: bool | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        execution_timeout = self.execution_timeout

        ttl = self.ttl

        low_priority = self.low_priority

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if execution_timeout is not UNSET:
            field_dict["executionTimeout"] = execution_timeout
        if ttl is not UNSET:
            field_dict["ttl"] = ttl
        if low_priority is not UNSET:
            field_dict["lowPriority"] = low_priority

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        execution_timeout = d.pop("executionTimeout", UNSET)

        ttl = d.pop("ttl", UNSET)

        low_priority = d.pop("lowPriority", UNSET)

        policy = cls(
            execution_timeout=execution_timeout,
            ttl=ttl,
            low_priority=low_priority,
        )

        policy.additional_properties = d
        return policy

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
