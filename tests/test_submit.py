"""Submits: never sent again once they may have arrived; and how retry and cancel settle what is unclear."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import runpod_sdk._flows._api as api
from runpod_sdk import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    InternalServerError,
    JobFailedError,
    JobState,
    JobStatus,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    Retry,
    RetryPolicy,
    SubmissionUnknownError,
)
from runpod_sdk._flows._control import cancel, end_instead, retry
from runpod_sdk._flows._jobs import JobRef, timed_out
from runpod_sdk._flows._submit import left_behind, submit
from runpod_sdk._values._outcomes import Answer, BodyTooLargeError, Failure, Outcome, Result, outcome_of
from tests.flows import After, Play, Script, answer, failure, job, play, settings

if TYPE_CHECKING:
    from runpod_sdk._flows._exchange import Settings
    from runpod_sdk._values._requests import OnUnknown

SECRET = {"prompt": "hunter2"}
RUN = api.run("abc", SECRET, {})
RUNSYNC = api.run_sync("abc", SECRET, {})


def submitted(
    script: Script,
    *,
    on: Settings | None = None,
    on_unknown: OnUnknown = "raise",
    timeout: float | None = None,
    request: Any = RUN,
) -> Play[JobState]:
    on = on or settings()
    return play(on, submit(on, request, on.deadline(timeout), on_unknown), script)


WHY = "Invalid parameter: width must be divisible by 64"
PUBLIC = {"id": "sync-a1-u1", "status": "FAILED", "error": WHY, "cost": 0}


@pytest.mark.parametrize("request_", [RUN, RUNSYNC])
def test_a_refusal_that_describes_a_failed_job_is_the_error_of_that_job(request_: Any) -> None:
    played = submitted([answer(400, PUBLIC)], request=request_)
    assert len(played.sent) == 1
    error = played.raised(JobFailedError)
    assert (error.job_id, error.endpoint_id) == ("sync-a1-u1", "abc")
    assert error.error_message == WHY
    assert error.state is not None
    assert error.state.raw == PUBLIC
    assert isinstance(error.__cause__, BadRequestError)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": "wait is invalid"}),
        (400, {"status": 400, "title": "Bad Request", "detail": "no"}),
        (400, {**PUBLIC, "id": "../x"}),
        (400, {**PUBLIC, "status": "IN_QUEUE"}),
        (400, {**PUBLIC, "status": "COMPLETED"}),
        (400, [PUBLIC]),
        (404, PUBLIC),
        (401, PUBLIC),
    ],
)
def test_any_other_refusal_is_the_services(status: int, body: Any) -> None:
    assert isinstance(submitted([answer(status, body)]).error, APIError)


def test_a_submit_returns_what_the_service_said() -> None:
    state = submitted([job("IN_QUEUE")]).value
    assert (state.id, state.status, state.endpoint_id) == ("j1", "IN_QUEUE", "abc")


UNKNOWN = [
    *(answer(status) for status in (408, 500, 501, 502, 503, 504, 520, 522, 524)),
    *(failure(name) for name in ("ReadTimeout", "ReadError", "WriteError", "RemoteProtocolError", "DecodingError")),
    Failure(BodyTooLargeError()),
    Failure(ConnectionResetError()),
    answer(200, b"<html>"),
    answer(200, {}),
    answer(200, {"status": "IN_QUEUE"}),
    answer(200, {"id": None, "status": "IN_QUEUE"}),
    answer(200, {"id": 5, "status": "IN_QUEUE"}),
    answer(200, {"id": "", "status": "IN_QUEUE"}),
    answer(200, {"status": 404, "title": "Not Found"}),
    answer(204, b""),
]


@pytest.mark.parametrize("request_", [RUN, RUNSYNC], ids=["run", "runsync"])
@pytest.mark.parametrize("result", UNKNOWN, ids=repr)
def test_a_submit_that_may_have_arrived_is_never_sent_again(result: Result, request_: Any) -> None:
    done = submitted([result], request=request_)
    error = done.raised(SubmissionUnknownError)
    assert not isinstance(error, APIConnectionError)
    assert error.status_code == (result.status if isinstance(result, Answer) else None)
    assert (error.operation, error.endpoint_id, error.job_id) == (request_.operation, "abc", None)
    assert error.input_sha256 == RUN.input_sha256
    assert error.submitted_at == datetime(2025, 1, 1, tzinfo=UTC)
    assert "hunter2" not in str(error)


def test_an_unknown_submit_says_what_happened_and_what_to_do() -> None:
    error = submitted([failure("ReadTimeout")]).raised(SubmissionUnknownError)
    assert str(error) == (
        'run on endpoint "abc": the outcome is unknown (ReadTimeout): the job may have been queued and may run. '
        "It was not sent again; look for it before you submit it again (sent 2025-01-01T00:00:00Z, "
        f"input sha256 {RUN.input_sha256[:16]}…)"
    )
    assert type(error.__cause__).__name__ == "ReadTimeout"
    assert "(HTTP 502)" in str(submitted([answer(502)]).error)


def test_the_time_of_an_unknown_submit_is_that_of_the_request_that_was_sent() -> None:
    done = submitted([After(20, failure("ConnectTimeout")), After(30, failure("ReadTimeout"))])
    error = done.raised(SubmissionUnknownError)
    assert error.submitted_at == datetime(2025, 1, 1, 0, 0, 20, 250_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("result", "kind"),
    [(answer(400), BadRequestError), (answer(401), AuthenticationError), (answer(404), NotFoundError)],
)
def test_a_refused_submit_is_not_unknown(result: Result, kind: type[APIError]) -> None:
    submitted([result]).raised(kind)


def test_a_submit_that_never_left_is_repeated_and_then_an_ordinary_error() -> None:
    assert submitted([failure("ConnectError"), answer(429), answer(530), job("IN_QUEUE")]).value.id == "j1"
    error = submitted(lambda _: failure("ConnectError")).raised(APIConnectionError)
    assert "after 5 attempts" in str(error)
    submitted(lambda _: answer(429)).raised(RateLimitError)
    submitted(lambda _: failure("ConnectTimeout")).raised(APITimeoutError)


def test_resubmit_sends_it_again_because_the_caller_said_so() -> None:
    done = submitted(
        [failure("ReadTimeout"), answer(502), answer(200, {}), job("IN_QUEUE", "j4")], on_unknown="resubmit"
    )
    assert (done.value.id, done.slept) == ("j4", [0.25, 0.5, 1.0])


def test_resubmit_ends_after_all_attempts_and_says_so() -> None:
    heard: list[Retry] = []
    on = settings(retry=RetryPolicy(attempts=3, on_retry=heard.append))
    done = submitted(lambda _: answer(502), on=on, on_unknown="resubmit")
    assert len(done.sent) == 3
    assert [retry.attempt for retry in heard] == [1, 2]
    assert "It was sent 3 times" in str(done.raised(SubmissionUnknownError))


def test_resubmit_ends_with_the_deadline() -> None:
    done = submitted(lambda _: After(10, answer(502)), on_unknown="resubmit", timeout=25)
    assert (len(done.sent), done.ended_at < 31) == (3, True)
    done.raised(SubmissionUnknownError)


RESULTS = st.one_of(
    st.sampled_from(UNKNOWN),
    st.integers(300, 599).map(answer),
    st.builds(
        failure, st.sampled_from(["ConnectError", "PoolTimeout", "ReadTimeout", "WriteTimeout"]), sent=st.integers(0, 2)
    ),
    st.just(job("IN_QUEUE")),
)


@given(st.lists(RESULTS, min_size=5, max_size=5), st.floats(0, 0.999))
def test_nothing_is_sent_after_an_unknown_outcome_whatever_happens(script: list[Result], random: float) -> None:
    done = submitted(script, on=settings(random=random))
    received = script[: len(done.sent)]
    for result in received[:-1]:
        assert outcome_of(result) in (Outcome.NEVER_SENT, Outcome.BUSY)
    last = outcome_of(received[-1])
    assert (type(done.error) is SubmissionUnknownError) == (
        last is Outcome.UNKNOWN or (last is Outcome.ANSWERED and not done.returned)
    )


# Interruptions: the shell says what came home in time.


def behind(result: Result) -> JobState | SubmissionUnknownError | None:
    return left_behind(settings(), RUN, result, 0.0, KeyboardInterrupt())


@pytest.mark.parametrize("result", [failure("ReadTimeout"), answer(502), answer(200, b"half a")], ids=repr)
def test_an_interrupted_submit_without_an_id_is_recorded(result: Result) -> None:
    record = behind(result)
    assert isinstance(record, SubmissionUnknownError)
    assert record.input_sha256 == RUN.input_sha256


def test_an_interrupted_submit_with_an_id_is_a_job() -> None:
    state = behind(job("IN_QUEUE"))
    assert isinstance(state, JobState)
    assert state.id == "j1"


@pytest.mark.parametrize("result", [failure("ConnectError"), answer(429), answer(401)], ids=repr)
def test_an_interrupted_submit_that_never_arrived_leaves_nothing(result: Result) -> None:
    assert behind(result) is None


# retry


def retried(script: Script) -> Play[JobState]:
    on = settings()
    return play(on, retry(on, JobRef("abc", "j1"), on.deadline(None)), script)


def test_a_retry_returns_the_job_in_the_queue() -> None:
    assert retried([job("IN_QUEUE")]).value.status == "IN_QUEUE"


@pytest.mark.parametrize(
    "result", [answer(502), failure("ReadTimeout"), answer(200, {}), answer(200, {"id": "j2", "status": "IN_QUEUE"})]
)
@pytest.mark.parametrize("status", ["IN_QUEUE", "IN_PROGRESS"])
def test_an_unknown_retry_is_settled_by_one_look(result: Result, status: str) -> None:
    done = retried([result, job(status)])
    assert (done.operations, done.value.status) == (["retry", "status"], status)


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "CANCELLED"])
def test_an_unknown_retry_of_a_job_that_does_not_run_raises_what_happened(status: str) -> None:
    done = retried([failure("ReadTimeout"), job(status)])
    assert done.operations == ["retry", "status"]
    assert type(done.raised(APITimeoutError).__cause__).__name__ == "ReadTimeout"


def test_an_unknown_retry_that_cannot_be_settled_raises_what_happened() -> None:
    done = retried([answer(502), *[answer(503)] * 5])
    assert done.raised(InternalServerError).status_code == 502


def test_a_refused_retry_is_raised() -> None:
    assert retried([answer(400, {"error": "job is COMPLETED"})]).raised(BadRequestError)


def test_a_retry_that_never_left_is_repeated() -> None:
    assert retried([failure("ConnectError"), answer(429), job("IN_QUEUE")]).value.id == "j1"


# cancel

FINAL = ("COMPLETED", "FAILED", "TIMED_OUT", "CANCELLED")


def cancelled(script: Script) -> Play[JobState]:
    on = settings()
    return play(on, cancel(on, JobRef("abc", "j1"), on.deadline(None)), script)


def test_a_cancel_returns_what_the_job_then_is() -> None:
    assert cancelled([job("CANCELLED")]).value.status == "CANCELLED"
    assert cancelled([job("COMPLETED", output=1)]).value.output == 1


def test_a_cancel_that_finds_the_job_completed_brings_its_output() -> None:
    done = cancelled([job("COMPLETED"), job("COMPLETED", output="paid for")])
    assert (done.operations, done.value.output) == (["cancel", "status"], "paid for")
    assert cancelled([job("COMPLETED", output=None)]).operations == ["cancel"], "there is nothing more to be learned"


@pytest.mark.parametrize("result", [answer(404), answer(401), answer(200, b"<html>")])
def test_a_look_for_the_output_that_fails_does_not_fail_the_cancel(result: Result) -> None:
    done = cancelled([job("COMPLETED"), result])
    assert (done.operations, done.value.status, done.value.output) == (["cancel", "status"], "COMPLETED", None)


def test_only_who_still_waits_gets_the_end_instead() -> None:
    states = {status: JobState(id="j1", endpoint_id="abc", status=JobStatus(status)) for status in (*FINAL, "IN_QUEUE")}
    gave_up = timed_out(JobRef("abc", "j1"), None)
    for status in ("COMPLETED", "FAILED", "TIMED_OUT"):
        assert end_instead(gave_up, states[status]) is states[status]
        for stop in (KeyboardInterrupt(), LookupError("a callback's")):
            assert end_instead(stop, states[status]) is None
    for state in (states["CANCELLED"], states["IN_QUEUE"], None):
        assert end_instead(gave_up, state) is None


def test_a_cancel_is_repeated_after_an_unknown_outcome() -> None:
    done = cancelled([failure("ReadTimeout"), answer(502), job("CANCELLED")])
    assert done.operations == ["cancel"] * 3


@pytest.mark.parametrize("status", ["CANCELLED", "COMPLETED", "FAILED", "TIMED_OUT"])
def test_a_refusal_of_a_repeated_cancel_is_settled_by_one_look(status: str) -> None:
    done = cancelled([failure("ReadTimeout"), answer(400), job(status)])
    assert (done.operations, done.value.status) == (["cancel", "cancel", "status"], status)


def test_a_refused_cancel_of_a_job_that_goes_on_is_raised() -> None:
    done = cancelled([failure("ReadTimeout"), answer(403), job("IN_PROGRESS")])
    assert (done.operations, done.raised(PermissionDeniedError).status_code) == (["cancel", "cancel", "status"], 403)


@pytest.mark.parametrize(("status", "kind"), [(401, AuthenticationError), (404, NotFoundError)])
def test_a_first_refusal_of_a_cancel_is_raised(status: int, kind: type[APIError]) -> None:
    done = cancelled([answer(status)])
    done.raised(kind)
    assert done.operations == ["cancel"]
