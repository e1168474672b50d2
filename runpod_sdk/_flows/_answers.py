"""Reads answers into our own values, field by field.

The generated models would raise at the first field that does not fit. Here only what decides must be right, an id to
know a job, a status to know its end; anything else that does not fit is as good as not sent, stays in `raw`, and is
told to `told`.
"""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar, cast

from runpod_sdk._values._arguments import ID
from runpod_sdk._values._fields import Fields, camel
from runpod_sdk._values._requests import Request, StreamPart
from runpod_sdk._values._states import Health, JobCounts, JobState, PurgeResult, StreamChunk, WorkerCounts
from runpod_sdk._values._status import JobStatus
from runpod_sdk.errors import APIResponseValidationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runpod_sdk._values._fields import Told
    from runpod_sdk._values._outcomes import Answer

T = TypeVar("T")
Counts = TypeVar("Counts", JobCounts, WorkerCounts)

# How much of a bad answer an error keeps, characters; ours.
BODY_SHOWN = 500


def job_state(request: Request, answer: Answer, told: Told) -> JobState:
    """Read an answer that describes a job: submits, status, status-sync, cancel, retry."""
    return read(_job_state, request, answer, told)


def stream_part(request: Request, answer: Answer, told: Told) -> StreamPart:
    """Read an answer of /stream: an object with status and stream, or the bare list of the documentation."""
    return read(_stream_part, request, answer, told)


def purge_result(request: Request, answer: Answer, told: Told) -> PurgeResult:
    """Read an answer of /purge-queue."""
    try:
        return read(_purge_result, request, answer, told)
    except APIResponseValidationError as error:
        error.add_note("The queue may have been purged all the same.")
        raise


def health_of(request: Request, answer: Answer, told: Told) -> Health:
    """Read an answer of /health; a gauge that is not there is 0."""
    return read(_health_of, request, answer, told)


def read(read: Callable[[Request, Answer, Told], T], request: Request, answer: Answer, told: Told) -> T:
    """Read an answer; what is wrong with it is raised from here, where no frame holds what it says.

    Raises:
        APIResponseValidationError: it cannot be used.
    """
    try:
        return read(request, answer, told)
    except Unusable as problem:
        why = str(problem)
    raise invalid(request, answer, why)


def _job_state(request: Request, answer: Answer, told: Told) -> JobState:
    data = object_of(answer)
    status = _status(data)
    if request.rules.starts_job:
        # One that has ended, with its output, needs no id: nothing more will be asked of it.
        has_ended = request.operation == "runsync" and status is not None and status.is_final
        if not _is_id(data.get("id")) and not (has_ended and data.get("id") is None):
            raise Unusable("it has no id of a job")
        if status is None:
            # Whoever gives it an id has queued it, whatever else is said or not.
            if data.get("status") is not None:
                told("status", data["status"])
            status = JobStatus.IN_QUEUE
    else:
        _check_about(request, data)
        if status is None:
            raise Unusable("it has no job status")
    return _state(data, data.get("id") or request.job_id or "", request.endpoint_id, status, told)


def state_of(data: dict[str, Any], endpoint_id: str, told: Told) -> JobState:
    """Read a JSON object of anybody's that is to describe a job: it has to have the id of one, and a status.

    Raises:
        Unusable: it does not.
    """
    job_id, status = data.get("id"), _status(data)
    if not isinstance(job_id, str) or not ID.fullmatch(job_id):
        raise Unusable("it has no id of a job")
    if status is None:
        raise Unusable("it has no job status")
    return _state(data, job_id, endpoint_id, status, told)


def refused_job(request: Request, answer: Answer, told: Told) -> JobState | None:
    """Return the job that a refusal describes, with an id and a status of its own; None where it is no such thing."""
    try:
        return state_of(object_of(answer), request.endpoint_id, told)
    except Unusable:
        return None


def _state(data: dict[str, Any], job_id: str, endpoint_id: str, status: JobStatus, told: Told) -> JobState:
    found = Fields(data, told)
    output = data.get("output")
    return JobState(
        id=job_id,
        endpoint_id=endpoint_id,
        status=status,
        # runpod-python 1.12.0 rp_progress.py: progress travels as `output` while IN_PROGRESS.
        output=output if status.is_final else None,
        progress=None if status.is_final else output,
        error=found.as_text("error"),
        worker_id=found.text("workerId"),
        retries=found.count("retries") or 0,
        delay_time_ms=found.count("delayTime"),
        execution_time_ms=found.count("executionTime"),
        raw=data,
    )


def _stream_part(request: Request, answer: Answer, told: Told) -> StreamPart:
    data = json_of(answer)
    status: JobStatus | None = None
    items: Any = data
    if isinstance(data, dict):
        facts = cast("dict[str, Any]", data)
        _check_about(request, facts)
        word = Fields(facts, told).text("status")
        status = None if word is None else JobStatus(word)
        items = facts.get("stream")
        if items is None and status is not None and "stream" in facts:
            items = []
    if not isinstance(items, list):
        raise Unusable("it has no list of chunks")
    raw: list[Any] = items  # pyright: ignore[reportUnknownVariableType]
    return StreamPart(tuple(_chunk(item, told) for item in raw), status)


