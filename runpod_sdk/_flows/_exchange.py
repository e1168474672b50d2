"""One request and its repeats, as a flow; the settings that all flows share; errors for failed requests."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from runpod_sdk._telemetry._names import ENDPOINT_ID, M_HELD, M_PACE, OPERATION
from runpod_sdk._values._outcomes import Answer, Failure, Outcome, Result, outcome_of, retry_after
from runpod_sdk._values._policies import (
    GRACE,
    HELD_PATIENCE,
    NO_RETRY,
    RETRY_AFTER_MAX,
    Deadline,
    PollPolicy,
    Retry,
    RetryPolicy,
    check_policies,
    checked_timeout,
    last_start,
)
from runpod_sdk._values._states import shorten
from runpod_sdk.errors import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    InternalServerError,
    NotFoundError,
    PayloadTooLargeError,
    PaymentRequiredError,
    PermissionDeniedError,
    RateLimitError,
)

from . import _answers
from ._effects import Flow, Send, Sleep
from ._limiter import glance

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_sdk._telemetry import Meter
    from runpod_sdk._telemetry._metrics import Observed
    from runpod_sdk._telemetry._names import Metric
    from runpod_sdk._values._fields import Told
    from runpod_sdk._values._operations import OperationName
    from runpod_sdk._values._requests import Request
    from runpod_sdk.clock import Clock

    from ._holds import Holds
    from ._limiter import Limiter, Turn
    from ._pulse import Pulse

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the flows go by; made once by a client.

    `timeout` bounds an ordinary request, seconds. `random` returns floats in [0, 1). `limiter`, `holds` and `meter` are
    shared by all flows of a client.
    """

    clock: Clock
    retry: RetryPolicy
    poll: PollPolicy
    timeout: float
    random: Callable[[], float]
    limiter: Limiter
    holds: Holds
    meter: Meter

    def __post_init__(self) -> None:
        check_policies(self.retry, self.poll, self.clock)

    def now(self) -> float:
        """Return the time that deadlines are counted in."""
        return self.clock.monotonic()

    def patience(self, request: Request) -> float:
        """Return how long an answer may take beyond its hold."""
        return min(self.timeout, HELD_PATIENCE) if request.is_held else self.timeout

    def deadline(self, timeout: float | None, grace: float = GRACE) -> Deadline:
        """Return the end of a call that begins now."""
        return Deadline.after(timeout, self.now(), grace)

    def replaced(
        self, *, timeout: float | None, retry: RetryPolicy | Literal["same"] | None, poll: PollPolicy | None
    ) -> Settings:
        """Return other settings; None for `timeout` and `poll`, and "same" for `retry`, keep what there is."""
        return replace(
            self,
            timeout=self.timeout if timeout is None else checked_timeout(timeout),
            retry=self.retry if retry == "same" else NO_RETRY if retry is None else retry,
            poll=self.poll if poll is None else poll,
        )


def observed(holds: Holds, limiter: Limiter, metric: Metric) -> Observed:
    """Return what a metric is of one client now."""
    if metric == M_HELD:
        return [(holds.held, {})]
    slowed = limiter.slowed().items() if metric == M_PACE else ()
    return [(rate, {ENDPOINT_ID: of, OPERATION: operation}) for (of, operation), rate in slowed]


class Refused(Exception):  # noqa: N818  how a flow hands a result up, not an error for users
    """An exchange that did not end with a 2xx: its last outcome and result, the requests made, and our error for it.

    `sent_at` is when the last request was sent, seconds since 1970, and `began` the same by the monotonic clock. Where
    `attempts` is 0, none was: the first one's turn would have come too late.
    """

    def __init__(
        self,
        request: Request,
        outcome: Outcome,
        result: Result,
        *,
        attempts: int,
        sent_at: float,
        began: float,
        error: APIError,
    ) -> None:
        super().__init__(outcome)
        self.request = request
        self.outcome = outcome
        self.result = result
        self.attempts = attempts
        self.sent_at = sent_at
        self.began = began
        self.error = error


