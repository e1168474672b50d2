"""The command plan: what it prints, and with which exit codes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from runpod_sdk.cli import main

if TYPE_CHECKING:
    from pathlib import Path

PLAN = ["plan", "--jobs", "200", "--execution", "4", "--max-workers", "20", "--cold-start", "20..90"]


def called(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    try:
        code = main([*PLAN, *argv])
    except SystemExit as stop:
        code = int(str(stop.code))
    out, err = capsys.readouterr()
    return code, out, err


def test_it_prints_a_line_for_each_window(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = called(capsys, "--scaler", "request-count:4", "--price", "0.00019")
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == ["window", "20", "64", "77", "154"]


def test_every_argument_reaches_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    endpoint = "--min-workers 1 --scaler queue-delay:2 --step 3 --idle-timeout 9 --warm-start 1,4,2 --warm-for 60"
    code, out, _ = called(capsys, "--json", "--window", "8", "--latency", "1", "--seed", "7", *endpoint.split())
    facts = json.loads(out)
    assert code == 0
    assert (facts["jobs"], facts["execution"], facts["latency"], facts["price"]) == (200, 4.0, 1.0, None)
    assert facts["scaling"] == {
        "min_workers": 1,
        "max_workers": 20,
        "scaler": "queue_delay",
        "scaler_value": 2.0,
        "step": 3,
        "idle_timeout": 9.0,
        "surplus": "idle_timeout",
        "cold_start": [20.0, 90.0],
        "warm_start": [1.0, 2.0, 4.0],
        "warm_for": 60.0,
        "stopped": "uncounted",
        "seed": 7,
    }


def test_times_have_units(capsys: pytest.CaptureFixture[str]) -> None:
    times = "--execution 1s..1m30s --cold-start 20s..1m --warm-start 500ms,2s --warm-for 1h"
    times += " --idle-timeout 1m --latency 50ms"
    code, out, _ = called(capsys, "--json", "--window", "8", *times.split())
    facts = json.loads(out)
    assert (code, facts["execution"], facts["latency"]) == (0, [1.0, 90.0], 0.05)
    expected = {"cold_start": [20.0, 60.0], "warm_start": [0.5, 2.0], "warm_for": 3600.0, "idle_timeout": 60.0}
    assert {name: facts["scaling"][name] for name in expected} == expected


def test_it_says_what_was_assumed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--jobs", "5", "--execution", "4s", "--window", "5"]) == 0
    assumed, head, *rows = capsys.readouterr().out.splitlines()
    assert assumed == "assumed: --max-workers 3, --scaler queue-delay:4, --cold-start 10, no --price"
    assert (head.split()[0], len(rows)) == ("window", 1)


def test_it_writes_a_picture(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = called(capsys, "--window", "8", "--svg", str(tmp_path / "plan.svg"))
    assert (code, err) == (0, "")
    assert (tmp_path / "plan.svg").read_text(encoding="utf-8").startswith("<svg ")


def test_a_picture_that_cannot_be_written_ends_with_1(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, err = called(capsys, "--window", "8", "--svg", str(tmp_path / "none" / "plan.svg"))
    assert code == 1
    assert "\nwindow" in out
    assert "No such file" in err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--scaler", "load:4"], "request-count:4 or queue-delay:4 expected"),
        (["--scaler", "request-count:x"], "request-count:4 or queue-delay:4 expected"),
        (["--scaler", "request-count:0"], "request-count:4 or queue-delay:4 expected"),
        (["--cold-start", "20..x"], "seconds expected"),
        (["--execution", "1..2..3"], "seconds expected"),
        (["--cold-start", "-5"], "seconds expected"),
        (["--cold-start", "90..20"], "--cold-start: '90..20': the shorter time comes first"),
        (["--cold-start", "5 parsecs"], "seconds expected"),
        (["--price", "$0.00019"], "a number expected, such as 0.00019, without a currency"),
        (["--price", "-1"], "--price -1.0: 0 or more expected"),
        (["--jobs", "0"], "--jobs 0: 1 or more expected"),
        (["--max-workers", "0"], "--max-workers 0: nobody would run the jobs"),
        (["--min-workers", "21"], "--min-workers 21: more than --max-workers 20"),
        (["--window", "0"], "--window 0: 1 or more"),
        (["--price", "nan"], "--price nan"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_meant_ends_with_2(capsys: pytest.CaptureFixture[str], argv: list[str], said: str) -> None:
    code, out, err = called(capsys, *argv)
    assert (code, out) == (2, "")
    assert said in err
