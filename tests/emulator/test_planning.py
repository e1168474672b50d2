"""What a bulk run will take: against what can be worked out by hand, and what must hold of any plan."""

from __future__ import annotations

import json
import math
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from runpod_sdk.emulator import BulkPlan, PlannedRun, Scaling, plan

ONE = Scaling(scaler="request_count", scaler_value=1, max_workers=1, cold_start=30, idle_timeout=5)
MANY = Scaling(scaler="request_count", scaler_value=4, max_workers=100, cold_start=(20, 90))


def run_of(jobs: int, execution: Any, scaling: Scaling, window: int, **options: Any) -> PlannedRun:
    (run,) = plan(jobs, execution, scaling, windows=[window], **options).runs
    return run


def test_one_worker_is_worked_out_by_hand() -> None:
    run = run_of(10, 2, ONE, 10, price=0.5, latency=0)
    assert (run.seconds, run.worker_seconds, run.cost) == (30 + 20, 30 + 20 + 5, 27.5)
    assert (run.peak, run.cold_starts, run.warm_starts) == (1, 1, 0)
    assert run.execution_share == pytest.approx(20 / 55)
    assert run.start_share == pytest.approx(30 / 55)
    assert run.idle_share == pytest.approx(5 / 55)
    assert run.queue_seconds == pytest.approx(30 + 2 * sum(range(10)) / 10)


def test_a_window_of_one_waits_for_each_answer() -> None:
    run = run_of(10, 2, ONE, 1, latency=0.5)
    assert run.seconds == pytest.approx(30 + 10 * 2 + 9 * 0.5)
    assert run.idle_share == pytest.approx((9 * 0.5 + 5) / run.worker_seconds, rel=0.01)


def test_a_small_window_leaves_workers_out() -> None:
    small, large = plan(2_000, 4, MANY, windows=[397, 64]).runs
    assert (small.window, small.peak, large.peak) == (64, 16, 100)
    assert small.seconds > 2_000 * 4 / 16
    assert 2_000 * 4 / 100 < large.seconds < small.seconds / 2


def test_what_more_of_it_does_not_help_waits_in_the_queue() -> None:
    enough, more = plan(2_000, 4, MANY, windows=[397, 800]).runs
    assert more.seconds == pytest.approx(enough.seconds, rel=0.05)
    assert more.queue_seconds > 1.5 * enough.queue_seconds


@pytest.mark.parametrize(
    ("scaling", "windows"),
    [
        (MANY, [64, 100, 397, 794]),
        (Scaling(max_workers=100), [64, 100, 200]),
        (Scaling(scaler="request_count", scaler_value=0.5, max_workers=8), [8, 16, 64]),
    ],
)
def test_windows_are_chosen_around_that_from_which_all_workers_are_wanted(scaling: Scaling, windows: list[int]) -> None:
    planned = plan(20, 1, scaling)
    assert [run.window for run in planned.runs] == windows


def test_the_chosen_window_is_the_smallest_that_gets_all_workers() -> None:
    assert [run.peak for run in plan(1_000, 4, MANY, windows=[396, 397]).runs] == [99, 100]


@pytest.mark.parametrize("scaler", ["queue_delay", "request_count"])
@pytest.mark.parametrize("warm_for", [0, 60])
def test_the_parts_are_the_whole(scaler: Any, warm_for: float) -> None:
    scaling = Scaling(
        scaler=scaler,
        max_workers=7,
        cold_start=(2, 40),
        warm_start=1,
        warm_for=warm_for,
        idle_timeout=0.5,
        min_workers=1,
    )
    run = run_of(300, (0.1, 1, 20), scaling, 12, seed=3)
    assert run.execution_share + run.start_share + run.idle_share == pytest.approx(1)
    assert min(run.execution_share, run.start_share, run.idle_share) >= 0
    assert run.worker_seconds >= run.execution_share * run.worker_seconds
    assert run.peak <= 7
    assert run.seconds * run.peak >= run.execution_share * run.worker_seconds * 0.9


def test_the_same_seed_gives_the_same_plan() -> None:
    def seconds(seed: int) -> float:
        return run_of(100, (1, 9), MANY, 64, seed=seed).seconds

    assert seconds(1) == seconds(1) != seconds(2)


def test_runs_are_told_as_they_are_done() -> None:
    told: list[int] = []
    planned = plan(10, 1, ONE, windows=[2, 1], on_run=lambda run: told.append(run.window))
    assert told == [1, 2] == [run.window for run in planned.runs]


# How it is shown.


def planned_of_many(price: float | None = 0.00019) -> BulkPlan:
    return plan(200, 4, MANY, windows=[64, 397], price=price)


def test_the_table_has_a_line_for_each_window() -> None:
    head, small, large = str(planned_of_many()).splitlines()
    assert head.split()[:4] == ["window", "wall", "time", "workers"]
    assert (small.split()[0], large.split()[0]) == ("64", "397")
    assert len(head) == len(small) == len(large)


def test_without_a_price_there_is_no_cost() -> None:
    planned = planned_of_many(price=None)
    assert [run.cost for run in planned.runs] == [None, None]
    assert " - " in planned.table()
    assert "200 jobs" in planned.svg()


def test_the_picture_is_svg_whose_bars_are_as_long_as_what_they_show() -> None:
    planned = planned_of_many()
    root = ET.fromstring(planned.svg())  # noqa: S314  our own
    name = "{http://www.w3.org/2000/svg}"
    bars = [each for each in root.iter(f"{name}rect") if each.get("height") == "18"]
    wide = [float(bar.get("width", "")) for bar in bars]
    first, second = planned.runs
    assert len(bars) == 2 * 4
    assert wide[4] / wide[0] == pytest.approx(second.seconds / first.seconds, abs=0.01)
    assert sum(wide[1:4]) / sum(wide[5:8]) == pytest.approx(first.worker_seconds / second.worker_seconds, abs=0.01)
    assert "397" in [each.text for each in root.iter(f"{name}text")]


def test_a_plan_is_json() -> None:
    facts = json.loads(json.dumps(planned_of_many().to_json()))
    assert facts["scaling"]["max_workers"] == 100
    assert [run["window"] for run in facts["runs"]] == [64, 397]


# What is refused.


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"jobs": 0}, "jobs=0"),
        ({"execution": -1}, "execution=-1"),
        ({"execution": math.nan}, "execution=nan"),
        ({"windows": []}, "windows"),
        ({"windows": [0]}, "windows=0"),
        ({"price": -1}, "price=-1"),
        ({"latency": math.inf}, "latency=inf"),
        ({"scaling": Scaling(max_workers=0)}, "max_workers=0"),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, Any], said: str) -> None:
    arguments: dict[str, Any] = {"jobs": 1, "execution": 1, "scaling": ONE, **wrong}
    with pytest.raises(ValueError, match=said):
        plan(**arguments)


@pytest.mark.parametrize("wrong", [{"jobs": 1.5}, {"jobs": True}, {"execution": "4"}, {"windows": [1.5]}], ids=str)
def test_what_is_no_number_is_refused(wrong: dict[str, Any]) -> None:
    arguments: dict[str, Any] = {"jobs": 1, "execution": 1, "scaling": ONE, **wrong}
    with pytest.raises(TypeError):
        plan(**arguments)
