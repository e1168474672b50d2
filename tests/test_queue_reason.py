"""Why a job stays in the queue: what health means, when it is asked for, and that no wait depends on it."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from runpod_sdk import Health, JobCounts, JobState, QueueReason, WaitTimeoutError, WorkerCounts
from runpod_sdk._flows._jobs import JobRef
from runpod_sdk._flows._wait import wait
from tests.flows import After, Play, answer, failure, job, play, settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_sdk._flows._exchange import Settings
    from runpod_sdk._values._outcomes import Result
    from runpod_sdk._values._requests import Request
    from tests.flows import Given

QUEUED = job("IN_QUEUE")
NO_WORKERS = (
    "the endpoint has no workers: none was started yet, or its maximum of workers is 0 (the service sets it so after 7"
    " days without a request)"
)
THROTTLED = "all workers are throttled (3): there is no machine for them now"


def health(jobs: int = 1, **workers: int) -> Result:
    counts = {"completed": 0, "failed": 0, "inProgress": 0, "retried": 0}
    return answer(200, {"jobs": {**counts, "inQueue": jobs}, "workers": {"idle": 0, "running": 0, **workers}})


# What it means.


@pytest.mark.parametrize(
    ("workers", "cause", "text"),
    [
        (
            {},
            "no_workers",
            NO_WORKERS,
        ),
        ({"throttled": 3}, "throttled", THROTTLED),
        ({"unhealthy": 2}, "unhealthy", "all workers are unhealthy (2)"),
        ({"initializing": 1}, "initializing", "a cold start: workers are initializing (1)"),
        ({"initializing": 1, "throttled": 2}, "initializing", "a cold start: workers are initializing (1)"),
        ({"running": 2}, "queue_ahead", "all running workers are busy (2); jobs in the queue: 7"),
        ({"running": 2, "ready": 2}, "queue_ahead", "all running workers are busy (2); jobs in the queue: 7"),
        ({"running": 2, "initializing": 1}, "queue_ahead", "all running workers are busy (2); jobs in the queue: 7"),
        (
            {"throttled": 1, "unhealthy": 1},
            "throttled",
            "all workers are throttled (1): there is no machine for them now",
        ),
    ],
)
def test_the_gauges_tell_the_reason(workers: dict[str, int], cause: str, text: str) -> None:
    reason = QueueReason.of(Health(jobs=JobCounts(in_queue=7), workers=WorkerCounts(**workers)))
    assert reason is not None
    assert (reason.cause, str(reason), reason.in_queue) == (cause, text, 7)


@pytest.mark.parametrize("workers", [{"idle": 1}, {"ready": 1}, {"idle": 1, "running": 3}])
def test_an_idle_worker_is_about_to_take_the_job(workers: dict[str, int]) -> None:
    assert QueueReason.of(Health(jobs=JobCounts(), workers=WorkerCounts(**workers))) is None


# When it is asked for.


def waited(
    asked: Given | Callable[[], Given],
    *,
    until: float,
    timeout: float | None = None,
    watched: bool = True,
    explains: bool = True,
    on: Settings | None = None,
) -> Play[JobState]:
    """Wait for a job that is in the queue until some moment; `asked` is what /health answers."""
    on = on or settings()

    def given(request: Request) -> Given:
        if request.operation == "health":
            return asked() if callable(asked) else asked
        if on.now() + request.hold < until:
            return After(request.hold, QUEUED)
        return After(max(0.0, until - on.now()), job("COMPLETED", output=1))

    flow = wait(on, JobRef("abc", "j1"), on.deadline(timeout), watched=watched, explains=explains)
    return play(on, flow, given)


def asked_at(done: Play[JobState]) -> list[float]:
    return [at for at, request in zip(done.sent_at, done.sent, strict=True) if request.operation == "health"]


def test_it_is_asked_for_after_a_while_and_then_more_and_more_rarely() -> None:
    moments = asked_at(waited(health(running=1), until=3600))
    assert 10 <= moments[0] <= 17
    pauses = [two - one for one, two in pairwise(moments)]
    assert 30 <= pauses[0] <= 36
    assert pauses == sorted(pauses)
    assert pauses[-1] <= 306
    assert len(moments) <= 16


def test_it_is_not_asked_for_where_nobody_watches() -> None:
    done = waited(health(), until=3600, watched=False)
    assert "health" not in done.operations
    assert done.value.queue_reason is None


def test_it_is_not_asked_for_a_job_that_leaves_the_queue_soon() -> None:
    assert "health" not in waited(health(), until=9).operations


def test_a_look_with_a_timeout_of_zero_asks_nothing_else() -> None:
    on = settings()
    done = play(on, wait(on, JobRef("abc", "j1"), on.deadline(0), watched=True, once=True), [QUEUED])
    assert done.operations == ["status"]


def test_the_watcher_is_told_when_the_reason_is_known_and_when_it_changes() -> None:
    answers = iter([health(throttled=2), health(throttled=2), health(5, running=1), health(2, running=1)])
    done = waited(lambda: next(answers), until=200)
    told = [(state.status, state.queue_reason and str(state.queue_reason)) for state in done.emitted]
    assert told == [
        ("IN_QUEUE", None),
        ("IN_QUEUE", "all workers are throttled (2): there is no machine for them now"),
        ("IN_QUEUE", "all running workers are busy (1); jobs in the queue: 5"),
        ("IN_QUEUE", "all running workers are busy (1); jobs in the queue: 2"),
        ("COMPLETED", None),
    ]


def test_a_wait_that_times_out_says_the_last_reason() -> None:
    done = waited(health(throttled=2), until=3600, timeout=60)
    error = done.raised(WaitTimeoutError)
    assert str(error).endswith("last seen IN_QUEUE: all workers are throttled (2): there is no machine for them now")
    assert error.state is not None
    assert error.state.queue_reason is not None


def test_a_wait_without_a_watcher_asks_once_when_its_time_is_up() -> None:
    done = waited(health(throttled=2), until=3600, timeout=60, watched=False)
    assert done.operations.count("health") == 1
    assert done.operations[-1] == "health"
    assert asked_at(done)[0] >= 60
    error = done.raised(WaitTimeoutError)
    assert str(error).endswith(f"last seen IN_QUEUE: {THROTTLED.replace('3', '2')}")
    assert error.state is not None
    assert error.state.queue_reason is not None
    assert error.state.queue_reason.cause == "throttled"


@pytest.mark.parametrize(("timeout", "explains"), [(9.0, True), (60.0, False)])
def test_a_short_wait_asks_nothing_and_neither_does_one_of_many(timeout: float, *, explains: bool) -> None:
    done = waited(health(throttled=2), until=3600, timeout=timeout, watched=False, explains=explains)
    assert "health" not in done.operations
    assert str(done.raised(WaitTimeoutError)).endswith("last seen IN_QUEUE")


def test_a_job_that_runs_when_time_is_up_is_not_asked_for() -> None:
    on = settings()
    flow = wait(on, JobRef("abc", "j1"), on.deadline(60), watched=False, explains=True)
    done = play(on, flow, lambda request: After(request.hold, job("IN_PROGRESS")))
    done.raised(WaitTimeoutError)
    assert "health" not in done.operations


@pytest.mark.parametrize("result", [failure(), answer(403), answer(500), After(1e6, QUEUED)])
def test_the_last_question_keeps_to_the_grace_and_hides_no_timeout(result: Given) -> None:
    on = settings()
    done = waited(result, until=3600, timeout=60, watched=False, on=on)
    assert str(done.raised(WaitTimeoutError)).endswith("last seen IN_QUEUE")
    assert done.ended_at <= 60 + on.deadline(60).grace + 1e-6


# Whatever comes of it, the wait goes on.


@pytest.mark.parametrize(
    "result",
    [
        failure("ConnectError"),
        failure("ReadTimeout"),
        After(1e6, QUEUED),
        *[answer(status) for status in (301, 400, 401, 403, 404, 429, 500, 503)],
        answer(200, b"<html>"),
        answer(200, {"jobs": [], "workers": 3}),
        answer(200, {}),
    ],
)
def test_no_answer_fails_the_wait(result: Given) -> None:
    done = waited(result, until=400)
    assert done.value.output == 1
    assert done.ended_at <= 410
    assert "health" in done.operations


def test_silence_of_health_is_no_outage() -> None:
    done = waited(After(1e6, QUEUED), until=3600)
    assert done.value.output == 1


@pytest.mark.parametrize("timeout", [10.0, 12.0, 13.5, 14.0, 15.0, 60.0])
def test_a_question_does_not_move_the_deadline(timeout: float) -> None:
    done = waited(After(1e6, QUEUED), until=3600, timeout=timeout)
    done.raised(WaitTimeoutError)
    assert done.ended_at <= timeout + 1e-6


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_may_not_ask_asks_once(status: int) -> None:
    assert waited(answer(status), until=3600).operations.count("health") == 1


def test_a_job_that_is_queued_again_begins_anew() -> None:
    on = settings()
    looks = iter([QUEUED] * 5 + [job("IN_PROGRESS")] * 5 + [QUEUED] * 8 + [job("COMPLETED")])

    def given(request: Request) -> Given:
        return health(running=1) if request.operation == "health" else After(request.hold, next(looks))

    done = play(on, wait(on, JobRef("abc", "j1"), on.deadline(None), watched=True), given)
    assert [state.queue_reason is not None for state in done.emitted] == [False, True, False, False, True, False]


@pytest.mark.parametrize(
    "body",
    [
        {"jobs": {"inQueue": 1}},
        {"jobs": {"inQueue": 1}, "workers": {"idle": "2", "running": 0}},
        {"jobs": {"inQueue": 1}, "workers": [{"idle": 2}]},
        {"jobs": {"inQueue": "1"}, "workers": {"running": 1}},
    ],
    ids=str,
)
def test_what_was_not_said_of_workers_is_no_reason(body: object) -> None:
    done = waited(answer(200, body), until=100)
    assert all(state.queue_reason is None for state in done.emitted)
