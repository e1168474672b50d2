"""The command `map`: inputs that are taken otherwise than before are not submitted once more."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk import Journal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Done, Shell

    Run = Callable[..., tuple[Done, int]]

CSV = "nr,prompt\n7,a cat\n8,a dog\n"
LINES = '{"nr": 7, "prompt": "a cat"}\n{"nr": 8, "prompt": "a dog"}\n'


@pytest.fixture
def run(shell: Shell, tmp_path: Path) -> Run:
    """Run a file of inputs into one output; return what came of it, and how many were submitted."""
    shell.emulator.endpoint("abc", lambda job: job["input"]["prompt"].upper(), workers=4)

    def run(name: str, text: str, *options: object) -> tuple[Done, int]:
        before = shell.operations.count("run")
        (tmp_path / name).write_text(text)
        output = ("--output", tmp_path / "results.jsonl", "--progress", 0)
        done = shell("map", "abc", tmp_path / name, *output, *options)
        return done, shell.operations.count("run") - before

    return run


@pytest.mark.parametrize(
    ("name", "text", "first", "then"),
    [
        ("in.csv", CSV, [], ["--key-field", "nr"]),
        ("in.jsonl", LINES, ["--key-field", "nr"], []),
        ("in.csv", CSV, ["--key-field", "nr"], ["--input-field", "prompt", "--input-field", "nr"]),
        ("in.jsonl", LINES, ["--input-field", "prompt"], ["--key-field", "nr", "--input-field", "nr"]),
    ],
)
def test_rows_that_would_be_other_inputs_by_other_options_are_refused_as_a_whole(
    name: str, text: str, first: list[str], then: list[str], run: Run, tmp_path: Path
) -> None:
    assert run(name, text, *first)[1] == 2
    before = (tmp_path / "results.jsonl").read_bytes()
    done, submitted = run(name, text, *then)
    assert (done.code, submitted) == (2, 0)
    assert done.err.startswith("runpod-sdk map: line "), "and nothing else before it"
    assert "is known from an earlier run, but as the input that" in done.err
    assert not first or " ".join(first) in done.err
    assert (tmp_path / "results.jsonl").read_bytes() == before
    assert run(name, text, *first)[1] == 0


def test_rows_whose_input_stays_the_same_may_get_keys_and_lose_them(run: Run) -> None:
    assert run("in.csv", CSV, "--input-field", "prompt")[1] == 2
    assert [run("in.csv", CSV, "--input-field", "prompt", *key)[1] for key in (["--key-field", "nr"], [])] == [0, 0]
    done, submitted = run("in.csv", CSV + "9,a cow\n", "--key-field", "nr")
    assert (done.code, submitted) == (0, 1), "this makes the same inputs of them"
    assert run("in.jsonl", '{"prompt": "a cat"}\n{"prompt": "a cow"}\n')[1] == 0


def test_a_column_or_a_key_that_is_put_beside_known_fields_does_not_make_other_inputs_of_them(run: Run) -> None:
    assert run("in.csv", CSV)[1] == 2
    more = "nr,prompt,note\n7,a cat,\n8,a dog,old\n"
    done, submitted = run("in.csv", more)
    assert (done.code, submitted) == (2, 0)
    assert "--input-field nr --input-field prompt would make of it" in done.err
    assert run("in.csv", more, "--input-field", "nr", "--input-field", "prompt")[1] == 0


@pytest.mark.parametrize("name", ["key", "id"])
def test_a_key_that_is_put_beside_the_fields_of_a_line_is_none_of_them(name: str, run: Run) -> None:
    assert run("in.jsonl", '{"prompt": "a cat"}\n')[1] == 1
    keyed = f'{{"{name}": "a", "prompt": "a cat"}}\n'
    done, submitted = run("in.jsonl", keyed)
    assert (done.code, submitted) == (2, 0)
    assert f"as the input that --key-field {name} would make of it" in done.err
    assert run("in.jsonl", keyed, "--key-field", name)[1] == 0
    assert run("in.jsonl", keyed, "--resubmit-renamed")[1] == 1, "if that is what is wanted"


def test_new_rows_may_be_taken_in_another_way(run: Run) -> None:
    assert run("in.csv", CSV)[1] == 2
    done, submitted = run("in.csv", "nr,prompt\n1,a fox\n", "--key-field", "nr")
    assert (done.code, submitted) == (0, 1)


def test_lines_under_other_keys_than_before_are_left_out_unless_that_is_meant(run: Run, tmp_path: Path) -> None:
    def keyed(*keys: str) -> str:
        return "".join(json.dumps({"key": key, "input": {"prompt": "a cat"}}) + "\n" for key in keys)

    assert run("in.jsonl", keyed("a"))[1] == 1
    done, submitted = run("in.jsonl", keyed("b"))
    assert (done.code, submitted) == (1, 0)
    assert "line 1 is left out: key='b': an equal input was submitted before under the key 'a'" in done.err
    assert "give it that key, or --resubmit-renamed submits it once more" in done.err
    done, submitted = run("in.jsonl", keyed("b"), "--resubmit-renamed")
    assert (done.code, submitted) == (0, 1)
    assert run("in.jsonl", keyed("a", "b", "c"))[1] == 1
    assert Journal(tmp_path / "results.jsonl.journal").counts() == {"COMPLETED": 3}


# When it is enough.


def outputs(path: Path) -> list[Any]:
    return [json.loads(line)["status"] for line in path.read_text().splitlines()]


def test_a_run_that_has_failed_enough_is_stopped_and_goes_on_later(shell: Shell, tmp_path: Path) -> None:
    shell.emulator.endpoint("abc", lambda job: 1 / job["input"]["n"], workers=1)
    inputs, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    inputs.write_text("".join(json.dumps({"n": n // 20, "at": n}) + "\n" for n in range(40)))
    command = ("map", "abc", inputs, "--output", output, "--progress", 0, "--concurrency", 1)
    done = shell(*command, "--stop-failures", 3)
    assert (done.code, outputs(output)) == (1, ["FAILED"] * 3)
    assert "stopped: 3 of 3 results without success" in done.err
    assert "the same command goes on with the rest" in done.err
    assert done.err.count("stopped") == 1
    done = shell(*command, "--stop-failure-share", 0.5)
    assert (done.code, outputs(output)) == (1, ["FAILED"] * 20 + ["COMPLETED"] * 3)
    assert (shell(*command).code, outputs(output).count("COMPLETED")) == (1, 20)


def test_a_run_is_stopped_when_its_time_is_over_and_what_is_left_is_not_called_done(
    shell: Shell, tmp_path: Path
) -> None:
    shell.emulator.endpoint("abc", lambda _: 1, workers=1)
    inputs, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    inputs.write_text('{"n": 1}\n')
    done = shell("map", "abc", inputs, "--output", output, "--stop-after", "0.000001")
    assert (done.code, shell.operations.count("run")) == (1, 0)
    assert "stopped: " in done.err


def test_a_window_that_is_what_limits_is_told(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runpod_sdk._client._bulk._map_watch.LOOK_EVERY", 0.001)
    pause = threading.Event()

    def handler(_: object) -> None:
        while shell.operations.count("health") < 5:
            pause.wait(0.001)

    shell.emulator.endpoint("abc", handler, workers=9)
    (tmp_path / "in.jsonl").write_text("".join(f'{{"n": {n}}}\n' for n in range(4)))
    files = (tmp_path / "in.jsonl", "--output", tmp_path / "out.jsonl")
    done = shell("map", "abc", *files, "--concurrency", 2, "--progress", 1000)
    assert done.code == 0
    told = done.err.splitlines()[0]
    assert told.startswith('map on endpoint "abc"  ')
    assert told.endswith("--concurrency auto may start more")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--stop-failures", "0"], "--stop-failures 0: more than 0 expected"),
        (["--stop-failure-share", "2"], "--stop-failure-share 2.0: at most 1 expected (0.2 means 20 %)"),
        (["--stop-cost", "5"], "--stop-cost needs --price-per-second"),
        (["--stop-cost", "-5", "--price-per-second", "1"], "--stop-cost -5.0: more than 0 expected"),
        (["--stop-after", "soon"], "--stop-after: "),
    ],
)
def test_a_limit_that_is_none_is_refused(options: list[str], why: str, shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"n": 1}\n')
    done = shell("map", "abc", tmp_path / "in.jsonl", "--output", tmp_path / "out.jsonl", *options)
    assert done.code == 2
    assert why in done.err
    assert not (tmp_path / "out.jsonl").exists()
