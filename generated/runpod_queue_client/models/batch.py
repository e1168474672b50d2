from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="Batch")


@_attrs_define
class Batch:
    """A batch and its counts

    Attributes:
        id (str): The id of a batch. Treat it as opaque.
        status (str): The status of a batch. `DRAFT` runs nothing; `FINALIZED` is being processed, or done; `FAILED`
            means the batch itself, not its requests;
            `CANCELLED` is reached once nothing is in progress. Any other is to be kept, and is not final: the part is a
            beta, so this is no enum.
        endpoint_id (str | Unset): The endpoint
        request_total (int | Unset): Requests of the batch
        request_in_progress (int | Unset): Requests on a worker
        request_completed (int | Unset): Requests that ended well
        request_failed (int | Unset): Requests that failed
        created_at (int | Unset): When it was created, in milliseconds since 1970
    """

    id: str
    status: str
    endpoint_id: str | Unset = UNSET
    request_total: int | Unset = UNSET
    request_in_progress: int | Unset = UNSET
    request_completed: int | Unset = UNSET
    request_failed: int | Unset = UNSET
    created_at: int | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        id = self.id

        status = self.status

        endpoint_id = self.endpoint_id

        request_total = self.request_total

        request_in_progress = self.request_in_progress

        request_completed = self.request_completed

        request_failed = self.request_failed

        created_at = self.created_at

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "id": id,
                "status": status,
            }
        )
        if endpoint_id is not UNSET:
            field_dict["endpointId"] = endpoint_id
        if request_total is not UNSET:
            field_dict["requestTotal"] = request_total
        if request_in_progress is not UNSET:
            field_dict["requestInProgress"] = request_in_progress
        if request_completed is not UNSET:
            field_dict["requestCompleted"] = request_completed
        if request_failed is not UNSET:
            field_dict["requestFailed"] = request_failed
        if created_at is not UNSET:
            field_dict["createdAt"] = created_at

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        id = d.pop("id")

        status = d.pop("status")

        endpoint_id = d.pop("endpointId", UNSET)

        request_total = d.pop("requestTotal", UNSET)

        request_in_progress = d.pop("requestInProgress", UNSET)

        request_completed = d.pop("requestCompleted", UNSET)

        request_failed = d.pop("requestFailed", UNSET)

        created_at = d.pop("createdAt", UNSET)

        batch = cls(
            id=id,
            status=status,
            endpoint_id=endpoint_id,
            request_total=request_total,
            request_in_progress=request_in_progress,
            request_completed=request_completed,
            request_failed=request_failed,
            created_at=created_at,
        )

        batch.additional_properties = d
        return batch

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
