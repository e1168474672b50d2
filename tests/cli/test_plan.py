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


def test_it_writes_a_picture(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = called(capsys, "--window", "8", "--svg", str(tmp_path / "plan.svg"))
    assert (code, err) == (0, "")
    assert (tmp_path / "plan.svg").read_text(encoding="utf-8").startswith("<svg ")


def test_a_picture_that_cannot_be_written_ends_with_1(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, err = called(capsys, "--window", "8", "--svg", str(tmp_path / "none" / "plan.svg"))
    assert code == 1
    assert out.startswith("window")
    assert "No such file" in err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--scaler", "load:4"], "request-count:4 or queue-delay:4 expected"),
        (["--scaler", "request-count:x"], "request-count:4 or queue-delay:4 expected"),
        (["--scaler", "request-count:0"], "scaler_value=0"),
        (["--cold-start", "20..x"], "seconds expected"),
        (["--execution", "1..2..3"], "seconds expected"),
        (["--cold-start", "-5"], "cold_start=-5"),
        (["--max-workers", "0"], "max_workers=0"),
        (["--min-workers", "21"], "min_workers=21"),
        (["--window", "0"], "windows=0"),
        (["--price", "nan"], "price=nan"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_meant_ends_with_2(capsys: pytest.CaptureFixture[str], argv: list[str], said: str) -> None:
    code, out, err = called(capsys, *argv)
    assert (code, out) == (2, "")
    assert said in err
