"""Outputs converted to the requested `output_type`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_sdk._values._states import StreamChunk
    from runpod_sdk.errors import JobHandle

    # Of a chunk, its job, and its number in the stream, from 1.
    ReadChunk = Callable[[StreamChunk, JobHandle, int], StreamChunk]


def chunk_reader(chunk_type: Any) -> ReadChunk:
    """Return what reads chunks as a type; nothing is loaded for Any, where they are handed out as they come.

    Raises:
        ImportError, TypeError: as for an `output_type`.
    """
    if chunk_type is Any:
        return _as_it_came
    from ._chunks import chunk_reader_of

    return chunk_reader_of(chunk_type)


def _as_it_came(chunk: StreamChunk, _job: JobHandle, _number: int) -> StreamChunk:
    return chunk
