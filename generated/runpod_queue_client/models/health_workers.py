from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="HealthWorkers")


@_attrs_define
class HealthWorkers:
    """Workers by state. They overlap, so their sum is not the number of workers.

    Attributes:
        idle (int): Workers without a job
        running (int): Workers with a job
        initializing (int | Unset): Workers that are being started
        ready (int | Unset): Workers that can take a job; overlaps with `idle`
        throttled (int | Unset): Workers that wait for a machine
        unhealthy (int | Unset): Workers that do not work
    """

    idle: int
    running: int
    initializing: int | Unset = UNSET
    ready: int | Unset = UNSET
    throttled: int | Unset = UNSET
    unhealthy: int | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        idle = self.idle

        running = self.running

        initializing = self.initializing

        ready = self.ready

        throttled = self.throttled

        unhealthy = self.unhealthy

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "idle": idle,
                "running": running,
            }
        )
        if initializing is not UNSET:
            field_dict["initializing"] = initializing
        if ready is not UNSET:
            field_dict["ready"] = ready
        if throttled is not UNSET:
            field_dict["throttled"] = throttled
        if unhealthy is not UNSET:
            field_dict["unhealthy"] = unhealthy

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        idle = d.pop("idle")

        running = d.pop("running")

        initializing = d.pop("initializing", UNSET)

        ready = d.pop("ready", UNSET)

        throttled = d.pop("throttled", UNSET)

        unhealthy = d.pop("unhealthy", UNSET)

        health_workers = cls(
            idle=idle,
            running=running,
            initializing=initializing,
            ready=ready,
            throttled=throttled,
            unhealthy=unhealthy,
        )

        health_workers.additional_properties = d
        return health_workers

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
