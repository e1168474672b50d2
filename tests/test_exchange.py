"""One request and its repeats: how often, how long apart, until when; and what the errors say."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

import runpod_sdk._flows._answers as answers
import runpod_sdk._flows._api as api
from runpod_sdk import (
    APIConnectionError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    InternalServerError,
    NotFoundError,
    PayloadTooLargeError,
    PaymentRequiredError,
    PermissionDeniedError,
    PollPolicy,
    RateLimitError,
    Retry,
    RetryPolicy,
)
from runpod_sdk._flows._effects import Sleep
from runpod_sdk._flows._exchange import Refused, Settings, ask, error_from, exchange
from runpod_sdk._flows._pulse import Pulse
from runpod_sdk._values._outcomes import Answer, Outcome, Result
from runpod_sdk._values._policies import GRACE, HELD_PATIENCE
from runpod_sdk.clock import VIRTUAL_EPOCH, VirtualClock
from tests.flows import After, Play, Script, answer, failure, job, play, settings

if TYPE_CHECKING:
    from runpod_sdk._values._operations import OperationName
    from runpod_sdk._values._requests import Request

RUN = api.run("abc", {"x": "hunter2"}, {})
STATUS = api.status("abc", "j1")
HEALTH = api.health("abc")


NO_ENDPOINT = (
    "; no such endpoint, or a new one that is not known everywhere yet: check its id, and base_url, which ends in /v2. "
    "A server of one endpoint (a pod, --rp_serve_api) is client.endpoint(url=…)"
)


def exchanged(
    request: Request,
    script: Script,
    *,
    timeout: float | None = None,
    outage: float | None = None,
    on: Settings | None = None,
) -> Play[tuple[Answer, float]]:
    on = on or settings()
    pulse = None if outage is None else Pulse(PollPolicy(outage=outage))
    return play(on, exchange(on, request, on.deadline(timeout), pulse=pulse), script)


def test_an_answer_is_returned_with_the_time_when_it_was_asked_for() -> None:
    good = job("COMPLETED")
    assert exchanged(STATUS, [After(5, good)]).value == (good, VIRTUAL_EPOCH)
    assert exchanged(STATUS, [answer(503), failure(), answer(429), After(5, good)]).value == (
        good,
        VIRTUAL_EPOCH + 1.75,
    )


def test_a_repeat_waits_longer_each_time() -> None:
    done = exchanged(STATUS, [answer(503)] * 5)
    assert done.slept == [0.25, 0.5, 1.0, 2.0]
    assert done.raised(Refused).attempts == 5


@pytest.mark.parametrize("attempts", [1, 2, 7])
def test_attempts_counts_all_requests(attempts: int) -> None:
    done = exchanged(STATUS, lambda _: failure("ConnectError"), on=settings(retry=RetryPolicy(attempts=attempts)))
    assert len(done.sent) == attempts


@pytest.mark.parametrize("result", [answer(500), answer(502), answer(504), answer(408), failure("ReadTimeout")])
def test_a_submit_is_sent_once_when_it_may_have_arrived(result: Result) -> None:
    done = exchanged(RUN, [result])
    assert done.raised(Refused).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    "result", [answer(429), answer(521), answer(530), failure("ConnectError"), failure("PoolTimeout")]
)
def test_a_submit_that_did_not_arrive_is_repeated(result: Result) -> None:
    good = job("IN_QUEUE")
    done = exchanged(RUN, [result, result, good])
    assert (done.value[0], len(done.sent)) == (good, 3)


@pytest.mark.parametrize("request_", [RUN, STATUS, HEALTH])
@pytest.mark.parametrize("status", [301, 400, 401, 404, 422])
def test_a_refusal_is_not_asked_for_again(request_: Request, status: int) -> None:
    done = exchanged(request_, [answer(status)])
    assert (done.raised(Refused).outcome, done.slept) == (Outcome.REFUSED, [])


def test_a_connect_error_of_a_transport_that_cannot_tell_may_have_been_a_submit() -> None:
    done = exchanged(RUN, [failure("ConnectError", sent=1)])
    assert done.raised(Refused).outcome is Outcome.UNKNOWN


def test_retry_after_is_obeyed_up_to_a_minute() -> None:
    good = job("COMPLETED")
    assert exchanged(STATUS, [answer(429, retry_after="60"), good]).slept == [60.0]
    assert exchanged(STATUS, [answer(429, retry_after="61")]).raised(Refused).outcome is Outcome.BUSY


def test_retry_after_may_be_a_date() -> None:
    done = exchanged(STATUS, [answer(429, retry_after="Wed, 01 Jan 2025 00:00:10 GMT"), job("COMPLETED")])
    assert done.slept == [10.0]


def test_no_sleep_reaches_beyond_the_deadline() -> None:
    done = exchanged(STATUS, [answer(429, retry_after="10")], timeout=10)
    assert (done.slept, done.raised(Refused).outcome) == ([], Outcome.BUSY)


def test_a_request_hardly_reaches_beyond_the_deadline() -> None:
    on = settings(timeout=60, poll=PollPolicy(hold=90))
    held = api.status_sync("abc", "j1", hold=90)
    assert exchanged(held, [job("COMPLETED")], on=on).timeouts == [90 + HELD_PATIENCE]
    assert exchanged(held, [job("COMPLETED")], on=on, timeout=10).timeouts == [10 + GRACE]
    assert exchanged(STATUS, [job("COMPLETED")], on=on).timeouts == [60]


def test_a_submit_that_is_held_has_the_time_of_any_submit() -> None:
    submit = api.run_sync("abc", {}, {})
    assert exchanged(submit, [job("COMPLETED")], on=settings(timeout=60)).timeouts == [61]


def test_an_outage_is_counted_from_the_first_silence() -> None:
    done = exchanged(STATUS, lambda _: After(10, failure("ReadTimeout")), outage=300)
    assert 300 <= done.ended_at < 320
    assert isinstance(done.raised(Refused).error, APITimeoutError)
    assert len(done.sent) > 10


def test_a_sign_of_life_ends_an_outage() -> None:
    silence = [After(60, failure("ReadTimeout"))] * 5
    done = exchanged(STATUS, [*silence, answer(429), *silence, job("COMPLETED")], outage=330)
    assert (done.value[0], len(done.sent)) == (job("COMPLETED"), 12)


@pytest.mark.parametrize(("timeout", "ends"), [(None, 900), (3600, 900), (600, 600)])
def test_a_storm_of_429_ends_after_a_stated_time(timeout: float | None, ends: float) -> None:
    done = exchanged(STATUS, lambda _: answer(429, retry_after="3600"), outage=300, timeout=timeout)
    assert set(done.slept) == {60.0}
    assert done.ended_at == ends
    assert isinstance(done.raised(Refused).error, RateLimitError)


def test_a_held_look_is_made_once() -> None:
    for result in (answer(429), answer(503), answer(521), failure("ConnectError")):
        done = exchanged(api.status_sync("abc", "j1", hold=90), [result], outage=300)
        assert (done.raised(Refused).attempts, done.slept) == (1, [])


def test_a_status_of_no_such_route_does_not_wait_for_the_end_of_an_outage() -> None:
    done = exchanged(api.status_sync("abc", "j1", hold=90), [answer(501)], outage=300)
    assert (done.raised(Refused).outcome, done.slept) == (Outcome.UNKNOWN, [])


RESULTS = st.one_of(
    st.integers(400, 599).map(answer),
    st.sampled_from(["ReadTimeout", "ConnectError", "PoolTimeout", "ReadError"]).map(failure),
    st.integers(0, 10_000).map(lambda seconds: answer(429, retry_after=str(seconds))),
)
MOMENTS = st.tuples(st.floats(0, 30), RESULTS).map(lambda pair: After(*pair))
REQUESTS = st.sampled_from(
    [RUN, STATUS, HEALTH, api.cancel("abc", "j1"), api.purge_queue("abc"), api.stream("abc", "j1", hold=10)]
)


@given(REQUESTS, st.lists(MOMENTS, min_size=5, max_size=5), st.floats(0, 100), st.floats(0, 0.999), st.integers(1, 5))
def test_attempts_and_deadline_hold_whatever_happens(
    request_: Request, script: list[After], timeout: float, random: float, attempts: int
) -> None:
    done = exchanged(
        request_, script, timeout=timeout, on=settings(random=random, retry=RetryPolicy(attempts=attempts))
    )
    assert len(done.sent) <= attempts
    assert done.ended_at <= timeout + GRACE + 1e-6
    for after in done.slept:
        assert after <= 60
    assert isinstance(done.raised(Refused).error, APIConnectionError | APIStatusError | APIResponseValidationError)


@given(st.lists(MOMENTS, max_size=40), st.floats(0, 1000), st.floats(0, 400), st.floats(0, 0.999))
def test_a_look_ends_with_its_deadline_or_an_outage_whatever_happens(
    script: list[After], timeout: float, outage: float, random: float
) -> None:
    done = exchanged(STATUS, [*script, job("COMPLETED")], timeout=timeout, outage=outage, on=settings(random=random))
    assert done.ended_at <= timeout + GRACE + 1e-6
    assert done.error is None or isinstance(done.error, Refused)


def test_on_retry_hears_of_each_repeat_before_its_wait() -> None:
    heard: list[Retry] = []
    on = settings(retry=RetryPolicy(on_retry=heard.append))
    exchanged(STATUS, [answer(429, retry_after="3"), failure("ReadTimeout"), job("COMPLETED")], on=on)
    assert [(retry.operation, retry.endpoint_id, retry.job_id, retry.attempt) for retry in heard] == [
        ("status", "abc", "j1", 1),
        ("status", "abc", "j1", 2),
    ]
    assert [retry.wait for retry in heard] == [3.0, 0.5]
    assert type(heard[0].error) is RateLimitError
    assert type(heard[1].error.__cause__).__name__ == "ReadTimeout"


def test_on_retry_hears_nothing_of_the_last_attempt() -> None:
    heard: list[Retry] = []
    exchanged(STATUS, [answer(500)], on=settings(retry=RetryPolicy(attempts=1, on_retry=heard.append)))
    assert heard == []


def test_what_on_retry_raises_ends_the_call() -> None:
    def refuse(retry: Retry) -> None:
        raise InterruptedError(retry.operation)

    with pytest.raises(InterruptedError, match="status"):
        exchanged(STATUS, [answer(500)], on=settings(retry=RetryPolicy(on_retry=refuse)))


# Pace: what is slowed down, and what comes too late.


def paced(rate: int, taken: int = 0, operation: OperationName = "run") -> Settings:
    """Return settings by which so many requests a second may be sent, after those that have taken a place."""
    on = settings(limits="react")
    for _ in range(2 * rate):
        on.limiter.turn("abc", operation, 0.0)
    on.limiter.learn("abc", operation, 0.0, 0.0, status=429)
    for _ in range(taken):
        on.limiter.turn("abc", operation, 0.0)
    return on


def test_a_request_waits_for_its_turn() -> None:
    done = exchanged(RUN, [job("IN_QUEUE")], on=paced(2, taken=7), timeout=10)
    assert (sum(done.slept), done.sent_at) == (3.5, [3.5])


@pytest.mark.parametrize("timeout", [3.5, 2, 0.5, 0])
def test_a_request_whose_turn_comes_too_late_is_not_sent(timeout: float) -> None:
    on = paced(2, taken=7)
    refused = exchanged(RUN, [], on=on, timeout=timeout).raised(Refused)
    assert (refused.outcome, refused.attempts) == (Outcome.NEVER_SENT, 0)
    assert type(refused.error) is APITimeoutError
    assert str(refused.error) == (
        'run on endpoint "abc": not sent: requests are paced, and its turn would come in 3.5 s, after the timeout'
    )
    assert on.now() == 0, "there is nothing to wait for"
    assert exchanged(RUN, [job("IN_QUEUE")], on=on, timeout=10).sent_at == [3.5], "its place was not taken"


def test_a_repeat_whose_turn_comes_too_late_is_not_sent_and_says_what_was_answered() -> None:
    done = exchanged(RUN, [answer(429)], on=paced(2, taken=7), timeout=3.8)
    refused = done.raised(Refused)
    assert (type(refused.error), refused.attempts, done.sent_at) == (RateLimitError, 1, [3.5])


def test_documented_rates_are_kept_by_requests() -> None:
    on = settings(limits="documented")
    cancel = api.cancel("abc", "j1")
    sent = [exchanged(cancel, [job("CANCELLED")], on=on).sent_at[0] for _ in range(40)]
    assert sent[:20] == [0.0] * 20
    assert sent[-1] == pytest.approx(2.0)


def test_a_look_of_a_wait_stays_in_line_until_its_deadline() -> None:
    on, pulse = paced(2, taken=100, operation="status"), Pulse(PollPolicy())
    done = play(on, exchange(on, STATUS, on.deadline(20), pulse=pulse), [])
    assert (done.raised(Refused).attempts, done.ended_at, done.sent) == (0, 20, [])
    assert pulse.silent_since is None, "nothing was asked, so nobody was silent"


def test_it_has_its_turn_as_soon_as_the_pace_allows() -> None:
    on = paced(2, taken=30, operation="status")  # 15 s
    done = play(on, exchange(on, STATUS, on.deadline(16), pulse=Pulse(PollPolicy())), [job("COMPLETED")])
    assert done.sent_at == [15.0]
    on = paced(2, taken=30, operation="status")
    for _ in range(100):
        on.limiter.learn("abc", "status", 1.0, 1.0, status=200)
    done = play(on, exchange(on, STATUS, on.deadline(10), pulse=Pulse(PollPolicy())), [job("COMPLETED")])
    assert done.sent_at[0] < 3, "others are served: the line moves faster"


def test_a_place_is_given_back_when_the_pace_is_slowed_down_meanwhile() -> None:
    on = paced(2, taken=7)  # it would be sent at 3.5 s
    flow = exchange(on, RUN, on.deadline(4))
    assert isinstance(next(flow), Sleep)
    cast("VirtualClock", on.clock).advance(2)
    on.limiter.learn("abc", "run", 2.0, 2.0, status=429)  # at 5 s
    refused = play(on, flow, []).raised(Refused)
    assert (refused.attempts, refused.outcome, on.now()) == (0, Outcome.NEVER_SENT, 4.0)
    assert on.limiter.turn("abc", "run", 4.0).seconds == pytest.approx(1.0)


def test_a_place_is_given_back_when_the_call_ends() -> None:
    on = paced(2, taken=7)
    flow = exchange(on, RUN, on.deadline(None))
    assert isinstance(next(flow), Sleep)
    flow.close()
    assert on.limiter.turn("abc", "run", 0.0).seconds == 3.5


def test_a_held_look_does_not_stay_in_line_as_a_plain_one_can_be_made() -> None:
    on = paced(2, taken=100, operation="status-sync")
    held = api.status_sync("abc", "j1", hold=90)
    done = play(on, exchange(on, held, on.deadline(None), pulse=Pulse(PollPolicy())), [])
    assert (done.raised(Refused).attempts, done.ended_at) == (0, 0)


# What the errors say.


@pytest.mark.parametrize(
    ("status", "kind", "message"),
    [
        (400, BadRequestError, 'run on endpoint "abc": HTTP 400'),
        (401, AuthenticationError, 'run on endpoint "abc": HTTP 401; check the API key'),
        (402, PaymentRequiredError, 'run on endpoint "abc": HTTP 402; the account has no credit'),
        (403, PermissionDeniedError, 'run on endpoint "abc": HTTP 403; the key may not use this endpoint'),
        (404, NotFoundError, f'run on endpoint "abc": HTTP 404{NO_ENDPOINT}'),
        (413, PayloadTooLargeError, 'run on endpoint "abc": HTTP 413'),
        (422, APIStatusError, 'run on endpoint "abc": HTTP 422'),
        (429, RateLimitError, 'run on endpoint "abc": HTTP 429'),
        (500, InternalServerError, 'run on endpoint "abc": HTTP 500'),
        (520, InternalServerError, 'run on endpoint "abc": HTTP 520'),
        (599, InternalServerError, 'run on endpoint "abc": HTTP 599'),
    ],
)
def test_a_status_has_its_error(status: int, kind: type[APIStatusError], message: str) -> None:
    error = error_from(RUN, answer(status, b"<html>oops</html>", server="edge"), 1)
    assert type(error) is kind
    assert str(error) == message
    assert (error.status_code, error.headers, error.body) == (status, {"server": "edge"}, "<html>oops</html>")
    assert (error.operation, error.endpoint_id, error.job_id) == ("run", "abc", None)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": "wait is invalid"}, ": wait is invalid"),
        ({"status": 404, "title": "Not Found", "detail": "job not found"}, ": Not Found: job not found"),
        ({"detail": "a\n  b"}, ": a b"),
        ({"error": {"code": 1}}, ""),
        ({"error": "x" * 300}, ": " + "x" * 200 + "…"),
        (["error"], ""),
        (b"<html>", ""),
        (b"", ""),
        (b"[" * 100_000, ""),
    ],
)
def test_an_error_says_what_the_service_said(body: object, said: str) -> None:
    assert str(error_from(STATUS, answer(400, body), 1)) == f'status of job j1 on endpoint "abc": HTTP 400{said}'


@pytest.mark.parametrize("request_", [STATUS, api.cancel("abc", "j1"), api.stream("abc", "j1", hold=10)])
def test_a_404_of_a_job_says_nothing_of_the_endpoint(request_: Request) -> None:
    assert "endpoint, or" not in str(error_from(request_, answer(404), 1))
    assert "endpoint, or" in str(error_from(HEALTH, answer(404), 1))


def test_an_error_says_how_often_it_was_tried_and_when_to_come_back() -> None:
    error = error_from(RUN, answer(429), 3, 3.0)
    assert str(error) == 'run on endpoint "abc": HTTP 429 after 3 attempts; retry after 3.0 s'


def test_a_body_too_large_is_known_by_its_words_too() -> None:
    detail = "bad request: body: exceeded max body size of 10MiB"
    error = error_from(RUN, answer(400, {"status": 400, "title": "Bad Request", "detail": detail}), 1)
    assert type(error) is PayloadTooLargeError


def test_a_redirect_is_an_answer_that_cannot_be_used() -> None:
    error = error_from(RUN, answer(307, location="https://elsewhere.example/"), 1)
    assert type(error) is APIResponseValidationError
    assert "a redirect to https://elsewhere.example/, which is not followed; check base_url" in str(error)


def test_no_answer_names_what_the_transport_said() -> None:
    error = error_from(RUN, failure("ConnectError", "[Errno 111] Connection refused"), 5)
    assert type(error) is APIConnectionError
    assert (
        str(error) == 'run on endpoint "abc": no answer after 5 attempts: ConnectError: [Errno 111] Connection refused'
    )
    assert type(error_from(RUN, failure("ReadTimeout"), 1)) is APITimeoutError
    assert type(error_from(RUN, failure("ConnectTimeout"), 1)) is APITimeoutError


def test_a_failure_is_the_cause_of_its_error() -> None:
    on = settings()
    done = play(on, ask(on, HEALTH, on.deadline(None), answers.health_of), lambda _: failure("ReadError", "reset"))
    error = done.raised(APIConnectionError)
    assert type(error.__cause__).__name__ == "ReadError"


def test_an_unknown_purge_says_so() -> None:
    on = settings()
    done = play(on, ask(on, api.purge_queue("abc"), on.deadline(None), answers.purge_result), [answer(502)])
    error = done.raised(InternalServerError)
    assert "the queue may have been purged" in "\n".join([str(error), *getattr(error, "__notes__", [])])


def test_a_refused_purge_does_not_say_so() -> None:
    on = settings()
    done = play(on, ask(on, api.purge_queue("abc"), on.deadline(None), answers.purge_result), [answer(401)])
    error = done.raised(AuthenticationError)
    assert "may have been purged" not in "\n".join([str(error), *getattr(error, "__notes__", [])])
