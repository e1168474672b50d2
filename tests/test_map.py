"""The inputs of a bulk run and its numbers: no jobs. How far it may go is `test_scheduler.py`."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod_sdk._client._bulk._map_inputs import Item, items_of
from runpod_sdk._client._bulk._map_progress import MapProgress
from runpod_sdk._client._bulk._map_report import Durations, Tally
from runpod_sdk._client._bulk._map_result import AsyncMapResult, MapResult
from runpod_sdk._client._bulk._map_stop import Brake, Stop
from runpod_sdk._client._bulk._map_tables import record_of
from runpod_sdk._values._hidden import Hidden
from runpod_sdk._values._states import JobState
from runpod_sdk._values._status import JobStatus
from runpod_sdk.cli._map._records import status_of
from runpod_sdk.errors import (
    APIError,
    JobCancelledError,
    JobExpiredError,
    JobFailedError,
    JobTimedOutError,
    OutputTypeError,
    SubmissionUnknownError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


# Inputs.


def keys(inputs: Any) -> list[tuple[object, ...]]:
    items = items_of(Hidden(inputs))
    assert not hasattr(items, "__anext__")
    return [(item.index, item.key, item.input.reveal()) for item in items]  # pyright: ignore[reportGeneralTypeIssues, reportUnknownVariableType, reportUnknownMemberType]


def test_inputs_have_their_index_for_a_key_unless_they_bring_one() -> None:
    assert keys([{"a": 1}, {"a": 2}]) == [(0, 0, {"a": 1}), (1, 1, {"a": 2})]
    assert keys({"x": {"a": 1}, "y": {"a": 2}}) == [(0, "x", {"a": 1}), (1, "y", {"a": 2})]
    assert keys([("x", {"a": 1}), {"a": 2}]) == [(0, "x", {"a": 1}), (1, 1, {"a": 2})]


def test_what_is_no_pair_stays_as_it_is_to_be_refused_as_an_input() -> None:
    assert keys([(1, 2, 3), "ab", None]) == [(0, 0, (1, 2, 3)), (1, 1, "ab"), (2, 2, None)]


def test_async_inputs_are_numbered_too() -> None:
    async def inputs() -> AsyncIterator[Any]:
        yield {"a": 1}
        yield "x", {"a": 2}

    async def main() -> list[Item]:
        items = items_of(Hidden(inputs()))
        return [item async for item in items]  # type: ignore[union-attr]  # pyright: ignore[reportGeneralTypeIssues, reportUnknownVariableType]

    assert asyncio.run(main()) == [Item(0, 0, Hidden({"a": 1}), is_keyed=False), Item(1, "x", Hidden({"a": 2}))]


# Numbers.


@given(st.lists(st.integers(0, 604_800_000), min_size=1, max_size=50))
def test_percentiles_are_those_of_the_durations_to_within_a_percent(milliseconds: list[int]) -> None:
    durations = Durations()
    for one in milliseconds:
        durations.add(one)
    found = durations.percentiles()
    assert found is not None
    in_order = sorted(milliseconds)
    for share, value in ((50, found.p50), (95, found.p95), (99, found.p99)):
        exact = in_order[-(-share * len(in_order) // 100) - 1] / 1000
        assert value == pytest.approx(exact, rel=0.0101, abs=1e-9)


def test_a_million_durations_take_no_more_than_their_classes() -> None:
    durations = Durations()
    for one in range(0, 604_800_000, 6_048):
        durations.add(one)
    assert len(durations._counts) < 1_800


def state(status: str, **facts: Any) -> JobState:
    return JobState(id="j", endpoint_id="abc", status=JobStatus(status), **facts)


def test_each_execution_of_a_retried_job_counts_towards_the_cost() -> None:
    tally = Tally()
    tally.add_retry(state("FAILED", execution_time_ms=2_000))
    tally.add(state("COMPLETED", execution_time_ms=3_000, worker_id="w", retries=1), None, is_job=True)
    report = tally.report(seconds=10, abandoned=0, price_per_second=0.5)
    assert (report.execution_seconds, report.estimated_execution_cost) == (5, 2.5)
    assert (report.retries, report.requeues, report.workers) == (1, 1, 1)


UNKNOWN = SubmissionUnknownError(
    "", operation="run", endpoint_id="abc", input_sha256="", submitted_at=datetime(2025, 1, 1, tzinfo=UTC)
)
ABOUT: dict[str, Any] = {"endpoint_id": "abc", "job_id": "j"}
JOB = SimpleNamespace(id="j")


@pytest.mark.parametrize(
    ("error", "is_job", "end"),
    [
        (None, True, "succeeded"),
        (JobFailedError("", **ABOUT), True, "failed"),
        (JobTimedOutError("", **ABOUT), True, "timed_out"),
        (JobCancelledError("", **ABOUT), True, "cancelled"),
        (UNKNOWN, False, "unknown"),
        (ValueError("input"), False, "unsubmitted"),
        (APIError("", operation="run", endpoint_id="abc"), False, "unsubmitted"),
        (APIError("", operation="status-sync", endpoint_id="abc"), True, "unfinished"),
        (JobExpiredError("", **ABOUT), True, "unfinished"),
    ],
)
def test_each_result_counts_once(error: Exception | None, is_job: bool, end: str) -> None:  # noqa: FBT001  a parameter
    tally = Tally()
    tally.add(None, error, is_job=is_job)
    report = tally.report(seconds=0, abandoned=0, price_per_second=None)
    names = ("succeeded", "failed", "timed_out", "cancelled", "unknown", "unsubmitted", "unfinished")
    assert [name for name in names if getattr(report, name)] == [end]
    assert report.results == getattr(report, end) == 1


@pytest.mark.parametrize("made", [MapResult.made, AsyncMapResult.made])
@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ({"job": JOB, "state": state("COMPLETED")}, "COMPLETED"),
        ({"job": JOB, "state": state("COMPLETED"), "error": OutputTypeError("", path="", raw=1, **ABOUT)}, "COMPLETED"),
        ({"job": JOB, "state": state("TIMED_OUT"), "error": JobTimedOutError("", **ABOUT)}, "TIMED_OUT"),
        ({"error": UNKNOWN}, "UNKNOWN"),
        ({"error": ValueError("input")}, "UNSUBMITTED"),
        ({"job": JOB, "error": JobExpiredError("", **ABOUT)}, "EXPIRED"),
        ({"job": JOB}, "SUBMITTED"),
    ],
)
def test_a_result_has_a_status_which_is_that_of_tables_and_of_the_command(
    made: Callable[..., Any], facts: dict[str, Any], status: str
) -> None:
    result = made(key=0, index=0, input={}, **facts)
    assert (result.status, record_of(result)["status"]) == (status, status)
    assert status_of(result) == {"SUBMITTED": "UNFINISHED"}.get(status, status), "which is not written"


def test_a_report_reads_well() -> None:
    tally = Tally()
    tally.add(state("COMPLETED", execution_time_ms=3_000, delay_time_ms=500, worker_id="w"), None, is_job=True)
    tally.add(None, TypeError("input"), is_job=False)
    assert str(tally.report(seconds=10, abandoned=2, price_per_second=0.5)) == (
        "2 results in 10.0 s: 1 succeeded, 1 unsubmitted, 2 abandoned\n"
        "delay: p50 0.5 s, p95 0.5 s, p99 0.5 s\n"
        "execution: p50 3 s, p95 3 s, p99 3 s\n"
        "3.0 s of execution on 1 worker, 0 retries\n"
        "estimated execution cost: 1.5000 (a lower bound, without starting and idle workers)"
    )
    assert str(Tally().report(seconds=0, abandoned=0, price_per_second=None)) == (
        "0 results in 0.0 s: 0 succeeded\n0.0 s of execution on 0 workers, 0 retries"
    )


def test_progress_writes_a_line_a_second_and_a_last_one(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    lines = MapProgress("map", 5, lambda: now)
    for done, now in enumerate((0.5, 1.0, 1.5, 2.1, 2.2), 1):  # noqa: B007  the clock
        lines.update(done, 1)
    lines.close()
    lines.close()
    assert capsys.readouterr().err.splitlines() == [
        f"map  {now:5.0f} s  {done}/5 done, 1 failed" for done, now in ((2, 1), (4, 2), (5, 2))
    ]


# When it is enough.


def braked(stop: Stop, results: list[tuple[int, bool]]) -> list[int]:
    """Return after which of some results, of so many milliseconds and maybe failed, no more is submitted."""
    brake = Brake(stop, 100.0)
    on: list[int] = []
    for index, (milliseconds, is_failure) in enumerate(results):
        brake.add(state("COMPLETED", execution_time_ms=milliseconds), ValueError() if is_failure else None)
        if brake.is_on(100.0 + index):
            on.append(index)
    return on


def test_a_run_without_limits_goes_on() -> None:
    assert braked(Stop(), [(1000, True)] * 50) == []


def test_each_limit_is_one_and_stays_reached() -> None:
    fine, bad = (1000, False), (1000, True)
    assert braked(Stop(failures=2), [bad, fine, bad, fine]) == [2, 3]
    assert braked(Stop(after=3), [fine] * 5) == [3, 4]
    assert braked(Stop(cost=0.5, price_per_second=0.125), [fine] * 6) == [3, 4, 5]


def test_what_workers_cost_is_counted_from_looks_at_them() -> None:
    brake = Brake(Stop(cost=100, price_per_second=1), 0.0)
    meter = brake.meter
    assert meter is not None
    assert meter.seconds(5.0) == 0.0
    assert (meter.begin(5.0), meter.begin(99.0)) == (True, False), "one at a time"
    meter.end(10.0, 2)
    assert (meter.begin(15.0), meter.begin(20.0)) == (False, True)
    meter.end(20.0, None)
    assert meter.begin(30.0)
    meter.end(30.0, 4)
    assert (meter.seconds(30.0), meter.seconds(35.0)) == (60.0, 80.0)
    assert not brake.is_on(39.0)
    assert brake.is_on(40.0)
    assert brake.reason == "the cost limit was reached: 100, by worker time in /health"
    assert Brake(Stop(failures=1), 0.0).meter is None


def test_a_share_is_judged_where_there_is_something_to_judge() -> None:
    fine, bad = (1, False), (1, True)
    assert braked(Stop(failure_share=0.5), [bad] * 21) == [19, 20]
    assert braked(Stop(failure_share=0.5), [bad] * 5 + [fine] * 20) == []
    assert braked(Stop(failure_share=0.5), [fine] * 20 + [bad] * 20 + [fine]) == [39, 40]


@pytest.mark.parametrize(
    ("limits", "kind"),
    [
        ({"failures": 0}, ValueError),
        ({"failures": 1.5}, TypeError),
        ({"failures": True}, TypeError),
        ({"failure_share": 1.1}, ValueError),
        ({"failure_share": "0.1"}, TypeError),
        ({"after": float("nan")}, ValueError),
        ({"cost": 5}, ValueError),
        ({"price_per_second": 0.1}, ValueError),
    ],
)
def test_a_limit_that_is_none_is_refused(limits: dict[str, Any], kind: type[Exception]) -> None:
    with pytest.raises(kind):
        Stop(**limits)
