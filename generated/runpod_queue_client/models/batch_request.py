from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="BatchRequest")


@_attrs_define
class BatchRequest:
    """A request of a batch, and what has become of it

    Attributes:
        id (str): The id of a request of a batch. Whether `/status` knows it is unknown.
        status (str): Where it is: `COMPLETED` and `FAILED` are shown in the documentation, the words for a request that
            waits, runs or was cancelled are unknown
        output (Any | Unset): What the worker returned, any JSON
        error (Any | Unset): Why it failed
        started_at (str | Unset): When a worker took it, as RFC 3339 has it
        completed_at (str | Unset): When it ended, as RFC 3339 has it
    """

    id: str
    status: str
    output: Any | Unset = UNSET
    error: Any | Unset = UNSET
    started_at: str | Unset = UNSET
    completed_at: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        id = self.id

        status = self.status

        output = self.output

        error = self.error

        started_at = self.started_at

        completed_at = self.completed_at

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "id": id,
                "status": status,
            }
        )
        if output is not UNSET:
            field_dict["output"] = output
        if error is not UNSET:
            field_dict["error"] = error
        if started_at is not UNSET:
            field_dict["startedAt"] = started_at
        if completed_at is not UNSET:
            field_dict["completedAt"] = completed_at

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        id = d.pop("id")

        status = d.pop("status")

        output = d.pop("output", UNSET)

        error = d.pop("error", UNSET)

        started_at = d.pop("startedAt", UNSET)

        completed_at = d.pop("completedAt", UNSET)

        batch_request = cls(
            id=id,
            status=status,
            output=output,
            error=error,
            started_at=started_at,
            completed_at=completed_at,
        )

        batch_request.additional_properties = d
        return batch_request

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
