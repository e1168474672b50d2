"""Converts the chunks of a stream to the requested `chunk_type`, one by one."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from runpod_sdk._values._states import JobState
from runpod_sdk._values._status import JobStatus
from runpod_sdk.errors import OutputTypeError

from ._reader import reader_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_sdk._values._states import StreamChunk
    from runpod_sdk.errors import JobHandle

    from . import ReadChunk


def chunk_reader_of(chunk_type: Any) -> ReadChunk:
    """Return what reads chunks as this type.

    Raises:
        ImportError, TypeError: as for an `output_type`.
    """
    try:
        read = reader_of(chunk_type)
    except (ImportError, TypeError) as error:
        raise type(error)(str(error).replace("output_type", "chunk_type")) from error
    return partial(_read, read)


def _read(read: Callable[[JobState], Any] | None, chunk: StreamChunk, job: JobHandle, number: int) -> StreamChunk:
    """Return a chunk with its output as the type.

    Raises:
        OutputTypeError: it is not of it.
    """
    # What reads outputs reads states.
    state = JobState(id=job.id, endpoint_id=job.endpoint_id, status=JobStatus.IN_PROGRESS, output=chunk.output)
    try:
        return chunk if read is None else replace(chunk, output=read(state))
    except OutputTypeError as error:
        raise OutputTypeError(
            str(error).replace("the output of", f"chunk {number} of", 1).replace(": output", ": chunk", 1),
            endpoint_id=job.endpoint_id,
            job_id=job.id,
            path="chunk" + error.path.removeprefix("output"),
            raw=chunk.output,
        ).about(job) from None
