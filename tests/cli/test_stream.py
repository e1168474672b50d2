"""The command `stream`, and `run --stream`: chunks as they come."""

from __future__ import annotations

import json
import sys
from subprocess import PIPE, Popen
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk.emulator import Fault
from tests.cli.conftest import JOIN, ended, posix_only, process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cli.conftest import Gate, Shell


@pytest.fixture(autouse=True)
def endpoints(shell: Shell) -> None:
    def words(job: dict[str, Any]) -> Iterator[Any]:
        yield from job["input"]["chunks"]
        if "error" in job["input"]:
            raise ValueError(job["input"]["error"])

    shell.emulator.endpoint("abc", words)


def test_each_chunk_is_a_line(shell: Shell) -> None:
    done = shell("run", "abc", 'chunks:=["a b", {"n": 1}, 2]', "--stream")
    [job_id] = shell.emulator.jobs
    assert (done.code, done.out, done.err) == (0, 'a b\n{"n": 1}\n2\n', f"runpod-sdk run: job {job_id}\n")


def test_raw_texts_are_joined_and_other_chunks_are_lines(shell: Shell) -> None:
    assert shell("run", "abc", 'chunks:=["Hel", "lo", {"n": 1}, "!"]', "--stream", "--raw").out == 'Hello{"n": 1}\n!'


def test_chunks_are_objects_with_json(shell: Shell) -> None:
    done = shell("run", "abc", 'chunks:=["a\\nb", 2]', "--stream", "--json")
    assert [chunk["output"] for chunk in done.objects] == ["a\nb", 2]
    assert [chunk.keys() for chunk in done.objects] == [{"output", "metrics"}] * 2


def test_the_stream_of_a_job_is_taken_up_by_its_id(shell: Shell) -> None:
    job_id = shell("run", "abc", 'chunks:=["a", "b"]').out.strip()
    done = shell("stream", "abc", job_id)
    assert (done.code, done.out, done.err) == (0, "a\nb\n", "")


def test_a_job_that_fails_exits_with_1_after_its_chunks(shell: Shell) -> None:
    done = shell("run", "abc", 'chunks:=["a"]', "error=no more", "--stream")
    assert (done.code, done.out) == (1, "a\n")
    assert "no more" in done.err


def test_a_stream_that_is_not_the_output_exits_with_1_after_its_chunks(shell: Shell) -> None:
    def words(job: dict[str, Any]) -> Iterator[Any]:
        yield from job["input"]["chunks"]

    shell.emulator.endpoint("whole", words, return_aggregate_stream=True)
    with shell.emulator.inject(Fault.lose_yield(nth=1)):
        done = shell("run", "whole", 'chunks:=["a", "b", "c"]', "--stream")
    assert (done.code, done.out) == (1, "b\nc\n")
    assert "differs from its output after chunk 0" in done.err
    with shell.emulator.inject(Fault.duplicate_yield(nth=1)):
        job_id = shell("run", "whole", 'chunks:=["a", "b"]').out.strip()
        done = shell("stream", "whole", job_id)
    assert (done.code, done.out) == (1, "a\na\nb\n")
    with shell.emulator.inject(Fault.lose_yield(nth=2)):
        done = shell("run", "whole", 'chunks:=["a", "b"]', "--stream")
    assert (done.code, done.out) == (0, "a\nb\n"), "what is missing at the end comes from the output"


@pytest.mark.slow
def test_a_timeout_tells_how_to_go_on(shell: Shell, gate: Callable[..., Gate]) -> None:
    gate("slow")
    done = shell("run", "slow", "n=1", "--stream", "--timeout", "0.2")
    [job_id] = shell.emulator.jobs
    assert done.code == 124
    assert done.err.endswith(f"Re-attach: runpod-sdk stream slow {job_id}\n")


@pytest.mark.slow
@posix_only
def test_a_chunk_is_written_as_soon_as_it_is_there(shell: Shell, gate: Callable[..., Gate]) -> None:
    held = gate("other")

    def one_then_wait(job: dict[str, Any]) -> Iterator[str]:
        yield "first"
        held(job)

    shell.emulator.endpoint("slow", one_then_wait)
    with process("run", "slow", "n=1", "--stream") as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "first\n"
        held.open()
        assert ended(running).code == 0


@pytest.mark.slow
@posix_only
def test_a_reader_that_has_gone_leaves_the_job_running_and_says_so(shell: Shell) -> None:
    chunks = json.dumps(["x" * 1000] * 100)
    command = [sys.executable, "-m", "runpod_sdk", "run", "abc", f"chunks:={chunks}", "--stream"]
    with Popen(command, stdout=PIPE, stderr=PIPE, text=True) as running:  # noqa: S603  our own words
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        err = running.stderr.read()
        assert running.wait(JOIN) == 141
    [job_id] = shell.emulator.jobs
    assert err.splitlines()[-1] == f"runpod-sdk run: nobody reads any more; job {job_id} goes on"
