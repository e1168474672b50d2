"""The commands for jobs and endpoints that are there: `status`, `cancel`, `retry`, `health`, `purge`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk.emulator import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Gate, Shell


def failing(job: dict[str, Any]) -> Any:
    raise ValueError("bad prompt")


def submitted(shell: Shell, endpoint_id: str, count: int = 1) -> list[str]:
    return [shell("run", endpoint_id, "n=1").out.strip() for _ in range(count)]


# status


def test_status_is_a_line_for_each_job(shell: Shell, gate: Callable[..., Gate]) -> None:
    held = gate("abc", workers=1)
    running, queued = submitted(shell, "abc", 2)
    held.wait()
    done = shell("status", "abc", running, queued, running)
    labels, *rows = done.out.splitlines()
    lines = [line.split() for line in rows]
    assert (done.code, done.err) == (0, "")
    assert labels.split() == ["JOB", "STATUS", "IN", "QUEUE", "ON", "WORKER", "PROGRESS", "OR", "ERROR"]
    assert rows[0].index("IN_PROGRESS") == labels.index("STATUS")
    assert [line[:2] for line in lines] == [[running, "IN_PROGRESS"], [queued, "IN_QUEUE"]]


def test_status_says_why_a_job_failed(shell: Shell) -> None:
    shell.emulator.endpoint("abc", failing)
    [job_id] = submitted(shell, "abc")
    assert shell("wait", "abc", job_id).code == 1
    done = shell("status", "abc", job_id)
    assert (done.code, done.out.splitlines(keepends=True)[1].split(maxsplit=6)[-1]) == (0, "ValueError: bad prompt\n")


def test_a_job_that_is_not_known_does_not_hide_the_others(shell: Shell, gate: Callable[..., Gate]) -> None:
    gate("abc")
    [job_id] = submitted(shell, "abc")
    done = shell("status", "abc", "nosuch", job_id, "--json")
    assert (done.code, [state["id"] for state in done.objects]) == (1, [job_id])
    assert done.err.startswith('runpod-sdk status: status of job nosuch on endpoint "abc": HTTP 404: job not found; ')
    assert done.err.endswith("or its id is of another endpoint\n")


def test_ids_may_stand_after_options(shell: Shell, gate: Callable[..., Gate]) -> None:
    gate("abc")
    job_ids = submitted(shell, "abc", 2)
    done = shell("status", "abc", job_ids[0], "--json", job_ids[1])
    assert [state["id"] for state in done.objects] == job_ids


def test_an_id_that_is_none_is_refused_before_any_request(shell: Shell) -> None:
    done = shell("status", "abc", "fine", "../run")
    assert (done.code, shell.operations) == (2, [])
    assert done.err.startswith("runpod-sdk status: job_id='../run': ")


# cancel and retry


def test_cancel_ends_jobs_and_says_what_they_are_then(shell: Shell, gate: Callable[..., Gate]) -> None:
    held = gate("abc", workers=1)
    running, queued = submitted(shell, "abc", 2)
    held.wait()
    done = shell("cancel", "abc", running, queued)
    assert (done.code, done.out) == (0, f"{running}  CANCELLED\n{queued}  CANCELLED\n")
    assert [shell.status_of(job_id) for job_id in (running, queued)] == ["CANCELLED"] * 2


def test_cancel_shows_states_with_json(shell: Shell, gate: Callable[..., Gate]) -> None:
    gate("abc")
    [job_id] = submitted(shell, "abc")
    [state] = shell("cancel", "abc", job_id, "--json").objects
    assert (state["id"], state["status"]) == (job_id, "CANCELLED")


def test_retry_queues_a_failed_job_again(shell: Shell) -> None:
    endpoint = shell.emulator.endpoint("abc", failing)
    [job_id] = submitted(shell, "abc")
    shell("wait", "abc", job_id)
    done = shell("retry", "abc", job_id)
    assert (done.code, done.out) == (0, f"{job_id}\n")
    assert shell("wait", "abc", job_id).code == 1
    assert shell.operations.count("retry") == 1
    assert endpoint.id == "abc"


def test_retry_of_a_job_that_did_not_fail_is_refused(shell: Shell) -> None:
    shell.emulator.endpoint("abc", lambda _: 1)
    [job_id] = submitted(shell, "abc")
    shell("wait", "abc", job_id)
    done = shell("retry", "abc", job_id, "--json")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("runpod-sdk retry: retry of job ")


# health


def test_health_is_a_table(shell: Shell) -> None:
    shell.emulator.endpoint("abc", lambda _: 1, workers=2)
    done = shell("health", "abc")
    lines = [line.split("  ") for line in done.out.splitlines()]
    assert done.code == 0
    assert [line.split()[0] for line in done.out.splitlines()] == ["jobs"] * 5 + ["workers"] * 6
    assert len({len(line) for line in done.out.splitlines()}) == 1
    assert lines[5][-1] == "2"


def test_health_is_one_object_with_json(shell: Shell) -> None:
    shell.emulator.endpoint("abc", lambda _: 1, workers=2)
    [health] = shell("health", "abc", "--json").objects
    assert health["jobs"] == {"completed": 0, "failed": 0, "in_progress": 0, "in_queue": 0, "retried": 0}
    assert health["workers"]["idle"] == 2


def test_an_endpoint_that_does_not_exist_exits_with_1(shell: Shell) -> None:
    done = shell("health", "nosuch")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith('runpod-sdk health: health on endpoint "nosuch": HTTP 404')


# purge


@pytest.fixture
def queued(shell: Shell, gate: Callable[..., Gate]) -> list[str]:
    """Return three jobs, of which one runs and two wait."""
    held = gate("abc", workers=1)
    job_ids = submitted(shell, "abc", 3)
    held.wait()
    return job_ids


def test_purge_removes_what_waits(shell: Shell, queued: list[str]) -> None:
    done = shell("purge", "abc", "--yes")
    assert (done.code, done.out, done.err) == (0, "2 removed\n", "")
    assert shell.status_of(queued[0]) == "IN_PROGRESS"


def test_purge_tells_the_number_with_json(shell: Shell, queued: list[str]) -> None:
    assert shell("purge", "abc", "--yes", "--json").objects == [{"removed": 2, "status": "completed"}]


def test_purge_asks_on_a_terminal(shell: Shell, queued: list[str]) -> None:
    done = shell("purge", "abc", stdin="y\n", terminal=True)
    assert (done.code, done.out) == (0, "2 removed\n")
    assert done.err == 'Remove all jobs in the queue of "abc" (now 2)? [y/N] '


@pytest.mark.parametrize(("answer", "terminal"), [("n\n", True), ("\n", True), ("", True), ("y\n", False)])
def test_without_consent_nothing_is_removed(
    answer: str,
    terminal: bool,  # noqa: FBT001  pytest's
    shell: Shell,
    queued: list[str],
) -> None:
    done = shell("purge", "abc", stdin=answer, terminal=terminal)
    assert (done.code, done.out) == (2, "")
    assert done.err.endswith("runpod-sdk purge: nothing was removed; --yes goes on without asking\n")
    assert "purge-queue" not in shell.operations


def test_a_purge_whose_outcome_is_unknown_is_not_repeated(shell: Shell, queued: list[str]) -> None:
    shell.emulator.inject(Fault.drop("after", times=1, on="purge-queue"))
    done = shell("purge", "abc", "--yes")
    assert (done.code, shell.operations.count("purge-queue")) == (1, 1)