def exchange(
    settings: Settings, request: Request, deadline: Deadline, *, pulse: Pulse | None = None
) -> Flow[tuple[Answer, float]]:
    """Send a request until it is answered with a 2xx; return the answer, and when the request was sent (since 1970).

    Repeats what the table of operations allows: `attempts` times; or, where a `pulse` is given, for as long as that and
    the deadline allow, but for a held look, which is then made once. Never sleeps beyond the deadline, and sends
    nothing whose turn comes after it.

    Raises:
        Refused: any other end.
    """
    attempt = 0
    refused: Refused | None = None
    while True:
        late = yield from _turn(settings, request, deadline, is_patient=pulse is not None)
        if late is not None:
            raise refused or _too_late(settings, request, late)
        attempt += 1
        began, sent_at = settings.now(), settings.clock.time()
        until = deadline.request_end(began, settings.patience(request), request.hold)
        result: Result = yield Send(request, until, last_start(began, until, request.hold), sent_at)
        outcome = outcome_of(result)
        _take_note(settings, request, result, began)
        if isinstance(result, Answer) and outcome is Outcome.ANSWERED:
            return result, sent_at
        if _wants_post(request, result):
            request = replace(request, method="POST")
            continue
        asked_wait = retry_after(result, settings.clock.time())
        error = error_from(request, result, attempt, asked_wait)
        left = deadline.left(settings.now())
        wait = settings.retry.next_wait(attempt, settings.random(), asked_wait)
        if pulse is None:
            is_spent = attempt >= settings.retry.attempts or wait >= left or (asked_wait or 0.0) > RETRY_AFTER_MAX
        else:
            due = min(began + request.hold, settings.now())  # until then nothing was to be heard
            is_over = pulse.miss(outcome, result, due, settings.now())
            is_spent = is_over or left <= 0 or request.operation == "status-sync"
            wait = min(wait, left, RETRY_AFTER_MAX)
        # 501 says that there is no such route: asking again does not help.
        is_spent = is_spent or (isinstance(result, Answer) and result.status == 501)
        refused = Refused(request, outcome, result, attempts=attempt, sent_at=sent_at, began=began, error=error)
        if is_spent or outcome not in request.repeatable:
            raise refused
        notice(settings, request, attempt, wait, error)
        yield Sleep(wait)


def _turn(settings: Settings, request: Request, deadline: Deadline, *, is_patient: bool) -> Flow[float | None]:
    """Wait for the turn of a request; return None, or how far away it is where it would come too late.

    A patient call, whose job is waited for anyway, asks again until its deadline: the pace may have picked up. But a
    held look has a plain one that can be made in its place.
    """
    limiter = settings.limiter
    of: tuple[str, OperationName] = (request.endpoint_id, request.operation)
    is_held_look = is_patient and request.operation == "status-sync"
    while True:
        left = deadline.left(settings.now())
        turn = limiter.turn(*of, settings.now(), min(left, settings.poll.wait_max) if is_held_look else left)
        if turn.is_taken:
            return (yield from _in_line(settings, of, turn, deadline))
        if is_held_look or not is_patient or left <= 0:
            return turn.seconds
        yield Sleep(min(left, settings.poll.wait_max))


def _in_line(settings: Settings, of: tuple[str, OperationName], turn: Turn, deadline: Deadline) -> Flow[float | None]:
    """Wait for a turn that was taken; return None, or how far away it is when the deadline passes."""
    seconds = turn.seconds
    try:
        while seconds > 0 and deadline.left(settings.now()) > 0:
            yield Sleep(min(glance(seconds), deadline.left(settings.now())))
            seconds = settings.limiter.left(turn, *of, settings.now())
        return seconds or None
    finally:
        if seconds > 0:  # the pace was slowed down, or the call ended
            settings.limiter.drop(turn, *of, settings.now())


class TurnTooLate(Exception):  # noqa: N818  in the place of a transport's error, which there is none of
    """The turn of a request would come after its deadline, so it was not sent."""


def _too_late(settings: Settings, request: Request, seconds: float) -> Refused:
    """Return the outcome of a request that was not sent."""
    why = TurnTooLate(f"the turn of this request comes in {seconds:.1f} s")
    error = APITimeoutError(
        f"{request.about}: not sent: requests are paced, and its turn would come in {seconds:.1f} s, after the timeout",
        operation=request.operation,
        endpoint_id=request.endpoint_id,
        job_id=request.job_id,
    )
    result, sent_at, began = Failure(why, sent=0), settings.clock.time(), settings.now()
    return Refused(request, Outcome.NEVER_SENT, result, attempts=0, sent_at=sent_at, began=began, error=error)


def _wants_post(request: Request, result: Result) -> bool:
    """Whether a look was refused for its method alone. The official worker's own server (--rp_serve_api) takes POST.

    Source: runpod-python 1.12.0, serverless/modules/rp_fastapi.py.
    """
    is_refused = isinstance(result, Answer) and result.status == 405 and "POST" in result.headers.get("allow", "")
    return is_refused and request.operation == "status" and request.method == "GET"


def result_of(settings: Settings, request: Request, timeout: float) -> Flow[Result]:
    """Make a request once, and return whatever comes of it."""
    began = settings.now()
    until = began + timeout
    result: Any = yield Send(request, until, last_start(began, until, request.hold), settings.clock.time())
    _take_note(settings, request, result, began)
    return cast("Result", result)


def _take_note(settings: Settings, request: Request, result: Result, began: float) -> None:
    """Tell of a request, and let the limiter learn from it."""
    now = settings.now()
    status = result.status if isinstance(result, Answer) else None
    settings.limiter.learn(request.endpoint_id, request.operation, began, now, status=status)
    settings.meter.requested(request, result, now - began)


