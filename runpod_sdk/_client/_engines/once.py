"""Submit at most once per task, in engines that rerun tasks: Airflow, Temporal, DBOS, your own queue.

Such an engine records what each step returned, and reruns a step whose worker died. A step that submits a job must
not be rerun: the job may have been queued, and the API has no idempotency key. So split it into three steps:

1. `ticket()`: returns a text to record. It is good for one submit, in the process that issued it.
2. `submit(endpoint, input, ticket=…)`: returns the job's id to record. In another process, or a second time, nobody
   knows whether the first attempt arrived: it raises SubmissionUnknownError, and sends nothing.
3. `collect(endpoint, job_id)`: returns the job's output. It may be rerun as often as needed, up to 30 minutes after
   the job's end.

No table, no server, no dependency. `endpoint.map(…, journal=…)` does the same for many inputs in one process.
"""

from __future__ import annotations

import os
import secrets
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from runpod_sdk._flows import _api
from runpod_sdk._http._signals import raised_by_handler
from runpod_sdk._values._hidden import Hidden
from runpod_sdk._values._requests import HiddenOptions, SubmitOptions
from runpod_sdk.errors import APIError, SubmissionUnknownError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Unpack

    from runpod_sdk._client._async_endpoint import AsyncEndpoint
    from runpod_sdk._client._sync_endpoint import Endpoint

__all__ = ["collect", "collect_async", "submit", "submit_async", "ticket"]

T = TypeVar("T")

# Tickets of this process that have not been used.
_issued: set[str] = set()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_issued.clear)  # else two processes had them


def ticket() -> str:
    """Return a text that is good for one submit in this process. Record it in a step of its own, before `submit`.

    Examples:
        >>> from runpod_sdk import Client, once
        >>> from runpod_sdk.emulator import Emulator
        >>> emulator = Emulator()
        >>> _ = emulator.endpoint("abc", lambda job: job["input"]["n"] ** 2)
        >>> with Client(**emulator.connection) as client:
        ...     endpoint = client.endpoint("abc")
        ...     recorded = once.ticket()
        ...     job_id = once.submit(endpoint, {"n": 3}, ticket=recorded)
        ...     once.collect(endpoint, job_id, timeout=60)
        9
    """
    issued = f"{time.time():.3f}-{secrets.token_hex(16)}"
    _issued.add(issued)
    return issued


def submit(endpoint: Endpoint[Any], input: Mapping[str, Any], *, ticket: str, **options: Unpack[SubmitOptions]) -> str:
    """Submit a job, and return its id.

    A submit that was refused or never sent, or a bad argument, does not use up the ticket: the step may be rerun in
    the same process.

    Args:
        endpoint: where to run it.
        input: the job's input.
        ticket: as recorded.
        options: as for `run`, except `on_unknown="resubmit"`, which is refused.

    Raises:
        SubmissionUnknownError: the ticket was issued by another process or has been used: nothing was sent now, but
            something may have been before. Or the answer was lost.
        TypeError, ValueError, APIError: as `run` does; the job was not submitted.
    """
    given, chosen = Hidden(input), HiddenOptions(options)
    del input, options  # from here on no frame shows them
    _take(endpoint, given, ticket, chosen)
    try:
        return endpoint.run(given.reveal(), **chosen.reveal()).id
    except Exception as error:
        _give_back(ticket, error)
        raise


async def submit_async(
    endpoint: AsyncEndpoint[Any], input: Mapping[str, Any], *, ticket: str, **options: Unpack[SubmitOptions]
) -> str:
    """Do what `submit` does, async."""
    given, chosen = Hidden(input), HiddenOptions(options)
    del input, options
    _take(endpoint, given, ticket, chosen)
    try:
        return (await endpoint.run(given.reveal(), **chosen.reveal())).id
    except Exception as error:
        _give_back(ticket, error)
        raise


def collect(endpoint: Endpoint[T], job_id: str, *, timeout: float | None = None) -> T:
    """Wait for a job, and return its output. If the wait ends early, the job goes on, and a rerun can collect it.

    Raises:
        JobFailedError, JobTimedOutError, JobCancelledError, WaitTimeoutError, JobExpiredError, APIError: as `output`.
    """
    return endpoint.job(job_id).output(timeout, on_abandon="detach")


async def collect_async(endpoint: AsyncEndpoint[T], job_id: str, *, timeout: float | None = None) -> T:
    """Do what `collect` does, async."""
    return await endpoint.job(job_id).output(timeout, on_abandon="detach")


def _take(
    endpoint: Endpoint[Any] | AsyncEndpoint[Any], given: Hidden[Mapping[str, Any]], ticket: str, chosen: HiddenOptions
) -> None:
    issued_at = _issued_at(ticket)
    if chosen.reveal().get("on_unknown", "raise") == "resubmit":
        raise ValueError('on_unknown="resubmit" may submit a job twice, and a ticket is worth one submit')
    try:
        _issued.remove(ticket)
    except KeyError:
        _refuse(endpoint.id, given, issued_at)


def _give_back(ticket: str, error: Exception) -> None:
    """Let a submit be tried again of which it is certain that it came to nothing."""
    is_certain = isinstance(error, APIError | TypeError | ValueError) and not isinstance(error, SubmissionUnknownError)
    if is_certain and raised_by_handler(error) is None:
        _issued.add(ticket)


def _issued_at(ticket: str) -> float:
    try:
        at, secret = ticket.split("-")
        if len(secret) == 32:
            return float(at)
    except (AttributeError, ValueError):
        pass
    raise ValueError(f"ticket={ticket!r}: not a ticket of runpod_sdk.once")


def _refuse(endpoint_id: str, given: Hidden[Mapping[str, Any]], issued_at: float) -> NoReturn:
    sha256 = _api.built(_api.run, endpoint_id, given, HiddenOptions(SubmitOptions())).input_sha256
    raise SubmissionUnknownError(
        f'run on endpoint "{endpoint_id}": an attempt before this one may have submitted the job; it was not sent '
        f"again (input sha256 {sha256[:16]}…)",
        operation="run",
        endpoint_id=endpoint_id,
        input_sha256=sha256,
        submitted_at=datetime.fromtimestamp(issued_at, UTC),
    )
