"""Detects answers that belong to an earlier request, on httpx connections that are not ours.

Where a middlebox answers a request twice, the second answer is taken for that to the next request of the connection:
the id of one job for that of another. On our own connections nothing is left over (`_parsing.py`). httpx has no such
rule, so its connections are closed where bytes are left, as far as it lets that be seen; and through what the caller
gave us, an id that has answered a submit before answers no other.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from runpod_sdk._values._outcomes import Answer

# How many ids are kept; ours. A second answer comes soon after the first.
_KEPT = 10_000
# From a response of httpx's to the connection that carries it: httpx 0.28 over httpcore 1.0. Private names; a test says
# so if they go.
_TO_CONNECTION = ("stream", "_stream", "_httpcore_stream", "_stream", "_connection")


class SubmitAnswers:
    """The ids with which submits were answered. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids: set[str] = set()
        self._order: deque[str] = deque()

    def check(self, answer: Answer | None) -> None:
        """Take note of the answer to a submit.

        Raises:
            httpx.RemoteProtocolError: it is that to another one.
        """
        job_id = _id_in(answer) if answer is not None and answer.status < 300 else None
        if job_id is None:
            return
        with self._lock:
            if job_id in self._ids:
                raise httpx.RemoteProtocolError(f"the answer to another submit, about job {job_id}")
            self._ids.add(job_id)
            self._order.append(job_id)
            if len(self._order) > _KEPT:
                self._ids.discard(self._order.popleft())


def _id_in(answer: Answer) -> str | None:
    try:
        found: Any = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    job_id = found.get("id") if isinstance(found, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return job_id if isinstance(job_id, str) else None


def is_followed(response: httpx.Response) -> bool:
    """Whether bytes came after the end of an answer that was read, as far as that can be seen."""
    connection: Any = response
    for name in _TO_CONNECTION:
        connection = getattr(connection, name, None)
    state = getattr(connection, "_h11_state", None)
    return state is not None and bool(state.trailing_data[0])