def notice(settings: Settings, request: Request, attempt: int, wait: float, error: APIError) -> None:
    """Tell, also `on_retry`, that a request is repeated."""
    repeat = Retry(
        operation=request.operation,
        endpoint_id=request.endpoint_id,
        job_id=request.job_id,
        attempt=attempt,
        wait=wait,
        error=error,
    )
    settings.meter.repeated(request, repeat)
    if settings.retry.on_retry is not None:
        settings.retry.on_retry(repeat)


def ask(
    settings: Settings,
    request: Request,
    deadline: Deadline,
    read: Callable[[Request, Answer, Told], T],
    *,
    pulse: Pulse | None = None,
) -> Flow[T]:
    """Make a request whose every failure is simply raised, and return what `read` makes of the answer."""
    try:
        answer, _ = yield from exchange(settings, request, deadline, pulse=pulse)
    except Refused as refused:
        if refused.outcome is Outcome.UNKNOWN and request.rules.unknown_note is not None:
            refused.error.add_note(request.rules.unknown_note)
        raise refused.error from cause_of(refused.result)
    if pulse is not None:
        pulse.beat()
    return read(request, answer, settings.meter.misfit)


_BY_STATUS: dict[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    402: PaymentRequiredError,
    403: PermissionDeniedError,
    404: NotFoundError,
    413: PayloadTooLargeError,
    429: RateLimitError,
}


def error_from(request: Request, result: Result, attempts: int, asked_wait: float | None = None) -> APIError:
    """Return our error for a result that is not a 2xx."""
    tries = f" after {attempts} attempts" if attempts > 1 else ""
    if isinstance(result, Failure) and result.partial is not None:
        return _answers.invalid(
            request, result.partial, f"it broke off or cannot be read ({type(result.error).__name__})"
        )
    if isinstance(result, Failure):
        timed_out = isinstance(result.error, TimeoutError) or "Timeout" in type(result.error).__name__
        kind = APITimeoutError if timed_out else APIConnectionError
        said = shorten(str(result.error))
        error = kind(
            f"{request.about}: no answer{tries}: {type(result.error).__name__}" + (f": {said}" if said else ""),
            operation=request.operation,
            endpoint_id=request.endpoint_id,
            job_id=request.job_id,
        )
        error.__cause__ = result.error  # for on_retry too, which gets it before it is raised
        return error
    if 300 <= result.status < 400:
        where = shorten(result.cut(_place(result.headers.get("location", "nowhere"))))
        return _answers.invalid(request, result, f"a redirect to {where}, which is not followed; check base_url")
    words = _words(result)
    said = shorten(result.cut(words[:_READ]))
    status_error = _BY_STATUS.get(result.status) or (InternalServerError if result.status >= 500 else APIStatusError)
    if result.status == 400 and "exceeded max body size" in words:
        status_error = PayloadTooLargeError
    return status_error(
        f"{request.about}: HTTP {result.status}{tries}"
        + (f": {said}" if said else "")
        + (f"; retry after {asked_wait:.1f} s" if asked_wait is not None else "")
        + (_not_found(request) if result.status == 404 else _ADVICE.get(result.status, "")),
        operation=request.operation,
        endpoint_id=request.endpoint_id,
        job_id=request.job_id,
        status_code=result.status,
        headers=result.told_headers(),
        body=_answers.text_of(result),
    )


_ADVICE = {
    401: "; check the API key",
    402: "; the account has no credit",
    403: "; the key may not use this endpoint",
}


def _not_found(request: Request) -> str:
    """Return what a 404 may mean: about a job or a batch, an endpoint's id, or a URL in its place."""
    if request.job_id:
        return (
            "; the job has expired (results are kept for 30 minutes, those of run_sync for 1), or its id is of another "
            "endpoint"
        )
    if request.batch_id:
        return "; no such batch on this endpoint: check both ids"
    if "://" in request.endpoint_id:
        return "; nothing is there: check the URL, which ends where /run begins"
    # runpodctl README: a new endpoint may answer 404 until it is known everywhere.
    return (
        "; no such endpoint, or a new one that is not known everywhere yet: check its id, and base_url, which ends in "
        "/v2. A server of one endpoint (a pod, --rp_serve_api) is client.endpoint(url=…)"
    )


def cause_of(result: Result) -> BaseException | None:
    """Return the transport's error, to raise ours from."""
    return result.error if isinstance(result, Failure) else None


# How many of its characters are looked through for quotes; more than are shown.
_READ = 1000


def _place(url: str) -> str:
    """Return a URL without what may be a secret in it."""
    return re.sub(r"[?#].*", "?…", re.sub(r"//[^/?#]*@", "//***@", url), flags=re.DOTALL)


def _words(answer: Answer) -> str:
    """Return what an error answer says, in one line: both JSON shapes of the service, or nothing for a page."""
    try:
        data = json.loads(answer.body[: 64 * 1024])
    except (ValueError, RecursionError):
        return ""
    if not isinstance(data, dict):
        return ""
    facts = cast("dict[str, Any]", data)
    words = [facts.get("error") or facts.get("title"), facts.get("detail")]
    return " ".join(": ".join(word for word in words if isinstance(word, str)).split())
