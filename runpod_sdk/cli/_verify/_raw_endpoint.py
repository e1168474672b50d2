"""Raw requests to the endpoint, and the few steps that most checks share.

Here bodies are plain JSON: a model would hide what does not fit it, and that is what is looked for. Whether an answer
is as it should be is decided in the checks.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runpod_sdk.clock import Clock

Login = Literal["bearer", "raw", "wrong"]  # how the key is sent; or another one

FINAL = ("COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT", "ERROR")
NOT_FINAL = ("IN_QUEUE", "IN_PROGRESS")
_POLL_FIRST, _POLL_MOST = 0.1, 1.0  # seconds between two looks at a job; each time half as much again
_SHOWN = 120  # characters of a text
_UNDECIDED = (408, 425, 429, 500, 502, 503, 504, 520, 522, 524)  # of the moment, or of the edge: nothing about a claim
# The fields of a job that name somebody's property, and what is shown instead.
_HIDDEN = {"id": "(id)", "endpointId": "(endpoint)", "workerId": "(worker)"}
_JOB_ID = re.compile(r"(sync-)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(-[a-z0-9]+)?")


class UnclearError(Exception):
    """A check could not come to a verdict; the message says why."""


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """What came back.

    Attributes:
        status: the HTTP status.
        body: the parsed JSON; text, where it is none.
        seconds: how long it took.
    """

    status: int
    body: Any
    seconds: float

    @property
    def fields(self) -> dict[str, Any]:
        """Return the body, if it is an object; an empty one otherwise."""
        body: Any = self.body
        return cast("dict[str, Any]", body) if isinstance(body, dict) else {}

    @property
    def job_status(self) -> Any:
        """Return what the body says of the job."""
        return self.fields.get("status")

    def __str__(self) -> str:
        """Show status and body, without ids."""
        return f"HTTP {self.status} {shown(self.body)}"


class Sender(Protocol):
    """Sends one request and returns what came back; raises UnclearError where nothing did."""

    def __call__(
        self, method: str, path: str, *, query: Mapping[str, str], content: bytes | None, login: Login, hold: float
    ) -> RawAnswer:
        """Sender it; `path` from the base URL, and `hold` seconds may pass on top of the usual."""
        ...


class RawEndpoint:
    """One endpoint on which the checks run.

    Args:
        send: sends a request.
        clock: waits between two looks.
        endpoint_id: the endpoint; it runs the mock worker.
        generator_id: an endpoint that runs it with --generator, if there is one.
        patience: seconds to wait for a job that should have ended.
    """

    def __init__(
        self, send: Sender, clock: Clock, endpoint_id: str, *, generator_id: str | None, patience: float
    ) -> None:
        self._send = send
        self._unfinished: dict[str, str] = {}
        self._drafts: list[str] = []
        self.clock = clock
        self.endpoint_id = endpoint_id
        self.generator_id = generator_id
        self.patience = patience

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        login: Login = "bearer",
        endpoint_id: str | None = None,
        hold: float = 0.0,
    ) -> RawAnswer:
        """Ask the service; whatever it answers is an answer.

        Raises:
            UnclearError: none came, or one that says nothing about the claim.
        """
        content = None if body is None else json.dumps(body).encode()
        where = f"/{endpoint_id or self.endpoint_id}{path}"
        answer = self._send(method, where, query=query or {}, content=content, login=login, hold=hold)
        if answer.status in _UNDECIDED:
            raise UnclearError(f"{method} {path.partition('/')[0] or path}: {answer}")
        return answer

    def submit(self, job_input: dict[str, Any], *, endpoint_id: str | None = None, **fields: Any) -> str:
        """Queue a job and return its id."""
        answer = self.ask("POST", "/run", body={"input": job_input, **fields}, endpoint_id=endpoint_id)
        return self.accepted(answer, endpoint_id)

    def accepted(self, answer: RawAnswer, endpoint_id: str | None = None) -> str:
        """Return the id of the job that an answer is about, and see to it that none is left behind."""
        job_id: Any = answer.fields.get("id")
        if answer.status != 200 or not isinstance(job_id, str):
            raise UnclearError(f"the submit was not accepted: {answer}")
        self._unfinished[job_id] = endpoint_id or self.endpoint_id
        return job_id

    def draft(self, requests: list[dict[str, Any]]) -> RawAnswer:
        """Make a batch that is never finalized, and see to it that it does not stay; the answer has its id.

        Raises:
            UnclearError: there is none, as the endpoint has no batches.
        """
        answer = self.ask("POST", "/batch", body=requests)
        batch_id: Any = answer.fields.get("id")
        if answer.status != 200 or not isinstance(batch_id, str):
            raise UnclearError(f"no batch was made: {answer}")
        self._drafts.append(batch_id)
        return answer

    def status(self, job_id: str) -> RawAnswer:
        """Read a job's state."""
        return self.ask("GET", f"/status/{job_id}", endpoint_id=self._unfinished.get(job_id))

    def until(self, job_id: str, claim: Callable[[RawAnswer], bool], *, patience: float | None = None) -> RawAnswer:
        """Look at a job until the claim holds; the answer that made it hold.

        Raises:
            UnclearError: it never did.
        """
        end = self.clock.monotonic() + (self.patience if patience is None else patience)
        pause = _POLL_FIRST
        while True:
            answer = self.status(job_id)
            if claim(answer):
                return answer
            if answer.job_status in FINAL or self.clock.monotonic() >= end:
                raise UnclearError(f"the job never got there: {answer}")
            self.clock.sleep(pause)
            pause = min(1.5 * pause, _POLL_MOST)

    def ended(self, job_id: str) -> RawAnswer:
        """Wait for a job's end."""
        return self.until(job_id, lambda answer: answer.job_status in FINAL)

    def completed(self, job_input: dict[str, Any]) -> tuple[str, RawAnswer]:
        """Run a job that completes."""
        job_id = self.submit(job_input)
        answer = self.ended(job_id)
        if answer.job_status != "COMPLETED":
            raise UnclearError(f"the job did not complete: {answer}")
        return job_id, answer

    def running(self, job_input: dict[str, Any]) -> str:
        """Start a job and wait until a worker has it."""
        job_id = self.submit(job_input)
        self.until(job_id, lambda answer: answer.job_status == "IN_PROGRESS")
        return job_id

    def queued(self) -> Any:
        """Return how many jobs wait on the endpoint, as /health says."""
        return cast("dict[str, Any]", self.ask("GET", "/health").fields.get("jobs", {})).get("inQueue")

    def clear_away(self) -> None:
        """Cancel every job that has not ended, and every draft."""
        drafts, self._drafts = self._drafts, []
        for batch_id in drafts:
            self._drop(batch_id)
        for job_id, endpoint_id in list(self._unfinished.items()):
            try:
                if self.status(job_id).job_status in NOT_FINAL:
                    self.ask("POST", f"/cancel/{job_id}", endpoint_id=endpoint_id)
            except UnclearError:
                continue  # no job that a check submits runs for longer than a minute
        self._unfinished.clear()

    def _drop(self, batch_id: str) -> None:
        """Cancel a draft; where the service refuses that, leave it empty. There is no way to delete one."""
        try:
            if self.ask("POST", f"/batch/{batch_id}/cancel").status == 200:
                return
            page = self.ask("GET", f"/batch/{batch_id}/requests")
            for request in cast("list[dict[str, Any]]", page.fields.get("requests", [])):
                self.ask("DELETE", f"/batch/{batch_id}/requests/{request['id']}")
        except UnclearError:
            return  # a draft runs nothing


def shown(value: Any) -> str:
    """Return JSON as it may be shown and sent in: without ids, and without what a worker tells of its machine."""
    return json.dumps(_hidden(value), ensure_ascii=False)


def _hidden(value: Any) -> Any:
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return {name: _HIDDEN.get(name) or _hidden(each) for name, each in sorted(fields.items())}
    if isinstance(value, list):
        items: list[Any] = value  # pyright: ignore[reportUnknownVariableType]
        return [_hidden(each) for each in items]
    if isinstance(value, str):
        text = _JOB_ID.sub("(id)", value)
        return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return value
