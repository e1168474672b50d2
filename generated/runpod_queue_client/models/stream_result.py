from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.job_status import JobStatus

if TYPE_CHECKING:
    from ..models.stream_chunk import StreamChunk


T = TypeVar("T", bound="StreamResult")


@_attrs_define
class StreamResult:
    """The chunks since the last read, and the status of the job

    Attributes:
        status (JobStatus): Where a job is. `IN_QUEUE` waits for a worker; `IN_PROGRESS` is on one; `COMPLETED`,
            `FAILED`, `CANCELLED` and `TIMED_OUT` are final.
            `RUNNING` is documented but has never been seen; read it as `IN_PROGRESS`. `ERROR` stands in one sample, as a
            status after which nothing
            comes, and has never been seen; read it as `FAILED`.

            The list is closed so that a wrong value is found in tests. A client should keep an unknown value and treat it
            as not final.
        stream (list[StreamChunk]): Chunks, in the order in which the worker yielded them
    """

    status: JobStatus
    stream: list[StreamChunk]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        status = self.status.value

        stream = []
        for componentsschemas_stream_chunks_item_data in self.stream:
            componentsschemas_stream_chunks_item = (
                componentsschemas_stream_chunks_item_data.to_dict()
            )
            stream.append(componentsschemas_stream_chunks_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "status": status,
                "stream": stream,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.stream_chunk import StreamChunk  # noqa: PLC0415

        d = dict(src_dict)
        status = JobStatus(d.pop("status"))

        stream = []
        _stream = d.pop("stream")
        for componentsschemas_stream_chunks_item_data in _stream:
            componentsschemas_stream_chunks_item = StreamChunk.from_dict(
                componentsschemas_stream_chunks_item_data
            )

            stream.append(componentsschemas_stream_chunks_item)

        stream_result = cls(
            status=status,
            stream=stream,
        )

        stream_result.additional_properties = d
        return stream_result

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
