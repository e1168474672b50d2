from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="StreamMetrics")


@_attrs_define
class StreamMetrics:
    """Numbers that some workers, such as vLLM, send beside a chunk. The worker decides which; those of the documentation's
    sample are named.

        Attributes:
            avg_gen_throughput (float | Unset): Tokens generated per second
            avg_prompt_throughput (float | Unset): Tokens of prompts read per second
            cpu_kv_cache_usage (float | Unset): The share of the cache in memory that is in use
            gpu_kv_cache_usage (float | Unset): The share of the cache on the GPU that is in use
            input_tokens (float | Unset): Tokens of the input
            output_tokens (float | Unset): Tokens of the output, so far
            pending (float | Unset): Requests that wait in the worker
            running (float | Unset): Requests that the worker works at
            scenario (str | Unset): What the chunk belongs to: `stream`
            stream_index (float | Unset): The number of the chunk
            swapped (float | Unset): Requests that were moved out of the GPU
    """

    avg_gen_throughput: float | Unset = UNSET
    avg_prompt_throughput: float | Unset = UNSET
    cpu_kv_cache_usage: float | Unset = UNSET
    gpu_kv_cache_usage: float | Unset = UNSET
    input_tokens: float | Unset = UNSET
    output_tokens: float | Unset = UNSET
    pending: float | Unset = UNSET
    running: float | Unset = UNSET
    scenario: str | Unset = UNSET
    stream_index: float | Unset = UNSET
    swapped: float | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        avg_gen_throughput = self.avg_gen_throughput

        avg_prompt_throughput = self.avg_prompt_throughput

        cpu_kv_cache_usage = self.cpu_kv_cache_usage

        gpu_kv_cache_usage = self.gpu_kv_cache_usage

        input_tokens = self.input_tokens

        output_tokens = self.output_tokens

        pending = self.pending

        running = self.running

        scenario = self.scenario

        stream_index = self.stream_index

        swapped = self.swapped

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if avg_gen_throughput is not UNSET:
            field_dict["avg_gen_throughput"] = avg_gen_throughput
        if avg_prompt_throughput is not UNSET:
            field_dict["avg_prompt_throughput"] = avg_prompt_throughput
        if cpu_kv_cache_usage is not UNSET:
            field_dict["cpu_kv_cache_usage"] = cpu_kv_cache_usage
        if gpu_kv_cache_usage is not UNSET:
            field_dict["gpu_kv_cache_usage"] = gpu_kv_cache_usage
        if input_tokens is not UNSET:
            field_dict["input_tokens"] = input_tokens
        if output_tokens is not UNSET:
            field_dict["output_tokens"] = output_tokens
        if pending is not UNSET:
            field_dict["pending"] = pending
        if running is not UNSET:
            field_dict["running"] = running
        if scenario is not UNSET:
            field_dict["scenario"] = scenario
        if stream_index is not UNSET:
            field_dict["stream_index"] = stream_index
        if swapped is not UNSET:
            field_dict["swapped"] = swapped

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        avg_gen_throughput = d.pop("avg_gen_throughput", UNSET)

        avg_prompt_throughput = d.pop("avg_prompt_throughput", UNSET)

        cpu_kv_cache_usage = d.pop("cpu_kv_cache_usage", UNSET)

        gpu_kv_cache_usage = d.pop("gpu_kv_cache_usage", UNSET)

        input_tokens = d.pop("input_tokens", UNSET)

        output_tokens = d.pop("output_tokens", UNSET)

        pending = d.pop("pending", UNSET)

        running = d.pop("running", UNSET)

        scenario = d.pop("scenario", UNSET)

        stream_index = d.pop("stream_index", UNSET)

        swapped = d.pop("swapped", UNSET)

        stream_metrics = cls(
            avg_gen_throughput=avg_gen_throughput,
            avg_prompt_throughput=avg_prompt_throughput,
            cpu_kv_cache_usage=cpu_kv_cache_usage,
            gpu_kv_cache_usage=gpu_kv_cache_usage,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            pending=pending,
            running=running,
            scenario=scenario,
            stream_index=stream_index,
            swapped=swapped,
        )

        stream_metrics.additional_properties = d
        return stream_metrics

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
