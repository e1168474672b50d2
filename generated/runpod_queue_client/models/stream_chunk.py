from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.stream_metrics import StreamMetrics


T = TypeVar("T", bound="StreamChunk")


@_attrs_define
class StreamChunk:
    """One thing that the worker yielded

    Attributes:
        output (Any): Any JSON, as it was yielded
        metrics (StreamMetrics | Unset): Numbers that some workers, such as vLLM, send beside a chunk. The worker
            decides which; those of the documentation's sample are named.
    """

    output: Any
    metrics: StreamMetrics | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        output = self.output

        metrics: dict[str, Any] | Unset = UNSET
        if not isinstance(self.metrics, Unset):
            metrics = self.metrics.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "output": output,
            }
        )
        if metrics is not UNSET:
            field_dict["metrics"] = metrics

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.stream_metrics import StreamMetrics  # noqa: PLC0415

        d = dict(src_dict)
        output = d.pop("output")

        _metrics = d.pop("metrics", UNSET)
        metrics: StreamMetrics | Unset
        if isinstance(_metrics, Unset):
            metrics = UNSET
        else:
            metrics = StreamMetrics.from_dict(_metrics)

        stream_chunk = cls(
            output=output,
            metrics=metrics,
        )

        stream_chunk.additional_properties = d
        return stream_chunk

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
