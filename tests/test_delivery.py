"""The end of a stream: what was handed out, compared with the job's output, which nobody can lose or repeat."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import runpod_sdk._flows._fingerprints as fingerprints
from runpod_sdk import JobFailedError, StreamInterruptedError
from runpod_sdk._flows._delivery import Delivery, OnGap
from runpod_sdk._flows._fingerprints import PART_MIN, fingerprint
from runpod_sdk._flows._jobs import JobRef, Life
from runpod_sdk._flows._stream import stream
from runpod_sdk._values._outcomes import Answer
from tests.flows import Play, answer, failure, job, play, settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runpod_sdk import JobState
    from runpod_sdk._values._outcomes import Result
    from runpod_sdk._values._requests import Request

REF = JobRef("abc", "j1")
LOST = failure("ReadTimeout")
FIRST, LATE = False, True  # whether another may have read the first chunks

# One read: the chunks that it takes from the service, and how it fares on its way.
Read = tuple[list[Any], str]


def part(*outputs: object, status: str = "IN_PROGRESS", **more: object) -> Result:
    return answer(200, {"status": status, "stream": [{"output": output, **more} for output in outputs]})


@dataclass
class Ended:
    """A stream that was read to its end."""

    done: Play[JobState]
    delivery: Delivery
    outputs: list[Any] = field(default_factory=list[Any])

    def __post_init__(self) -> None:
        self.outputs = [chunk.output for chunk in self.done.emitted]

    @property
    def facts(self) -> tuple[list[Any], int | None, bool | None, bool]:
        """What was handed out, the gap, whether it is verified, and whether it was interrupted."""
        is_interrupted = isinstance(self.done.error, StreamInterruptedError)
        if is_interrupted:
            assert self.done.raised(StreamInterruptedError).received == len(self.outputs)
            assert self.done.raised(StreamInterruptedError).gap_after == self.delivery.gap_after
        return self.outputs, self.delivery.gap_after, self.delivery.is_verified, is_interrupted


def ended(script: Sequence[Result], final: Result, *, on_gap: OnGap = "repair", late: bool = FIRST) -> Ended:
    on = settings()
    delivery = Delivery(on_gap)
    ref = REF if late else JobRef("abc", "j1", Life(0.0))
    assert isinstance(final, Answer)
    whole = [*script, part(status=json.loads(final.body)["status"]), final]
    return Ended(play(on, stream(on, ref, on.deadline(None), delivery), whole), delivery)


def came(*outputs: object, output: object, on_gap: OnGap = "repair", late: bool = FIRST) -> Ended:
    return ended([part(*outputs)], job("COMPLETED", output=output), on_gap=on_gap, late=late)


WHOLE = [0, 1, 2, 3]


# Nobody noticed a loss.


@pytest.mark.parametrize("late", [FIRST, LATE])
@pytest.mark.parametrize("on_gap", ["repair", "skip", "raise"])
def test_what_is_the_output_is_verified(on_gap: OnGap, late: bool) -> None:  # noqa: FBT001  a parameter
    assert came(*WHOLE, output=WHOLE, on_gap=on_gap, late=late).facts == (WHOLE, None, True, False)


@pytest.mark.parametrize("late", [FIRST, LATE])
@pytest.mark.parametrize(
    ("handed", "same"),
    [
        ([0, 2, 3], 1),  # lost between worker and service
        ([0, 1, 1, 2, 3], 2),  # a read that came twice
        ([0, 1, 2, 3, 3], 4),
        ([0, 1, 2, 3, 0, 1, 2, 3], 4),
        ([0, 1, 0, 1, 2, 3], 2),  # a worker was killed in mid-stream
        ([0, 1, 3, 2], 2),
        ([0, 1, "2", 3], 2),
        ([0, True, 2, 3], 1),
    ],
)
def test_what_is_not_the_output_is_told_and_says_from_where_on(
    handed: list[object],
    same: int,
    late: bool,  # noqa: FBT001  a parameter
) -> None:
    for on_gap in ("repair", "raise"):
        assert came(*handed, output=WHOLE, on_gap=on_gap, late=late).facts == (handed, same, False, True)
    assert came(*handed, output=WHOLE, on_gap="skip", late=late).facts == (handed, same, False, False)


def test_the_error_has_the_output_and_says_what_to_do() -> None:
    error = came(0, 1, 0, 1, 2, 3, output=WHOLE).done.raised(StreamInterruptedError)
    assert error.state is not None
    assert error.state.output == WHOLE
    assert str(error) == (
        'the stream of job j1 on endpoint "abc" differs from its output after chunk 2: chunks were lost or repeated '
        "on their way. The job's output, `error.state.output`, has them all"
    )
    again = ended([part(0, 1, 0, 1)], job("COMPLETED", output=[0, 1], retries=1)).done.raised(StreamInterruptedError)
    assert "or came again from another worker (retries: 1)" in str(again)


@pytest.mark.parametrize("late", [FIRST, LATE])
def test_what_is_missing_at_the_end_is_handed_out(late: bool) -> None:  # noqa: FBT001  a parameter
    assert came(0, 1, output=WHOLE, late=late).facts == (WHOLE, None, True, False)
    assert came(0, 1, output=WHOLE, on_gap="skip", late=late).facts == ([0, 1], 2, False, False)
    assert came(0, 1, output=WHOLE, on_gap="raise", late=late).facts == ([0, 1], 2, False, True)


@pytest.mark.parametrize("output", [[], None, "abc", 5, {"a": 1}, 0, False])
def test_a_worker_that_does_not_aggregate_leaves_nothing_to_compare_with(output: object) -> None:
    assert came(0, 1, output=output).facts == ([0, 1], None, None, False)


@pytest.mark.parametrize("late", [FIRST, LATE])
@pytest.mark.parametrize("on_gap", ["repair", "skip", "raise"])
def test_the_list_of_an_ordinary_handler_is_no_stream(on_gap: OnGap, late: bool) -> None:  # noqa: FBT001  a parameter
    assert came(output=WHOLE, on_gap=on_gap, late=late).facts == ([], None, None, False)


@pytest.mark.parametrize("late", [FIRST, LATE])
def test_it_is_none_behind_a_lost_read_either(late: bool) -> None:  # noqa: FBT001  a parameter
    assert ended([LOST], job("COMPLETED", output=WHOLE), late=late).facts == ([], 0, None, True)
    assert ended([LOST], job("COMPLETED", output=WHOLE), on_gap="skip", late=late).facts == ([], 0, None, False)


def test_a_list_that_has_nothing_to_do_with_the_chunks_is_no_list_of_chunks() -> None:
    assert came("loading", "running", output=[0.5, 0.25]).facts == (["loading", "running"], None, None, False)
    assert came([1, 2], output=[1, 2]).facts == ([[1, 2]], None, None, False)


@pytest.mark.parametrize("chunk", [None, 0, "", [], {}, [1, [2]], {"a": {"b": [None]}}, 1e300, "ä\ud800"])
def test_one_chunk_of_any_kind(chunk: object) -> None:
    assert came(chunk, output=[chunk]).facts == ([chunk], None, True, False)
    assert came(chunk, output=[chunk, chunk]).facts == ([chunk, chunk], None, True, False)


@pytest.mark.parametrize(
    ("chunk", "item"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (1.0, 1),
        ([1e2, {"x": -0.0}], [100, {"x": 0}]),
        (10**400, 10**400),
        (float("nan"), float("nan")),
    ],
    ids=lambda value: str(value)[:12],
)
def test_the_same_json_written_differently_is_the_same(chunk: object, item: object) -> None:
    assert came(chunk, output=[item]).delivery.is_verified is True


@pytest.mark.parametrize(("one", "other"), [(1, True), (0, False), (0, None), (1, "1"), ([], {}), ("", None), (0, "")])
def test_what_is_not_the_same_is_not(one: object, other: object) -> None:
    assert fingerprint(one) != fingerprint(other)
    assert fingerprint([one]) != fingerprint([other])


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED", "TIMED_OUT"])
def test_the_output_of_a_job_that_did_not_complete_proves_nothing(status: str) -> None:
    found = ended([part(0, 1)], job(status, output=[0, 1, 2], error="e"))
    assert (found.facts[:3], found.done.error is not None) == (([0, 1], None, None), True)


def test_a_lost_read_of_a_job_that_failed_is_not_repaired() -> None:
    found = ended([part(0), LOST, part(2)], job("FAILED", output=[0, 1, 2], error="e"))
    assert found.facts == ([0, 2], 1, None, True)
    assert isinstance(found.done.raised(StreamInterruptedError).__cause__, JobFailedError)


# A reader that came late: another one has read the first chunks, as far as anybody knows.


@pytest.mark.parametrize("handed", [[1, 2, 3], [3], [2, 3]])
def test_who_comes_late_gets_the_end_and_nobody_can_tell_whether_it_is_all(handed: list[object]) -> None:
    for on_gap in ("repair", "skip", "raise"):
        assert came(*handed, output=WHOLE, on_gap=on_gap, late=LATE).facts == (handed, None, None, False)
        assert came(*handed, output=WHOLE, on_gap=on_gap, late=FIRST).facts[1:3] == (0, False)


@pytest.mark.parametrize(("handed", "same"), [([1, 3], 1), ([2, 2, 3], 1), ([1, 2], 2), ([2, 1, 2, 3], 1)])
def test_a_gap_in_what_came_late_is_told(handed: list[object], same: int) -> None:
    assert came(*handed, output=WHOLE, late=LATE).facts == (handed, same, False, True)


def test_a_lost_read_that_took_nothing_from_a_late_reader_is_no_gap() -> None:
    assert ended([part(2), LOST, part(3)], job("COMPLETED", output=WHOLE), late=LATE).facts == (
        [2, 3],
        None,
        None,
        False,
    )
    assert ended([part(2), LOST], job("COMPLETED", output=[0, 1, 2]), late=LATE).facts == ([2], None, None, False)


def test_a_lost_read_before_anything_came_is_a_gap_for_a_late_reader_too() -> None:
    script = [LOST, part(2), part(3)]
    assert ended(script, job("COMPLETED", output=WHOLE), on_gap="skip", late=LATE).facts == ([2, 3], 0, False, False)


@given(chunks=st.lists(st.integers(0, 2), max_size=6), taken=st.integers(0, 6))
def test_two_readers_one_after_the_other(chunks: list[int], taken: int) -> None:
    first, second = chunks[:taken], chunks[taken:]
    found = came(*second, output=chunks, late=LATE)
    assert found.done.error is None
    assert found.outputs == second or (second and found.outputs == chunks), "whole, or what nobody had read"
    assert not first or found.delivery.is_verified is not False


def test_only_the_first_stream_of_a_job_that_was_submitted_here_is_sure_to_begin_with_the_first_chunk() -> None:
    ours = JobRef("abc", "j1", Life(0.0))
    assert [ours.begin_stream() for _ in range(3)] == [True, False, False]
    assert not JobRef("abc", "j1", is_ours=True).begin_stream()


# Repaired from the output, behind a lost read.


@pytest.mark.parametrize(
    ("script", "output"),
    [
        ([part(0), LOST, part(2), part(3)], WHOLE),
        ([LOST, part(1, 2, 3)], WHOLE),
        ([part(0), LOST], WHOLE),
        ([part(0, 1, 2, 3), LOST], WHOLE),  # it took nothing
        ([part(0), LOST, part(1), part(1, 2, 3)], WHOLE),  # and another came twice
        ([part(0), LOST, part(0, 1, 2, 3)], WHOLE),  # and the job began again
        ([part(0), LOST, part(3)], WHOLE),  # and one was lost between worker and service
        ([part("a"), LOST, part("a", "a")], ["a"] * 4),
    ],
)
def test_behind_a_known_loss_all_of_the_output_is_handed_out(script: list[Result], output: list[object]) -> None:
    assert ended(script, job("COMPLETED", output=output)).facts == (output, None, True, False)


def test_what_was_handed_out_before_the_loss_cannot_be_taken_back() -> None:
    found = ended([part(0, 1), part(0, 1), LOST, part(3)], job("COMPLETED", output=WHOLE))
    assert found.facts == ([0, 1, 0, 1, 3], 2, False, True)


def test_what_was_held_back_keeps_its_metrics_wherever_it_belongs() -> None:
    script = [LOST, part("b", metrics={"n": 1}), LOST, part("d", "d", metrics={"n": 2})]
    found = ended(script, job("COMPLETED", output=["a", "b", "c", "d"]))
    assert [(chunk.output, chunk.metrics) for chunk in found.done.emitted] == [
        ("a", None),
        ("b", {"n": 1}),
        ("c", None),
        ("d", {"n": 2}),
    ]


# Chunks above 1 MB are split, and whole in the output.

BIG = "".join(f"ä{number:07}" for number in range(PART_MIN // 4))
A, B, C = BIG[:PART_MIN], BIG[PART_MIN : 2 * PART_MIN - 7], BIG[2 * PART_MIN - 7 :]
PIECES = ["x", A, B, C, "y"]
LONG = ["x", BIG, "y"]


@pytest.mark.parametrize("late", [FIRST, LATE])
def test_a_text_that_was_split_is_the_same_text(late: bool) -> None:  # noqa: FBT001  a parameter
    parts = [A, BIG[PART_MIN:], "y"]  # the last part is as long as the first, and then a short chunk follows
    assert came("x", *parts, output=LONG, late=late).delivery.is_verified is True
    assert came("x", BIG, "y", output=LONG, late=late).delivery.is_verified is True
    assert came(A, C, A, C, output=[A + C, A + C], late=late).delivery.is_verified is True


def test_a_part_that_is_missing_is_told_or_handed_out() -> None:
    parts = [BIG[:PART_MIN], BIG[PART_MIN:]]
    assert came("x", parts[1], "y", output=LONG).delivery.is_verified is not True
    found = came("x", parts[0], output=LONG)
    assert ("".join(found.outputs), found.facts[1:]) == ("".join(LONG), (None, True, False))
    assert came("x", parts[0], "y", output=LONG).facts[1:] == (2, False, True)
    assert came("x", "y", output=LONG).facts[1:] == (1, False, True)
    assert came(parts[1], "y", output=LONG, late=LATE).facts[1:] == (None, None, False)


def test_parts_behind_a_lost_read_are_put_in_their_place() -> None:
    first, last = part(BIG[:PART_MIN], metrics={"n": 1}), part(BIG[PART_MIN:], "y")
    for script in ([LOST, first, last], [part("x"), LOST, first, last], [part("x"), first, LOST, last]):
        found = ended(script, job("COMPLETED", output=LONG))
        assert (found.outputs, found.facts[1:]) == (["x", BIG[:PART_MIN], BIG[PART_MIN:], "y"], (None, True, False))
        assert [chunk.metrics for chunk in found.done.emitted] == [None, {"n": 1}, None, None]
    found = ended([part("x"), LOST, last], job("COMPLETED", output=LONG))
    assert ("".join(found.outputs), found.facts[1:]) == ("".join(LONG), (None, True, False))


def test_how_anything_else_is_split_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprints, "SPLIT_ABOVE", 20)
    large = {"image": "0123456789abcdef"}
    assert came("x", large, "y", output=["x", large, "y"]).delivery.is_verified is True
    assert came("x", '{"image": "0123', '456789abcdef"}', "y", output=["x", large, "y"]).facts[1:] == (
        None,
        None,
        False,
    )
    assert came("x", "y", output=["x", large, "y"]).facts[1:] == (1, False, True), "it is missing, not split"
    assert came("x", output=["x", large]).facts == (["x", large], None, True, False)


# What is too much.


def test_no_more_fingerprints_are_kept_than_a_million(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fingerprints.CHECKED_MAX == 1_000_000
    monkeypatch.setattr(fingerprints, "CHECKED_MAX", 4)
    assert came(*WHOLE, output=WHOLE).delivery.is_verified is True
    for output in ([*WHOLE, 4], [*WHOLE, 5], [*WHOLE, 4, 5]):
        assert came(*WHOLE, 4, output=output).facts[1:] == (None, None, False)


def test_what_is_nested_too_deeply_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_deep(_: object) -> bytes:
        raise RecursionError

    nested = json.loads("[" * 400 + "]" * 400)
    assert came(0, nested, output=[0, nested]).done.error is None
    monkeypatch.setattr(fingerprints, "canonical", too_deep)
    assert came(0, 1, output=[0, 1]).facts == ([0, 1], None, None, False)


# Whatever happens on the way.

FATES = st.sampled_from(["", "", "", "dropped", "doubled", "lost", "again", "twice"])


@given(
    chunks=st.lists(st.integers(0, 2), max_size=7),
    fates=st.lists(FATES, max_size=8),
    sizes=st.lists(st.integers(1, 3), min_size=8, max_size=8),
    aggregates=st.booleans(),
    on_gap=st.sampled_from(["repair", "skip", "raise"]),
    late=st.booleans(),
)
@example(chunks=[0, 1, 2], fates=["", "again"], sizes=[1] * 8, aggregates=True, on_gap="repair", late=False)
@example(chunks=[0, 1, 0], fates=["", "lost"], sizes=[1] * 8, aggregates=True, on_gap="repair", late=True)
def test_a_stream_is_whole_or_says_that_it_is_not(
    chunks: list[int],
    fates: list[str],
    sizes: list[int],
    aggregates: bool,  # noqa: FBT001  as above
    on_gap: OnGap,
    late: bool,  # noqa: FBT001  as above
) -> None:
    script, losses = reads(chunks, fates, sizes)
    if on_gap == "raise" and LOST in script:
        script = [*takewhile(lambda read: read is not LOST, script)]
        losses = False
    found = ended(script, job("COMPLETED", output=chunks if aggregates else []), on_gap=on_gap, late=late)
    outputs, gap, is_verified, is_interrupted = found.facts
    same = len([*takewhile(lambda pair: pair[0] == pair[1], zip(outputs, chunks, strict=False))])
    assert found.done.error is None or is_interrupted
    if is_verified:
        assert (outputs, gap, is_interrupted) == (chunks, None, False), "verified is whole"
    if is_interrupted:
        assert gap is not None
    if gap is None and outputs and aggregates and not late:
        assert outputs == chunks or set(outputs).isdisjoint(chunks), "no gap is whole"
    if is_verified is False and not late:
        assert gap == same, "it says how far all is well"
    if on_gap == "repair" and aggregates and outputs == chunks and chunks:
        assert is_verified, "whole is verified"
    if not aggregates:
        assert is_verified is None
        assert (gap is not None) == losses


def reads(chunks: list[int], fates: list[str], sizes: list[int]) -> tuple[list[Result], bool]:
    """Return what the reads of a stream bring, and whether any was lost.

    A batch is dropped or doubled between worker and service, its read is lost, or comes twice; or the job begins again.
    """
    script: list[Result] = []
    left, losses, at = list(chunks), False, 0
    for fate, size in zip(fates, sizes, strict=False):
        batch, at = left[at : at + size], at + size
        match fate:
            case "dropped":
                continue
            case "doubled":
                batch = [*batch, *batch]
            case "again":
                at = 0
            case _:
                pass
        if fate == "lost":
            losses = True
            script.append(LOST)
        elif batch:
            script += [part(*batch)] * (2 if fate == "twice" else 1)
    rest = left[at:]
    return [*script, *([part(*rest)] if rest else [])], losses


def test_each_request_of_a_stream_is_as_before() -> None:
    asked: list[Request] = []
    on = settings()
    delivery = Delivery("repair")

    def given_(request: Request) -> Result:
        asked.append(request)
        if request.operation == "status":
            return job("COMPLETED", output=WHOLE)
        return part(*WHOLE) if len(asked) == 1 else part(status="COMPLETED")

    play(on, stream(on, REF, on.deadline(None), delivery), given_)
    assert [request.operation for request in asked] == ["stream", "stream", "status"], "comparing costs no request"