def _chunk(item: Any, told: Told) -> StreamChunk:
    if not isinstance(item, dict) or "output" not in item:
        raise Unusable("a chunk is not an object with an output")
    raw = cast("dict[str, Any]", item)
    return StreamChunk(output=raw["output"], metrics=Fields(raw, told).object("metrics") or None, raw=raw)


def _purge_result(request: Request, answer: Answer, told: Told) -> PurgeResult:
    data = object_of(answer)
    _check_about(request, data)
    if "removed" not in data and _status(data) is None:
        raise Unusable("it is not the answer to a purge")
    found = Fields(data, told)
    return PurgeResult(removed=found.count("removed"), status=found.text("status"))


def _health_of(request: Request, answer: Answer, told: Told) -> Health:
    data = object_of(answer)
    _check_about(request, data)
    found = Fields(data, told)
    jobs, workers = found.object("jobs"), found.object("workers")
    if jobs is None and workers is None:
        raise Unusable("it has neither jobs nor workers")
    return Health(jobs=_gauges(JobCounts, jobs, told), workers=_gauges(WorkerCounts, workers, told), raw=data)


def _gauges(kind: type[Counts], data: Mapping[str, Any] | None, told: Told) -> Counts:
    """Read the gauges that we know; whatever else there is may be anything."""
    found = Fields(data or {}, told)
    return kind(**{gauge.name: found.count(camel(gauge.name)) or 0 for gauge in fields(kind)})


def _check_about(request: Request, data: Mapping[str, Any]) -> None:
    """Raise for an answer about something else than was asked for; one that names nothing is about that."""
    named, asked = data.get("id"), request.job_id or request.endpoint_id
    if named is not None and named != asked and "://" not in asked:  # a URL is no name
        raise Unusable("it is about another job")


def _is_id(value: object) -> bool:
    """Whether a job can be asked for by it."""
    try:
        return isinstance(value, str) and bool(value.encode())
    except UnicodeEncodeError:  # half of a surrogate pair
        return False


def _status(data: Mapping[str, Any]) -> JobStatus | None:
    word = data.get("status")
    return JobStatus(word) if isinstance(word, str) and word else None


def invalid(request: Request, answer: Answer, why: str) -> APIResponseValidationError:
    """Return the error for an answer that the spec does not allow."""
    return APIResponseValidationError(
        f"{request.about}: HTTP {answer.status} with an answer that cannot be used: {why}",
        operation=request.operation,
        endpoint_id=request.endpoint_id,
        job_id=request.job_id,
        status_code=answer.status,
        headers=answer.told_headers(),
        body=text_of(answer),
    )


def text_of(answer: Answer) -> str:
    """Return the first characters of an answer, without what it quotes."""
    return answer.text(BODY_SHOWN)


def json_of(answer: Answer) -> Any:
    """Return the JSON of an answer."""
    try:
        try:
            return json.loads(answer.body)
        except json.JSONDecodeError:
            raise
        except ValueError:  # perhaps a number, in a field that decides nothing
            return _with_long_numbers(answer.body)
    except (ValueError, RecursionError) as error:
        raise Unusable(f"it is not JSON ({type(error).__name__})") from None


class _LongNumber(str):
    """An integer of more digits than Python reads (`sys.get_int_max_str_digits`), as it was written."""

    __slots__ = ()


def _with_long_numbers(body: bytes) -> Any:
    """Read JSON in which a number may be too long: it fits no field of ours. An output has to be exact.

    Raises:
        ValueError, RecursionError: it is no JSON, or such a number is in an output.
    """
    found: Any = json.loads(body, parse_int=_number)
    facts: dict[str, Any] = cast("dict[str, Any]", found) if isinstance(found, dict) else {"output": found}
    chunks = facts.get("stream")
    if _has_long(facts.get("output")) or (isinstance(chunks, list) and _has_long(chunks)):
        raise ValueError("a number of an output is too long")
    return cast("Any", found)


def _number(digits: str) -> int | _LongNumber:
    try:
        return int(digits)
    except ValueError:
        return _LongNumber(digits)


def _has_long(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_long, cast("dict[str, Any]", value).values()))
    if isinstance(value, list):
        return any(map(_has_long, value))  # pyright: ignore[reportUnknownArgumentType]
    return isinstance(value, _LongNumber)


def object_of(answer: Answer) -> dict[str, Any]:
    """Return the JSON object of an answer."""
    data = json_of(answer)
    if not isinstance(data, dict):
        raise Unusable("it is not a JSON object")
    return data  # pyright: ignore[reportUnknownVariableType]


class Unusable(Exception):  # noqa: N818  never leaves the rooms that read answers
    """JSON that is not what it should be; says why."""
