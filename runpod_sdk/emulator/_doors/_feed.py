"""Answers to OpenAI-style calls: the job's chunks as they are yielded, or the answer as a whole.

Source: worker-vllm yields server-sent lines as they are to be sent, or JSON; without "stream" it yields one answer,
which is also the first of its aggregated output. assumed: how a failed job is told.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, cast

from runpod_sdk.emulator._queue._machine import FINAL
from runpod_sdk.emulator._queue._requests import Cancel, ReadStream, Reply, ReplyKind, Status
from runpod_sdk.emulator._routes._openai_routes import openai_error
from runpod_sdk.emulator._routes._route import JSON, HttpAnswer
from runpod_sdk.emulator._waiter import Waiter

if TYPE_CHECKING:
    from runpod_sdk.emulator._hub import Hub
    from runpod_sdk.emulator._hub_endpoint import HubEndpoint

_EVENTS = (("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"))
_FINAL_WORDS = frozenset(state.value for state in FINAL)
_DONE = b"data: [DONE]\n\n"


class JobFeed:
    """The answer to one call, piece by piece: `ask`, and after a wait `conclude`, until `is_over`.

    Args:
        hub: where the job is.
        endpoint: its endpoint.
        job_id: the job.
        streams: the caller wants events; else the answer is one piece, at the end.

    Attributes:
        is_over: there is nothing more to ask for.
    """

    def __init__(self, hub: Hub, endpoint: HubEndpoint, job_id: str, *, streams: bool) -> None:
        self._hub = hub
        self._endpoint = endpoint
        self._job_id = job_id
        self._streams = streams
        self._outputs: list[Any] = []  # of a call that does not stream
        self._has_sent = self._has_sent_json = False
        self._refusal: HttpAnswer | None = None
        self._whole: HttpAnswer | None = None
        self.is_over = False

    def ask(self, patience: float = math.inf) -> bytes | Waiter:
        """Return the next piece, which may be empty, or what to wait on for it."""
        found = self._hub.ask(self._endpoint, ReadStream(job_id=self._job_id, wait=math.inf), patience)
        return found if isinstance(found, Waiter) else self._piece(found)

    def conclude(self, waiter: Waiter) -> bytes | None:
        """Return the next piece after a wait; None if the caller's patience ended first."""
        reply = self._hub.conclude(waiter)
        if reply is None:
            self.abandon()
            return None
        return self._piece(reply)

    def leave(self, waiter: Waiter) -> None:
        """Note that the caller has gone away: its job is cancelled."""
        self._hub.drop(waiter)
        self.abandon()

    def abandon(self) -> None:
        """Cancel the job, unless it has ended."""
        if not self.is_over:
            self.is_over = True
            self._hub.ask(self._endpoint, Cancel(job_id=self._job_id))

    def opening(self) -> HttpAnswer:
        """Return the head of the answer, once there is a piece; where it is an answer by itself, that."""
        return self._refusal or self._whole or HttpAnswer(200, b"", _EVENTS)

    @property
    def is_open(self) -> bool:
        """Whether pieces follow the head."""
        return self._streams and self._refusal is None

    def _piece(self, reply: Reply) -> bytes:
        outputs = [chunk["output"] for chunk in reply.body.get("stream", [])]
        ended = reply.body.get("status") in _FINAL_WORDS or reply.kind is not ReplyKind.DONE
        if not self._streams:
            self._outputs += outputs
            outputs = []
        piece = b"".join(self._event(output) for output in outputs)
        if ended:
            piece += self._end()
        return piece

    def _event(self, output: Any) -> bytes:
        """Return one thing that was yielded, as it is sent."""
        refused = None if self._has_sent else refusal_in(output)
        if refused is not None:
            self._refusal = refused
            return b""
        self._has_sent = True
        if isinstance(output, str):
            return output.encode("utf-8", "surrogatepass")
        self._has_sent_json = True
        return b"data: " + json.dumps(output).encode() + b"\n\n"

    def _end(self) -> bytes:
        self.is_over = True
        found = self._hub.ask(self._endpoint, Status(job_id=self._job_id))
        job = found.body if isinstance(found, Reply) else {}
        if self._refusal is not None:
            return b""
        if job.get("status") != "COMPLETED":
            failure = _failure(job)
            if self._has_sent:
                return b"data: " + failure.body + b"\n\n"
            self._refusal = failure
            return b""
        if not self._streams:
            self._whole = whole_of(self._outputs[0] if self._outputs else job.get("output"))
            return b""
        piece = b""
        if not self._has_sent:  # it is no generator
            output = job.get("output")
            piece = b"".join(self._event(each) for each in (output if isinstance(output, list) else [output]))  # pyright: ignore[reportUnknownVariableType]
        return piece + (_DONE if self._has_sent_json else b"")


def whole_of(output: Any) -> HttpAnswer:
    """Return the answer to a call that does not stream: the first of a list, or all of it."""
    if isinstance(output, list) and output:
        output = output[0]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(output, str):
        try:
            output = json.loads(output)
        except ValueError:
            return HttpAnswer(200, output.encode("utf-8", "surrogatepass"), (("content-type", "text/plain"),))
    return refusal_in(output) or HttpAnswer(200, json.dumps(output).encode(), JSON)


def refusal_in(output: Any) -> HttpAnswer | None:
    """Return the refusal that a worker yields in the place of an answer.

    Source: worker-vllm yields vLLM's ErrorResponse, an object "error" with a message and a code.
    """
    if not isinstance(output, dict):
        return None
    said = cast("dict[str, Any]", output)
    if said.get("object") != "error":
        return None
    code: Any = said.get("code")
    status = code if isinstance(code, int) and 400 <= code <= 599 else 400
    return openai_error(status, str(said.get("message", "")), str(said.get("type", "invalid_request_error")))


def _failure(job: dict[str, Any]) -> HttpAnswer:
    status = str(job.get("status", "gone"))
    said = str(job.get("error", "")) or f"the job is {status}"
    try:
        facts: Any = json.loads(said)
    except ValueError:
        facts = None
    if isinstance(facts, dict) and "error_message" in facts:
        said = str(cast("dict[str, Any]", facts)["error_message"])
    return openai_error(504 if status == "TIMED_OUT" else 500, said, "server_error")
