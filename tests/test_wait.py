"""Waiting for a job: until when, how often, and what it survives."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod_sdk import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    InternalServerError,
    JobExpiredError,
    JobFailedError,
    JobState,
    JobStatus,
    NotFoundError,
    PollPolicy,
    RunpodError,
    WaitTimeoutError,
)
from runpod_sdk._flows._holds import FIRST_HOLD, QUIET, REMEMBERED, Path
from runpod_sdk._flows._jobs import YOUNG, JobRef, Life
from runpod_sdk._flows._wait import checked_abandon, look, output, wait
from runpod_sdk._values._policies import GRACE
from tests.flows import After, Play, Script, answer, failure, job, play, settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_sdk._flows._exchange import Settings
    from runpod_sdk._values._outcomes import Result
    from runpod_sdk._values._requests import Request
    from runpod_sdk.clock import VirtualClock
    from tests.flows import Given

FROM_ELSEWHERE = JobRef("abc", "j1")
RUNNING: Result = job("IN_PROGRESS")
DONE: Result = job("COMPLETED", output=1)
GONE: Result = answer(404, {"error": "job not found"})


TROUBLES: list[Result] = [
    failure("ConnectError"),
    answer(503),
    failure("ReadTimeout"),
    answer(429),
    answer(520),
    answer(500),
]


def ours(born: float = 0.0, ttl: float | None = None) -> JobRef:
    return JobRef("abc", "j1", Life(born, ttl), is_ours=True)


def waited(
    script: Script,
    *,
    timeout: float | None = None,
    ref: JobRef = FROM_ELSEWHERE,
    watched: bool = False,
    seen: JobState | None = None,
    on: Settings | None = None,
) -> Play[JobState]:
    if on is None:
        on = settings()
        on.holds.path.bore(90)  # the way to the service is known
    flow = wait(on, ref, on.deadline(timeout), watched=watched, once=timeout == 0, seen=seen)
    return play(on, flow, script)


def held(result: Result = RUNNING, seconds: float = 90) -> After:
    return After(seconds, result)


# One held request.


def test_a_wait_is_one_held_request() -> None:
    done = waited([held(DONE, 30)])
    assert (done.value.output, done.ended_at, done.slept) == (1, 30, [])
    assert done.sent[0].path.reveal() == "/abc/status-sync/j1?wait=90000"


def test_a_long_wait_is_a_request_for_each_hold() -> None:
    done = waited([held()] * 39 + [held(DONE)])
    assert (len(done.sent), done.slept, done.ended_at) == (40, [], 3600)


@pytest.mark.parametrize("status", ["COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"])
def test_every_final_status_ends_a_wait(status: str) -> None:
    assert waited([job(status)]).value.status == status


@pytest.mark.parametrize("status", ["IN_QUEUE", "IN_PROGRESS", "RUNNING", "ON_HOLD"])
def test_no_other_word_ends_it(status: str) -> None:
    assert waited([held(job(status)), DONE]).value.status == "COMPLETED"


# The deadline.


def test_a_hold_is_no_longer_than_what_is_left() -> None:
    done = waited([held(RUNNING, 90), held(RUNNING, 10)], timeout=100)
    assert [request.hold for request in done.sent] == [90, 10]
    assert done.ended_at == 100
    error = done.raised(WaitTimeoutError)
    assert str(error) == 'job j1 on endpoint "abc" had not ended when the timeout passed; last seen IN_PROGRESS'
    assert error.state is not None
    assert (error.state.status, error.job_id, error.endpoint_id) == ("IN_PROGRESS", "j1", "abc")


def test_less_than_the_least_hold_is_not_asked_for() -> None:
    done = waited([RUNNING, RUNNING, RUNNING], timeout=0.5)
    assert set(done.operations) == {"status"}
    assert done.ended_at == 0.5
    done.raised(WaitTimeoutError)


def test_a_poll_before_the_deadline_is_followed_by_one_at_the_deadline() -> None:
    assert waited([RUNNING, RUNNING, DONE], timeout=0.5).value.output == 1
    unread = answer(200, b"<html>")
    done = waited([RUNNING, unread, unread], timeout=0.5)
    assert done.ended_at == 0.5
    assert isinstance(done.raised(WaitTimeoutError).__cause__, APIResponseValidationError)


def test_a_timeout_of_zero_asks_once() -> None:
    done = waited([RUNNING], timeout=0)
    assert (done.operations, sum(done.slept)) == (["status"], 0)
    done.raised(WaitTimeoutError)
    assert waited([DONE], timeout=0).value.output == 1


@pytest.mark.parametrize("result", [failure("ConnectError"), failure("ReadTimeout"), answer(503), answer(429)])
def test_a_timeout_of_zero_does_not_ask_twice(result: Result) -> None:
    done = waited([result], timeout=0)
    assert done.raised(WaitTimeoutError).state is None


@pytest.mark.parametrize(("result", "kind"), [(GONE, NotFoundError), (answer(401), AuthenticationError)])
def test_a_timeout_of_zero_does_not_hide_what_the_service_said(result: Result, kind: type[APIError]) -> None:
    waited([result], timeout=0).raised(kind)


def test_an_answer_on_its_way_at_the_deadline_is_still_read() -> None:
    done = waited([held(DONE, 12)], timeout=10)
    assert (done.value.output, done.ended_at) == (1, 12)


def test_what_is_known_already_counts_when_time_is_up() -> None:
    seen = JobState(id="j1", endpoint_id="abc", status=JobStatus.IN_QUEUE)
    done = waited([], timeout=0, seen=seen)
    assert done.raised(WaitTimeoutError).state is seen


# One last look.


@pytest.mark.parametrize("timeout", [5, 60, 85])
@pytest.mark.parametrize("known", [True, False])
def test_what_a_stalled_look_did_not_tell_a_plain_one_does_inside_the_grace(timeout: float, *, known: bool) -> None:
    on = settings()
    on.holds.path.bore(90 if known else 0)
    stalled = iter([After(1000, DONE)])
    done = waited(lambda request: next(stalled, DONE) if request.hold else DONE, timeout=timeout, on=on)
    assert (done.value.output, done.operations) == (1, ["status-sync", "status"])
    assert done.ended_at <= timeout + GRACE


@pytest.mark.parametrize("trouble", [failure("ReadTimeout"), answer(503), answer(429), answer(200, b"<html>")])
@pytest.mark.parametrize("seconds", [0, 4, 11, 1000])
def test_it_is_made_whatever_kept_the_others_from_the_deadline(trouble: Result, seconds: float) -> None:
    for last, kind in ((DONE, None), (RUNNING, WaitTimeoutError), (trouble, WaitTimeoutError)):
        on = settings()
        done = waited(_until(on, 10, After(seconds, trouble), last), timeout=10, on=on)
        if isinstance(done.error, APIResponseValidationError):
            assert trouble == answer(200, b"<html>"), "which ends a wait that has seen nothing yet"
            continue
        assert done.error is None if kind is None else type(done.error) is kind
        assert done.sent_at[-1] >= 10
        assert sum(at >= 10 for at in done.sent_at) == 1
        assert done.ended_at <= 10 + GRACE


def _until(on: Settings, moment: float, before: After, last: Result) -> Callable[[Request], Given]:
    return lambda _: before if on.now() < moment else last


def test_both_looks_have_half_of_the_grace() -> None:
    done = waited(lambda _: After(1000, DONE), timeout=20)
    assert done.timeouts == [22.5, 2.5]
    assert done.ended_at == 25
    done.raised(WaitTimeoutError)


def test_an_answer_at_the_deadline_needs_no_second_look() -> None:
    assert waited([held(RUNNING, 10)], timeout=10).operations == ["status-sync"]


@pytest.mark.parametrize("stopped", [600.0, 86400.0])
@pytest.mark.parametrize("came", [RUNNING, failure("ReadTimeout")])
def test_a_process_that_was_stopped_beyond_its_deadline_looks_once_more(stopped: float, came: Result) -> None:
    on = settings()

    def given_(request: Request) -> Result:
        if not request.hold:
            return DONE
        cast("VirtualClock", on.clock).advance(stopped)  # and its answer of before is read only now
        return came

    done = waited(given_, timeout=60, on=on)
    assert (done.value.output, done.operations) == (1, ["status-sync", "status"])
    assert done.timeouts[-1] == 2.5


def test_a_timeout_of_zero_has_the_whole_grace_for_its_one_look() -> None:
    assert waited([DONE], timeout=0).timeouts == [5.0]


# Holds, as the way to the service bears them.


def test_the_first_hold_of_a_client_is_short_and_the_next_ones_grow() -> None:
    on = settings(poll=PollPolicy(hold=300))
    flow = wait(on, FROM_ELSEWHERE, on.deadline(None), watched=False)
    looks = iter(range(8))
    done = play(on, flow, lambda request: After(request.hold, RUNNING) if next(looks) < 7 else DONE)
    assert [request.hold for request in done.sent] == [30, 60, 120, 240, 300, 300, 300, 300]
    again = play(on, wait(on, FROM_ELSEWHERE, on.deadline(None), watched=False), [DONE])
    assert again.sent[0].hold == 300, "what one wait has learned, the next one knows"


def test_a_way_that_drops_quiet_connections_is_found_out_once() -> None:
    on = settings()

    def given_(request: Request) -> After:
        quiet = request.hold if request.hold <= 50 else 1000  # a NAT that forgets after 50 s
        return After(quiet, RUNNING if on.now() < 500 else DONE)

    done = play(on, wait(on, FROM_ELSEWHERE, on.deadline(None), watched=False), given_)
    holds = [request.hold for request in done.sent if request.hold]
    assert holds[:3] == [30, 60, 30]
    assert set(holds[3:]) == {30}


@given(st.lists(st.tuples(st.floats(0, 400), st.booleans(), st.floats(0, 900))))
def test_a_hold_is_never_more_than_twice_what_was_borne_nor_what_was_not(
    history: list[tuple[float, bool, float]],
) -> None:
    path, now, borne = Path(), 0.0, 0.0
    for seconds, is_good, passed in history:
        now += passed
        if is_good:
            path.bore(seconds)
            borne = max(borne, seconds)
        else:
            path.broke(seconds, now)
            if seconds >= QUIET:
                assert path.longest(now) <= max(1.0, seconds)
        assert 1.0 <= path.longest(now) <= max(FIRST_HOLD, 2 * borne)
    assert path.longest(now + REMEMBERED + 1) >= FIRST_HOLD  # and not a rounding error before


# Outages, storms and refusals.


def test_a_wait_survives_what_passes() -> None:
    assert waited([*TROUBLES, held(), *TROUBLES, DONE]).value.output == 1


def test_a_wait_gives_up_when_the_service_stays_silent() -> None:
    done = waited(lambda _: failure("ConnectError", "refused"), on=settings(poll=PollPolicy(outage=60)))
    assert 60 <= done.ended_at < 70
    assert "refused" in str(done.raised(APIConnectionError))
    done = waited(lambda _: After(50, answer(503)), on=settings(poll=PollPolicy(outage=60)))
    assert done.raised(InternalServerError).status_code == 503


def test_each_answer_begins_a_new_budget_for_outages() -> None:
    outage = [After(25, failure("ReadTimeout"))] * 2
    done = waited([*outage, RUNNING, *outage, RUNNING, *outage, DONE], on=settings(poll=PollPolicy(outage=60)))
    assert done.value.output == 1


def test_a_held_request_that_was_quiet_and_failed_is_followed_by_a_plain_one_and_a_shorter_hold() -> None:
    stalled = After(200, DONE)
    done = waited([stalled, RUNNING, stalled, RUNNING, held(DONE, 1)])
    assert [request.path.reveal().partition("/abc/")[2] for request in done.sent] == [
        "status-sync/j1?wait=90000",
        "status/j1",
        "status-sync/j1?wait=45000",
        "status/j1",
        "status-sync/j1?wait=22500",
    ]


@pytest.mark.parametrize("result", [failure("ReadTimeout"), answer(503), answer(521), failure("ConnectError")])
def test_one_that_failed_at_once_says_nothing_of_how_long_the_way_bears_silence(result: Result) -> None:
    done = waited([result, RUNNING, held(DONE, 1)])
    assert [request.hold for request in done.sent] == [90, 0, 90]


def test_the_deadline_ends_an_outage() -> None:
    done = waited(lambda _: failure("ConnectError"), timeout=20)
    assert done.ended_at == 20
    assert isinstance(done.raised(WaitTimeoutError).__cause__, APIConnectionError)


def test_a_storm_of_429_is_waited_out() -> None:
    done = waited([answer(429, retry_after="30")] * 20 + [DONE])
    assert (done.value.output, done.slept) == (1, [30.0] * 20)


@pytest.mark.parametrize(("status", "kind"), [(401, AuthenticationError), (404, NotFoundError)])
def test_a_refusal_of_the_look_itself_ends_the_wait(status: int, kind: type[APIError]) -> None:
    waited(lambda _: answer(status)).raised(kind)


def test_an_answer_that_cannot_be_read_ends_a_wait_that_has_seen_nothing_yet() -> None:
    waited([answer(200, b"<html>login</html>")]).raised(APIResponseValidationError)


def test_an_answer_that_cannot_be_read_is_borne_once_the_job_has_been_seen() -> None:
    assert waited([held(), answer(200, b"<html>"), answer(200, b""), DONE]).value.output == 1
    done = waited([held(seconds=30), *[answer(200, b"<html>")] * 100], on=settings(poll=PollPolicy(outage=60)))
    done.raised(APIResponseValidationError)
    assert 90 <= done.ended_at <= 100


def test_an_answer_that_cannot_be_read_is_borne_of_a_job_that_was_submitted_here() -> None:
    """The submit was answered, so the address is right: a login page in between will pass."""
    assert waited([answer(200, b"<html>login</html>"), answer(200, b""), DONE], ref=ours()).value.output == 1
    waited([answer(200, b"<html>login</html>")], ref=ours(), timeout=0).raised(WaitTimeoutError)


# Where the service does not hold.


@pytest.mark.parametrize("status", [400, 404, 405, 501])
def test_without_status_sync_it_polls_more_and_more_rarely(status: int) -> None:
    looks = iter([*[RUNNING] * 30, DONE])
    done = waited(lambda request: answer(status) if request.operation == "status-sync" else next(looks))
    assert done.value.output == 1
    assert done.operations.count("status-sync") <= 2  # the first may have been about the job
    assert done.slept[0] == 0.25
    assert done.slept == sorted(done.slept)
    assert done.slept[-1] == 5.0


@pytest.mark.parametrize("watched", [False, True])
def test_a_service_that_answers_held_requests_at_once_is_not_stormed(*, watched: bool) -> None:
    done = waited(lambda _: RUNNING, timeout=600, watched=watched)
    assert done.ended_at == 600
    assert len(done.sent) < 140


def test_answers_before_half_of_the_hold_count_as_not_held() -> None:
    done = waited([held(RUNNING, 44), held(RUNNING, 46), held(RUNNING, 44), DONE])
    assert done.slept == [0.25, 0.375]


# A 404 that may be too early, or too late.


def test_a_404_right_after_the_submit_is_not_believed() -> None:
    done = waited([GONE, GONE, GONE, DONE], ref=ours())
    assert done.value.output == 1
    assert done.ended_at < 1


def test_once_the_job_is_no_longer_young_it_is() -> None:
    done = waited(lambda _: GONE, ref=ours())
    error = done.raised(JobExpiredError)
    assert YOUNG <= done.ended_at < YOUNG + 2
    assert "the service no longer knows job j1" in str(error)
    assert "31 s after it was submitted" in str(error)


def test_a_job_from_elsewhere_is_simply_not_found() -> None:
    done = waited(lambda _: GONE)
    assert done.ended_at == 0
    assert done.raised(NotFoundError).job_id == "j1"


def test_a_404_after_the_job_was_seen_is_its_expiry() -> None:
    done = waited([held(), GONE, GONE])
    error = done.raised(JobExpiredError)
    assert error.state is not None
    assert error.state.status == "IN_PROGRESS"


def test_what_the_submit_said_is_no_look_that_makes_a_404_believable() -> None:
    seen = JobState(id="j1", endpoint_id="abc", status=JobStatus.IN_QUEUE)
    done = waited([GONE, GONE, DONE], ref=ours(), seen=seen)
    assert done.value.output == 1


def test_an_early_404_does_not_end_holding_for_good() -> None:
    done = waited([GONE, GONE, RUNNING, held(), held(DONE)], ref=ours())
    assert done.operations == ["status-sync", "status", "status", "status-sync", "status-sync"]


@pytest.mark.parametrize("timeout", [0, 0.1, 2])
def test_a_404_that_is_not_believed_does_not_move_the_deadline(timeout: float) -> None:
    done = waited(lambda _: GONE, timeout=timeout, ref=ours())
    done.raised(WaitTimeoutError)
    assert done.ended_at == timeout
    assert len(done.sent) <= 12


# Updates.


def test_each_change_is_emitted_once() -> None:
    states = [job("IN_QUEUE")] * 3 + [RUNNING] * 2 + [job("IN_PROGRESS", output=n) for n in (1, 1, 2)] + [DONE]
    done = waited([held(state, 1) for state in states], watched=True)
    assert [(state.status, state.progress, state.output) for state in done.emitted] == [
        ("IN_QUEUE", None, None),
        ("IN_PROGRESS", None, None),
        ("IN_PROGRESS", 1, None),
        ("IN_PROGRESS", 2, None),
        ("COMPLETED", None, 1),
    ]


def test_a_running_time_alone_is_no_news() -> None:
    states = [job("IN_PROGRESS", executionTime=n) for n in range(5)] + [DONE]
    assert len(waited([held(state, 5) for state in states], watched=True).emitted) == 2


def test_what_is_seen_already_is_not_emitted_again() -> None:
    seen = JobState(id="j1", endpoint_id="abc", status=JobStatus.IN_PROGRESS)
    done = waited([held(RUNNING, 5), DONE], watched=True, seen=seen)
    assert [state.status for state in done.emitted] == ["COMPLETED"]


def test_nothing_is_emitted_where_nobody_watches() -> None:
    assert waited([held(), DONE]).emitted == []


def test_a_watched_job_is_looked_at_after_a_second_at_first_and_every_five_later() -> None:
    done = waited([held(RUNNING, 5)] * 10 + [DONE], watched=True)
    holds = [request.hold for request in done.sent]
    assert holds[:3] == [1.0, 1.5, 2.25]
    assert holds[-1] == 5.0


# Whatever happens.

RESULTS = st.one_of(
    st.integers(400, 599).map(answer),
    st.sampled_from([RUNNING, job("IN_QUEUE"), DONE, job("FAILED"), job("ON_HOLD"), job("COMPLETED", "j2")]),
    st.sampled_from(["ReadTimeout", "ConnectError", "RemoteProtocolError"]).map(failure),
    st.integers(0, 100).map(lambda seconds: answer(429, retry_after=str(seconds))),
    st.binary(max_size=5).map(lambda body: answer(200, body)),
)
MOMENTS = st.tuples(st.floats(0, 100), RESULTS).map(lambda pair: After(*pair))


@given(
    script=st.lists(MOMENTS, max_size=30),
    timeout=st.none() | st.floats(0, 500),
    ref=st.sampled_from([FROM_ELSEWHERE, ours()]),
    random=st.floats(0, 0.999),
    watched=st.booleans(),
)
def test_a_wait_ends_with_the_job_an_error_of_ours_or_its_deadline(
    script: list[After], timeout: float | None, ref: JobRef, random: float, *, watched: bool
) -> None:
    done = waited(
        [*script, *[job("COMPLETED")] * 3], timeout=timeout, ref=ref, watched=watched, on=settings(random=random)
    )
    if timeout is not None:
        assert done.ended_at <= timeout + GRACE + 1e-6
    if done.error is None:
        assert done.value.is_final
    else:
        assert isinstance(done.error, RunpodError)
    for one, two in zip(done.emitted, done.emitted[1:], strict=False):
        assert one != two


# The rest of the room.


def test_a_look_is_one_request_with_retries() -> None:
    on = settings()
    done = play(on, look(on, FROM_ELSEWHERE), [answer(503), RUNNING])
    assert (done.operations, done.value.status) == (["status", "status"], "IN_PROGRESS")


@pytest.mark.parametrize(
    ("result", "kind"),
    [(answer(400), BadRequestError), (failure("ReadTimeout"), APITimeoutError), (GONE, NotFoundError)],
)
def test_a_look_raises_what_there_is(result: Result, kind: type[APIError]) -> None:
    on = settings()
    play(on, look(on, FROM_ELSEWHERE), lambda _: result).raised(kind)


def test_a_look_does_not_believe_a_404_right_after_the_submit() -> None:
    on = settings()
    assert play(on, look(on, ours()), [GONE, GONE, RUNNING]).value.status == "IN_PROGRESS"


def test_a_look_at_a_job_of_ours_that_is_gone_is_its_expiry() -> None:
    on = settings()
    done = play(on, look(on, ours()), lambda _: GONE)
    done.raised(JobExpiredError)
    assert YOUNG <= done.ended_at < YOUNG + 2


def test_the_ttl_is_set_with_the_look() -> None:
    on = settings()
    assert play(on, look(on, FROM_ELSEWHERE, ttl=60), [RUNNING]).sent[0].path.reveal() == "/abc/status/j1?ttl=60000"


def test_an_output_is_of_a_completed_job() -> None:
    state = JobState(id="j1", endpoint_id="abc", status=JobStatus.FAILED, error="e")
    with pytest.raises(JobFailedError) as caught:
        output(state)
    assert caught.value.state is state
    good = JobState(id="j1", endpoint_id="abc", status=JobStatus.COMPLETED)
    assert output(good) is good


def test_what_becomes_of_an_abandoned_job_has_two_words() -> None:
    assert checked_abandon("cancel") == "cancel"
    with pytest.raises(ValueError, match='on_abandon=\'forget\': "cancel" or "detach" expected'):
        checked_abandon("forget")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
