"""Records of submits that may or may not have arrived."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from logging import WARNING
from typing import TYPE_CHECKING

from . import _names as names
from ._log import tell

if TYPE_CHECKING:
    from datetime import datetime

    from runpod_sdk.errors import SubmissionUnknownError

# How many records of unknown submits a client keeps; ours.
_KEPT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownSubmission:
    """A submit of which nobody can say whether it arrived: what there is to find it by.

    `input_sha256` is of the input alone, as in `SubmissionUnknownError`; `cause` says what happened, such as
    "ReadTimeout" or "HTTP 502".
    """

    endpoint_id: str
    operation: str
    input_sha256: str
    submitted_at: datetime
    status_code: int | None
    cause: str


class Unknowns:
    """The records of one client, the newest last."""

    def __init__(self) -> None:
        self._records: deque[UnknownSubmission] = deque(maxlen=_KEPT)

    def add(self, error: SubmissionUnknownError, cause: BaseException | None) -> None:
        """Keep and log one."""
        record = UnknownSubmission(
            endpoint_id=error.endpoint_id,
            operation=error.operation,
            input_sha256=error.input_sha256,
            submitted_at=error.submitted_at,
            status_code=error.status_code,
            cause=f"HTTP {error.status_code}" if error.status_code else type(cause).__name__,
        )
        self._records.append(record)
        facts: names.Facts = {
            names.OPERATION: record.operation,
            names.ENDPOINT_ID: record.endpoint_id,
            names.ERROR_TYPE: record.cause,
            names.INPUT_SHA256: record.input_sha256,
        }
        if record.status_code is not None:
            facts[names.HTTP_STATUS] = record.status_code
        tell(
            WARNING,
            facts,
            '%s on endpoint "%s": outcome unknown (%s), input sha256 %s',
            record.operation,
            record.endpoint_id,
            record.cause,
            record.input_sha256,
        )

    def all(self) -> tuple[UnknownSubmission, ...]:
        """Return the records."""
        return tuple(self._records)
