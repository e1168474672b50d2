"""The command `journal`: what it shows of a run of Python, and what it tells that run's journal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk import Client, Journal
from runpod_sdk.emulator import Emulator, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import Shell


@pytest.fixture
def made(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Provide the journal of a run with an unknown submit, a number for its key, and the id of its job."""
    path = tmp_path / "run.sqlite"
    with Emulator() as emulator, Client(**emulator.connection) as client:
        emulator.endpoint("abc", lambda job: job["input"]["n"])
        emulator.inject(Fault.drop("after", times=1, on="run"))
        inputs: dict[Any, Any] = {7: {"n": 1}, "b": {"n": 2}, "c": {"n": 3}}
        list(client.endpoint("abc").map(inputs, journal=path, concurrency=1))
        (lost,) = [job.id for job in emulator.jobs.values() if job.input == {"n": 1}]
        yield path, lost


def test_show_counts_and_says_whether_anything_is_unknown(shell: Shell, made: tuple[Path, str]) -> None:
    path, _ = made
    done = shell("journal", "show", path)
    assert (done.code, done.out) == (3, "COMPLETED  2\nUNKNOWN    1\n")
    assert shell("journal", "show", path, "--json").objects == [{"COMPLETED": 2, "UNKNOWN": 1}]


def test_unknowns_are_listed_and_resolved_by_an_id(shell: Shell, made: tuple[Path, str]) -> None:
    path, lost = made
    (unknown,) = shell("journal", "unknowns", path, "--json").objects
    assert unknown["key"] == 7
    assert shell("journal", "unknowns", path).out.startswith("7  20")
    assert (shell("journal", "resolve", path, "7", lost).code, shell("journal", "show", path).code) == (0, 0)
    assert [item.job_id for item in Journal(path).items("SUBMITTED")] == [lost]
    assert shell("journal", "resolve", path, "7", lost).out == "known before\n"


def test_unknowns_are_resolved_by_what_their_webhook_was_told(shell: Shell, made: tuple[Path, str]) -> None:
    path, lost = made
    body = json.dumps({"id": lost, "status": "COMPLETED", "output": 1})
    assert shell("journal", "resolve", path, "7", "-", stdin=body).out == "told\n"
    item = Journal(path).item(7)
    assert item is not None
    assert (item.status, item.output) == ("COMPLETED", 1)


def test_all_of_it_is_written_out(shell: Shell, made: tuple[Path, str], tmp_path: Path) -> None:
    path, _ = made
    out = tmp_path / "all.jsonl"
    assert shell("journal", "export", path, out).out == "3 inputs\n"
    assert [json.loads(line)["key"] for line in out.read_text().splitlines()] == [7, "b", "c"]


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("show", "{none}"), 1, "there is no such file"),
        (("resolve", "{path}", "7"), 2, "2 words expected"),
        (("resolve", "{path}", "other", "j1"), 2, "there is no such input"),
        (("export", "{path}", "out.xlsx"), 2, ".jsonl, .csv, .parquet expected"),
        (("export", "{path}", "no/folder/out.csv"), 1, "No such file or directory"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    words: tuple[str, ...], code: int, why: str, shell: Shell, made: tuple[Path, str], tmp_path: Path
) -> None:
    done = shell("journal", *(word.format(path=made[0], none=tmp_path / "none") for word in words))
    assert (done.code, done.err.count("\n")) == (code, 1)
    assert why in done.err
