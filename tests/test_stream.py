"""Streams: each chunk once and in order, and never a silent gap."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import runpod_sdk._flows._delivery as room
from runpod_sdk import (
    APIConnectionError,
    APIResponseValidationError,
    APITimeoutError,
    AuthenticationError,
    JobCancelledError,
    JobExpiredError,
    JobFailedError,
    JobState,
    JobTimedOutError,
    NotFoundError,
    PollPolicy,
    StreamInterruptedError,
    WaitTimeoutError,
)
from runpod_sdk._flows._delivery import BUFFER_MAX, Delivery, OnGap, checked_gap
from runpod_sdk._flows._jobs import YOUNG, JobRef, Life
from runpod_sdk._flows._stream import stream
from runpod_sdk._values._policies import GRACE, REQUEST_MIN
from tests.flows import After, Play, Script, answer, failure, job, play, settings

if TYPE_CHECKING:
    from runpod_sdk._flows._exchange import Settings
    from runpod_sdk._values._outcomes import Result
    from runpod_sdk._values._requests import Request

FROM_ELSEWHERE = JobRef("abc", "j1")


def ours() -> JobRef:
    return JobRef("abc", "j1", Life(0.0), is_ours=True)


LOST: Result = failure("ReadTimeout")
GONE: Result = answer(404, {"error": "job not found"})


def streamed(
    script: Script,
    *,
    on_gap: OnGap = "repair",
    timeout: float | None = None,
    ref: JobRef = FROM_ELSEWHERE,
    on: Settings | None = None,
) -> Play[JobState]:
    on = on or settings()
    return play(on, stream(on, ref, on.deadline(timeout), Delivery(on_gap)), script)


def part(*outputs: object, status: str = "IN_PROGRESS") -> Result:
    return answer(200, {"status": status, "stream": [{"output": output} for output in outputs]})


def outputs(done: Play[JobState]) -> list[Any]:
    return [chunk.output for chunk in done.emitted]


END = part(status="COMPLETED")
DONE: Result = job("COMPLETED", output=[])


def aggregated(*items: object) -> Result:
    return job("COMPLETED", output=list(items))


# As it should be.


def test_each_chunk_comes_once_and_in_order() -> None:
    done = streamed([part("a", "b"), part("c"), part("d"), END, DONE])
    assert outputs(done) == ["a", "b", "c", "d"]
    assert done.value.status == "COMPLETED"
    assert done.operations == ["stream"] * 4 + ["status"]


def test_a_chunk_is_handed_out_before_the_next_read() -> None:
    on = settings()
    flow = stream(on, FROM_ELSEWHERE, on.deadline(None), Delivery("repair"))
    assert type(flow.send(None)).__name__ == "Send"
    assert type(flow.send(part("a", "b"))).__name__ == "Emit"
    assert type(flow.send(None)).__name__ == "Emit"
    assert type(flow.send(None)).__name__ == "Send"


def test_chunks_that_ride_with_a_final_status_are_not_the_end() -> None:
    done = streamed([part("a", status="COMPLETED"), part("b", status="COMPLETED"), END, DONE])
    assert outputs(done) == ["a", "b"]


def test_metrics_come_beside_the_output() -> None:
    body = {"status": "COMPLETED", "stream": [{"output": 0, "metrics": {"tokens": 1}}]}
    done = streamed([answer(200, body), END, DONE])
    assert (done.emitted[0].output, done.emitted[0].metrics) == (0, {"tokens": 1})


def test_falsy_chunks_are_chunks() -> None:
    done = streamed([part(None, 0, "", [], False), END, DONE])
    assert outputs(done) == [None, 0, "", [], False]


def test_the_bare_list_is_read_and_the_end_asked_for() -> None:
    script = [answer(200, [{"output": "a"}]), answer(200, []), job("IN_PROGRESS"), answer(200, []), DONE, DONE]
    done = streamed(script)
    assert (outputs(done), done.value.status) == (["a"], "COMPLETED")
    assert done.operations == ["stream", "stream", "status", "stream", "status", "status"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [("FAILED", JobFailedError), ("CANCELLED", JobCancelledError), ("TIMED_OUT", JobTimedOutError)],
)
def test_it_ends_for_every_final_status_and_then_raises(status: str, kind: type[Exception]) -> None:
    done = streamed([part("a"), part("b", status=status), part(status=status), job(status, error="e")])
    assert outputs(done) == ["a", "b"]
    assert isinstance(done.error, kind)


def test_empty_reads_go_on_while_the_job_does() -> None:
    done = streamed(
        [After(10, part()), After(10, part(status="IN_QUEUE")), part("a"), After(10, part(status="ON_HOLD")), END, DONE]
    )
    assert (outputs(done), done.slept, done.ended_at) == (["a"], [], 30)


def test_reads_that_are_not_held_become_rarer() -> None:
    done = streamed([part()] * 20 + [END, DONE])
    assert done.slept[0] == 0.25
    assert done.slept == sorted(done.slept)
    assert done.slept[-1] == 5.0


def test_chunks_are_not_waited_for_between_reads() -> None:
    done = streamed([part(n) for n in range(50)] + [END, DONE])
    assert (outputs(done), done.slept) == (list(range(50)), [])


# Requests that took nothing with them.


def test_a_read_that_never_left_or_was_refused_for_now_is_repeated() -> None:
    done = streamed([failure("ConnectError"), part("a"), answer(429), part("b"), answer(530), END, DONE])
    assert outputs(done) == ["a", "b"]


def test_a_404_right_after_the_submit_is_not_believed() -> None:
    assert outputs(streamed([GONE, GONE, part("a"), END, DONE], ref=ours())) == ["a"]
    done = streamed(lambda _: GONE, ref=ours())
    done.raised(JobExpiredError)
    assert YOUNG <= done.ended_at < YOUNG + 2


def test_a_job_from_elsewhere_is_not_found() -> None:
    streamed([GONE]).raised(NotFoundError)


def test_a_refused_read_is_raised() -> None:
    done = streamed([part("a"), answer(401)])
    assert outputs(done) == ["a"]
    done.raised(AuthenticationError)


def test_an_outage_ends_a_stream() -> None:
    done = streamed(lambda _: failure("ConnectError"), on=settings(poll=PollPolicy(outage=60)))
    assert 60 <= done.ended_at < 70
    done.raised(APIConnectionError)


# The deadline.


def test_a_timeout_ends_a_stream_after_what_has_come() -> None:
    done = streamed([part("a"), After(10, part()), After(5, part())], timeout=15)
    assert (outputs(done), done.ended_at) == (["a"], 15)
    assert done.sent[-1].hold == 5
    done.raised(WaitTimeoutError)


def test_the_last_look_is_bound_by_the_deadline_too() -> None:
    done = streamed(
        lambda request: After(3, failure("ConnectError")) if request.operation == "status" else END, timeout=10
    )
    assert done.ended_at <= 10 + GRACE
    done.raised(WaitTimeoutError)


# Lost reads.


def test_a_gap_is_repaired_from_the_output_of_an_aggregating_worker() -> None:
    done = streamed([part("a"), LOST, part("c"), END, aggregated("a", "b", "c")])
    assert outputs(done) == ["a", "b", "c"]
    assert done.value.is_success


def test_two_gaps_are_repaired_together() -> None:
    done = streamed([LOST, part("b"), LOST, part("d"), answer(502), END, aggregated("a", "b", "c", "d", "e")])
    assert outputs(done) == ["a", "b", "c", "d", "e"]


def test_a_read_that_was_lost_but_empty_is_repaired_to_nothing() -> None:
    done = streamed([part("a"), LOST, part("b"), END, aggregated("a", "b")])
    assert outputs(done) == ["a", "b"]


def test_what_was_held_back_keeps_its_metrics() -> None:
    rich = answer(200, {"status": "IN_PROGRESS", "stream": [{"output": "c", "metrics": {"n": 1}}]})
    done = streamed([LOST, rich, END, aggregated("b", "c")])
    assert [(chunk.output, chunk.metrics) for chunk in done.emitted] == [("b", None), ("c", {"n": 1})]


@pytest.mark.parametrize(
    "lost",
    [LOST, failure("ReadError"), failure("RemoteProtocolError"), answer(502), answer(200, b"{"), answer(200, {})],
    ids=repr,
)
def test_whatever_may_have_taken_chunks_with_it_is_a_gap(lost: Result) -> None:
    done = streamed([part("a"), lost, part("c"), END, DONE])
    error = done.raised(StreamInterruptedError)
    assert (error.gap_after, error.received) == (1, 2)


@pytest.mark.parametrize(
    "final",
    [
        DONE,
        job("COMPLETED"),
        job("COMPLETED", output="abc"),
        job("COMPLETED", output={"a": 1}),
        aggregated("b", "c"),
        aggregated("a"),
        aggregated("x", "b", "c"),
        aggregated("a", "b", "x"),
        aggregated("a", "b"),
    ],
    ids=lambda result: str(result.body),
)
def test_a_gap_that_cannot_be_repaired_is_told_after_all_that_came(final: Result) -> None:
    done = streamed([part("a"), LOST, part("c"), END, final])
    assert outputs(done) == ["a", "c"]
    error = done.raised(StreamInterruptedError)
    assert (error.gap_after, error.received) == (1, 2)
    assert error.state is not None
    assert error.state.status == "COMPLETED"


def test_a_gap_in_the_stream_of_a_failed_job_tells_both() -> None:
    done = streamed([part("a"), LOST, part(status="FAILED"), job("FAILED", error="e")])
    assert isinstance(done.raised(StreamInterruptedError).__cause__, JobFailedError)


def test_nothing_is_handed_out_behind_a_gap_before_it_is_mended() -> None:
    on = settings()
    flow = stream(on, FROM_ELSEWHERE, on.deadline(None), Delivery("repair"))
    results: list[Result | None] = [None, part("a"), None, LOST, None, part("c"), part("d")]
    effects = [type(flow.send(result)).__name__ for result in results]
    assert effects == ["Send", "Emit", "Send", "Sleep", "Send", "Send", "Send"]


def test_skip_goes_on_without_what_was_lost() -> None:
    on = settings()
    delivery = Delivery("skip")
    done = play(on, stream(on, FROM_ELSEWHERE, on.deadline(None), delivery), [part("a"), LOST, part("c"), END, DONE])
    assert outputs(done) == ["a", "c"]
    assert done.value.is_success
    assert delivery.gap_after == 1


def test_a_mended_gap_is_none() -> None:
    on = settings()
    delivery = Delivery("repair")
    play(on, stream(on, FROM_ELSEWHERE, on.deadline(None), delivery), [part("a"), LOST, END, aggregated("a", "b")])
    assert (delivery.gap_after, delivery.count) == (None, 2)


def test_raise_stops_at_the_first_gap() -> None:
    done = streamed([part("a"), LOST], on_gap="raise")
    error = done.raised(StreamInterruptedError)
    assert (outputs(done), error.gap_after, error.received, error.state) == (["a"], 1, 1, None)
    assert isinstance(error.__cause__, APITimeoutError)


def test_reads_that_are_lost_for_the_length_of_an_outage_end_it() -> None:
    lost = After(10, LOST)
    done = streamed([part("a"), lost, part("c"), *[lost] * 20], on=settings(poll=PollPolicy(outage=60)))
    error = done.raised(StreamInterruptedError)
    assert outputs(done) == ["a", "c"]
    assert (error.gap_after, error.received) == (1, 2)
    assert 70 <= done.ended_at < 95


@pytest.mark.parametrize(
    ("end", "kind"), [(answer(401), AuthenticationError), (GONE, NotFoundError), (After(100, LOST), WaitTimeoutError)]
)
def test_what_was_held_back_is_handed_out_whatever_ends_the_stream(end: Result | After, kind: type[Exception]) -> None:
    done = streamed([part("a"), LOST, part("c"), end], timeout=20)
    assert outputs(done) == ["a", "c"]
    assert isinstance(done.error, kind)
    assert any("after chunk 1" in note for note in done.error.__notes__)


def test_no_more_is_held_back_than_the_buffer_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert BUFFER_MAX == 10_000
    monkeypatch.setattr(room, "BUFFER_MAX", 10)
    done = streamed([LOST, *[part(n) for n in range(11)], job("IN_PROGRESS")])
    error = done.raised(StreamInterruptedError)
    assert outputs(done) == list(range(11))
    assert (error.received, error.gap_after) == (11, 0)


def test_what_to_do_with_a_gap_has_three_words() -> None:
    assert checked_gap("skip") == "skip"
    with pytest.raises(ValueError, match='on_gap=\'ignore\': "repair", "skip" or "raise" expected'):
        checked_gap("ignore")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# Whatever happens: a service that drains, behind a network that loses.


@dataclass
class Service:
    """Hands out each chunk once; every read may be turned away, or lost with what it holds."""

    batches: list[list[int]]
    faults: list[str]
    aggregates: bool
    status: str = "COMPLETED"
    lost: list[int] = field(default_factory=list[int])
    losses: int = 0

    def __post_init__(self) -> None:
        self.all = [chunk for batch in self.batches for chunk in batch]

    def __call__(self, request: Request) -> Result:
        if request.operation == "status":
            return job(self.status, output=self.all if self.aggregates else [])
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "busy":
            return answer(429)
        if fault == "unsent":
            return failure("ConnectError")
        taken = self.batches.pop(0) if self.batches else []
        if fault == "lost":
            self.losses += 1
            self.lost += taken
            return LOST
        if fault == "mixed":
            self.losses += 1
            self.lost += taken
            return answer(200, b'{"status": "IN_PROG')
        return part(*taken, status="IN_PROGRESS" if self.batches else self.status)


SERVICES = st.builds(
    Service,
    st.lists(st.lists(st.integers(0, 3), max_size=3), max_size=8),
    st.lists(st.sampled_from(["", "", "busy", "unsent", "lost", "mixed"]), max_size=12),
    st.booleans(),
)


@given(SERVICES)
def test_repair_hands_out_all_chunks_or_says_that_it_did_not(service: Service) -> None:
    done = streamed(service)
    # Where nothing came at all, the list may as well be what an ordinary handler returned.
    has_come = len(service.lost) < len(service.all)
    if service.losses == 0 or (service.aggregates and has_come):
        assert outputs(done) == service.all
        assert done.value.is_success
    else:
        error = done.raised(StreamInterruptedError)
        assert error.received == len(outputs(done)) == len(service.all) - len(service.lost)
        assert outputs(done)[: error.gap_after] == service.all[: error.gap_after]


@pytest.mark.slow
@given(SERVICES)
def test_skip_hands_out_all_that_arrived(service: Service) -> None:
    done = streamed(service, on_gap="skip")
    assert done.value.is_success
    assert len(outputs(done)) == len(service.all) - len(service.lost)
    assert is_part_of(outputs(done), service.all)


@given(SERVICES)
def test_raise_hands_out_the_beginning(service: Service) -> None:
    done = streamed(service, on_gap="raise")
    assert outputs(done) == service.all[: len(outputs(done))]
    assert (done.error is not None) == (service.losses > 0)


def is_part_of(some: list[int], whole: list[int]) -> bool:
    left = iter(whole)
    return all(item in left for item in some)


ODD = st.one_of(
    st.integers(200, 599).map(answer),
    st.sampled_from(["ReadTimeout", "ConnectError", "ReadError"]).map(failure),
    st.lists(st.integers(0, 9), max_size=3).map(lambda items: part(*items)),
    st.sampled_from([END, part(1, status="FAILED"), job("FAILED"), DONE, answer(200, []), GONE]),
)


@given(
    script=st.lists(st.tuples(st.floats(0, 40), ODD), max_size=30),
    timeout=st.floats(0, 300),
    ref=st.sampled_from([FROM_ELSEWHERE, ours()]),
)
def test_a_stream_ends_by_its_deadline_whatever_happens(
    script: list[tuple[float, Result]], timeout: float, ref: JobRef
) -> None:
    left = iter(script)
    done = streamed(lambda _: After(*next(left, (1.0, part(7)))), timeout=timeout, ref=ref)
    assert done.ended_at <= timeout + GRACE + 2 * REQUEST_MIN


def test_an_unreadable_last_look_is_our_error() -> None:
    done = streamed([part("a"), END, answer(200, b"<html>")])
    assert outputs(done) == ["a"]
    done.raised(APIResponseValidationError)
