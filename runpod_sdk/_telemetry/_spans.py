"""OpenTelemetry spans: one per SDK call, covering all its requests.

It counts as in use where the program has imported `opentelemetry.trace`: nothing is imported for it here, and where it
is not in use a call costs a look into a dict.
"""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from runpod_sdk._values._operations import SUBMITTING_CALLS, WAITING_CALLS
from runpod_sdk._values._status import JobStatus
from runpod_sdk._values._version import __version__

from . import _names as names

if TYPE_CHECKING:
    from collections.abc import Generator

    from opentelemetry.trace import Span

    from runpod_sdk._values._states import JobState

    from ._names import Facts

_FAILED = frozenset({JobStatus.FAILED, JobStatus.TIMED_OUT})


class CallSpan:
    """The span of one call. This class is the null object: it stands for calls without a span."""

    __slots__ = ()

    def attached(self) -> AbstractContextManager[object]:
        """Let what happens meanwhile be told of this call."""
        return _NOBODY

    def state(self, state: JobState) -> None:
        """Tell what was seen of its job."""

    def facts(self, facts: Facts) -> None:
        """Tell what else is known."""

    def count(self, **more: float) -> None:
        """Add to its counts, by their names in `OperationStats`."""

    def event(self, name: str, facts: Facts) -> None:
        """Tell what happened."""

    def end(self, error: BaseException | None = None) -> None:
        """Tell that it is over."""


class OpenSpan(CallSpan):
    """A call with a span."""

    __slots__ = ("_counts", "_is_submit", "_is_wait", "_span", "_status")

    def __init__(self, name: str, span: Span) -> None:
        self._span = span
        self._is_submit, self._is_wait = name in SUBMITTING_CALLS, name in WAITING_CALLS
        self._counts: dict[str, float] = dict.fromkeys(names.SUBMIT_COUNTS if self._is_submit else (), 0)
        self._status: JobStatus | None = None

    @contextmanager
    def attached(self) -> Generator[object]:
        """Let what happens meanwhile be told of this call, and spans be its children."""
        trace: Any = sys.modules["opentelemetry.trace"]
        token = _CURRENT.set(self)
        try:
            with trace.use_span(self._span, record_exception=False, set_status_on_exception=False):
                yield self
        finally:
            with suppress(ValueError):  # a coroutine that is thrown away ends in another context
                _CURRENT.reset(token)

    def state(self, state: JobState) -> None:
        """Tell what was seen of its job."""
        self._status = state.status
        self._span.set_attributes(names.state_facts(state))
        if self._is_submit:
            self._span.set_attribute(names.MESSAGE_ID, state.id)

    def facts(self, facts: Facts) -> None:
        """Tell what else is known."""
        self._span.set_attributes(facts)

    def count(self, **more: float) -> None:
        """Add to its counts, by their names in `OperationStats`."""
        for name, number in more.items():
            self._counts[name] = self._counts.get(name, 0) + number

    def event(self, name: str, facts: Facts) -> None:
        """Tell what happened."""
        self._span.add_event(name, facts)

    def end(self, error: BaseException | None = None) -> None:
        """Tell that it is over, and how."""
        trace: Any = sys.modules["opentelemetry.trace"]
        counted = {names.COUNTED[name]: number for name, number in self._counts.items() if name in names.COUNTED}
        self._span.set_attributes(counted)
        if error is not None and not isinstance(error, GeneratorExit):
            self._fail(trace, error)
        elif self._is_wait and self._status in _FAILED:
            self._span.set_attribute(names.ERROR_TYPE, str(self._status))
            self._span.set_status(trace.Status(trace.StatusCode.ERROR, f"the job {self._status}"))
        self._span.end()

    def _fail(self, trace: Any, error: BaseException) -> None:
        facts, words = names.error_facts(error), names.message_of(error)
        self._span.set_attributes(facts)
        said = {} if words is None else {names.EXCEPTION_MESSAGE: words}
        self._span.add_event(names.EXCEPTION, {names.EXCEPTION_TYPE: str(facts[names.ERROR_TYPE]), **said})
        self._span.set_status(trace.Status(trace.StatusCode.ERROR, words or str(facts[names.ERROR_TYPE])))


NO_SPAN = CallSpan()
_NOBODY = nullcontext(NO_SPAN)
_CURRENT: ContextVar[CallSpan] = ContextVar("runpod_sdk_call", default=NO_SPAN)


def current() -> CallSpan:
    """Return the call that is under way."""
    return _CURRENT.get()


def span(
    name: str, endpoint_id: str, job_id: str | None = None, *, is_current: bool = True, at: str = ""
) -> AbstractContextManager[CallSpan]:
    """Return a span over one call of the SDK, with all its requests; nothing where OpenTelemetry is not in use.

    A span that is not current is no parent to what the caller does between two chunks of a stream. `at` is the URL of
    the service.
    """
    call = begun(name, endpoint_id, job_id, at=at)
    return _NOBODY if call is NO_SPAN else _over(call, is_current=is_current)


def begun(name: str, endpoint_id: str, job_id: str | None = None, *, at: str = "", is_remote: bool = True) -> CallSpan:
    """Return a call that begins now; `is_remote` is whether it asks the service itself."""
    trace: Any = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return NO_SPAN
    kind = trace.SpanKind.CLIENT if is_remote else trace.SpanKind.INTERNAL
    facts: Facts = {names.OPERATION: name, names.ENDPOINT_ID: endpoint_id, **_server(at)}
    if job_id is not None:
        facts[names.JOB_ID] = job_id
    if name in SUBMITTING_CALLS:
        facts |= {names.SYSTEM: "runpod", names.SEND: "send", names.SEND_NAME: name, names.DESTINATION: endpoint_id}
    tracer = trace.get_tracer("runpod_sdk", __version__)
    started: Span = tracer.start_span(f"runpod {name}", kind=kind, attributes=facts)
    return OpenSpan(name, started) if started.get_span_context().is_valid else NO_SPAN


@contextmanager
def _over(call: CallSpan, *, is_current: bool) -> Generator[CallSpan]:
    try:
        if is_current:
            with call.attached():
                yield call
        else:
            yield call
    except BaseException as error:
        call.end(error)
        raise
    call.end()


@lru_cache(maxsize=64)
def _server(url: str) -> Facts:
    """Return where the service is."""
    parts = urlsplit(url)
    if parts.hostname is None:
        return {}
    return {names.SERVER: parts.hostname, names.PORT: parts.port or (443 if parts.scheme == "https" else 80)}
