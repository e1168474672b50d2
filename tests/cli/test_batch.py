"""The command `batch`: from a draft to a file of results, whatever ends it on the way."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk.emulator import Fault

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Shell


@pytest.fixture
def endpoint(shell: Shell) -> Any:
    def handler(job: dict[str, Any]) -> Any:
        if job["input"]["n"] < 0:
            raise ValueError("negative")
        return job["input"]["n"]

    return shell.emulator.endpoint("abc", handler, workers=2)


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    path = tmp_path / "inputs.jsonl"
    path.write_text('{"key": "a", "input": {"n": 1}}\n\n{"n": 2}\n')
    return path


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.usefixtures("endpoint")
def test_a_file_becomes_a_batch_and_its_results_a_file(shell: Shell, inputs: Path, tmp_path: Path) -> None:
    submitted = shell("batch", "submit", "abc", inputs)
    batch_id = submitted.out.strip()
    assert (submitted.code, submitted.err) == (0, "")
    done = shell("batch", "results", "abc", batch_id, "--output", tmp_path / "out.jsonl")
    assert (done.code, done.out, done.err) == (0, "", "2 COMPLETED\n")
    found = lines(tmp_path / "out.jsonl")
    assert sorted(result["output"] for result in found) == [1, 2]
    assert {result["batch"] for result in found} == {batch_id}
    assert all(result["started_at"] and result["completed_at"] for result in found)
    (state,) = shell("batch", "status", "abc", batch_id, "--json").objects
    assert state == {"id": batch_id, "status": "FINALIZED", "total": 2, "in_progress": 0, "completed": 2, "failed": 0}


def test_step_by_step(shell: Shell, endpoint: Any, inputs: Path, tmp_path: Path) -> None:
    batch_id = shell("batch", "create", "abc").out.strip()
    assert shell("batch", "add", "abc", batch_id, inputs).code == 0
    assert shell("batch", "add", "abc", batch_id, "-", stdin='{"n": -3}\n').code == 0
    assert shell("batch", "update", "abc", batch_id, "nightly").code == 0
    assert shell("batch", "status", "abc", batch_id).out == f"{batch_id}  DRAFT  0 of 3 completed, 0 failed\n"
    first, *others = shell("batch", "requests", "abc", batch_id, "--json").objects
    assert (first["status"], len(others)) == ("IN_QUEUE", 2)
    gone = shell("batch", "delete", "abc", batch_id, "req_nobody")
    assert (gone.code, "HTTP 404" in gone.err) == (1, True)
    assert not endpoint.jobs
    assert shell("batch", "finalize", "abc", batch_id).code == 0
    done = shell("batch", "results", "abc", batch_id, "--output", tmp_path / "out.jsonl")
    assert (done.code, sorted(done.err.strip().split(", "))) == (1, ["1 FAILED", "2 COMPLETED"])
    assert [result["error"] for result in lines(tmp_path / "out.jsonl") if "negative" in result.get("error", "")]
    assert shell("batch", "list", "abc", "--json").objects[0]["id"] == batch_id


def test_results_go_on_where_they_ended_and_write_each_once(
    shell: Shell, gate: Any, inputs: Path, tmp_path: Path
) -> None:
    held = gate(wanted=1, workers=1)
    output = tmp_path / "out.jsonl"
    batch_id = shell("batch", "submit", "abc", inputs).out.strip()
    early = shell("batch", "results", "abc", batch_id, "--output", output, "--timeout", 0)
    assert (early.code, output.read_text()) == (124, "")
    assert "it goes on" in early.err
    held.open()
    assert shell("batch", "results", "abc", batch_id, "--output", output).code == 0
    first = output.read_bytes()
    output.write_bytes(first[:-10])  # as a kill leaves it
    assert shell("batch", "results", "abc", batch_id, "--output", output).code == 0
    assert {result["id"] for result in lines(output)} == {json.loads(line)["id"] for line in first.splitlines()}
    assert len(lines(output)) == 2
    other = shell("batch", "submit", "abc", inputs).out.strip()
    refused = shell("batch", "results", "abc", other, "--output", output)
    assert (refused.code, f"results of {batch_id}" in refused.err) == (2, True)


@pytest.mark.usefixtures("endpoint")
def test_a_batch_that_was_cut_off_on_its_way_is_named(shell: Shell, inputs: Path) -> None:
    shell.emulator.inject(Fault.status(402, on="batch-finalize"))
    done = shell("batch", "submit", "abc", inputs)
    (batch,) = shell("batch", "list", "abc", "--json").objects
    assert done.code == 1
    assert f"runpod-sdk batch status abc {batch['id']}" in done.err
    assert batch["status"] == "DRAFT"


@pytest.mark.usefixtures("endpoint")
def test_a_cancelled_batch_is_no_success(shell: Shell, inputs: Path, tmp_path: Path) -> None:
    shell.emulator.endpoint("none", workers=0)
    batch_id = shell("batch", "submit", "none", inputs).out.strip()
    assert "CANCELLED" in shell("batch", "cancel", "none", batch_id).out
    done = shell("batch", "results", "none", batch_id, "--output", tmp_path / "out.jsonl")
    assert (done.code, done.err) == (1, "2 CANCELLED\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["submit", "abc"], "1 words expected"),
        (["results", "abc", "b1"], "--output FILE is missing"),
        (["status", "abc", "b1", "--timeout", "3"], "--timeout is for"),
        (["status", "abc", "../x"], "batch_id"),
        (["submit", "abc", "nowhere.jsonl"], "No such file"),
        (["submit", "abc", "-"], "no inputs"),
        (["create", "abc", "--output", "x"], "is for results"),
        (["create", "abc", "--input-field", "n"], "is for submit and add"),
    ],
)
def test_bad_calls_are_refused_before_anything_is_sent(shell: Shell, words: list[str], said: str) -> None:
    done = shell("batch", *words)
    assert (done.code, shell.operations) == (2, [])
    assert said in done.err


def test_tables_and_arrays_are_inputs_too(shell: Shell, endpoint: Any, tmp_path: Path) -> None:
    del endpoint
    table = tmp_path / "inputs.csv"
    table.write_text("n,more\n1,x\n2,y\n")
    batch_id = shell("batch", "submit", "abc", table, "--input-field", "n:=n").out.strip()
    array = '[{"n": 3}, {"key": "k", "input": {"n": 4}}]'
    other = shell("batch", "submit", "abc", "-", stdin=array).out.strip()
    for found, outputs in ((batch_id, [1, 2]), (other, [3, 4])):
        output = tmp_path / f"{found}.jsonl"
        assert shell("batch", "results", "abc", found, "--output", output).code == 0
        assert sorted(result["output"] for result in lines(output)) == outputs


def test_a_bad_line_or_too_many_send_nothing(shell: Shell) -> None:
    for text, said in (
        ('{"n": 1}\n[2]\n', "line 2: a JSON object expected"),
        ('{"n": 1}\n' * 5_001, "more than 5000 inputs"),
        ('{"text": "' + "x" * 11_000_000 + '"}\n', "10"),
    ):
        done = shell("batch", "submit", "abc", "-", stdin=text)
        assert (done.code, shell.operations) == (2, []), said
        assert said in done.err
