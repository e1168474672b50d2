"""`assert_each_job_ran_once`: explains every job that did not run exactly once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk._values._words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from runpod_sdk.emulator import Emulator, JobRecord, Verdict

EMULATORS = pytest.StashKey[list["Emulator"]]()  # those of a test
_CALLED = pytest.StashKey[bool]()  # the test has asked by itself
_ENDED = frozenset({"COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT", "ERROR"})
_SHOWN = 20  # jobs that are named; a bulk run may have thousands


def assertion_for(item: pytest.Item) -> Callable[[], None]:
    """Return what the fixture provides."""
    item.stash[_CALLED] = False

    def assert_each_job_ran_once() -> None:
        __tracebackhide__ = True
        item.stash[_CALLED] = True
        problem = _problem(item)
        if problem:
            raise AssertionError(problem)

    return assert_each_job_ran_once


def judge(item: pytest.Item) -> None:
    """Fail a test that took the fixture and never called it, if its jobs did not run once each."""
    problem = "" if item.stash.get(_CALLED, default=False) else _problem(item)
    if problem:
        pytest.fail(f"assert_each_job_ran_once: {problem}", pytrace=False)


def _problem(item: pytest.Item) -> str:
    """Return what is wrong with the jobs of a test, in words; "" where nothing is."""
    emulators = item.stash.get(EMULATORS, list["Emulator"]())
    if not emulators:
        return "this test takes neither runpod_emulator nor runpod_server, so it has no jobs"
    verdicts = [emulator.ledger.verdict() for emulator in emulators]
    submitted = sum(verdict.submitted for verdict in verdicts)
    if not submitted:
        return "no job was submitted, so none ran once"
    found = [
        line
        for emulator, verdict in zip(emulators, verdicts, strict=True)
        for line in complaints(verdict, emulator.jobs, emulator.ledger.rows())
    ]
    more = [f"… and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
    verdict = f"not every job ran exactly once ({counted(len(found), 'problem')} in {counted(submitted, 'job')}):"
    return "\n  ".join([verdict, *found[:_SHOWN], *more]) if found else ""


def complaints(verdict: Verdict, jobs: Mapping[str, JobRecord], rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return a line for each job that ran never or more than once, has not ended, or was submitted again.

    A job counts as submitted again where its input came twice, and the answer to one of them did not reach the client
    for certain. The same input twice for a reason of the test's own is nothing to complain of.
    """
    steps: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["kind"] == "job":
            steps.setdefault(row["job"], []).append(row)
    found: list[str] = []
    for job_id, executions in verdict.executions.items():
        of_job = steps.get(job_id, [])
        what = _fault_of(executions, jobs.get(job_id), of_job)
        if what:
            found.append(f"job {job_id} {what}: {_history(of_job)}")
    unclear = {each.input_sha256: each for each in verdict.ambiguous}
    for sha256 in verdict.doubled.keys() & unclear:
        each = unclear[sha256]
        how = each.fate if each.status is None else f"HTTP {each.status}"
        ids = " and ".join(verdict.doubled[sha256])
        found.append(f"jobs {ids} are one input, submitted again where the answer to /{each.operation} was {how}")
    if not verdict.is_complete:
        found.append("the ledger (Options.ledger) was too short for all jobs: there may be more")
    return found


def _fault_of(executions: int, record: JobRecord | None, steps: Sequence[Mapping[str, Any]]) -> str:
    """Return what is wrong with a job; "" where it ended and ran once."""
    if executions > 1:
        return f"ran {executions} times"
    if record is not None and record.status not in _ENDED:
        return "has not ended"
    if executions == 0:
        return "never ran"
    # What is forgotten may have ended before, or been overtaken by its ttl.
    overtaken = record is None and bool(steps) and steps[-1]["from"] not in _ENDED
    return "was forgotten before it had ended" if overtaken else ""


def _history(steps: Sequence[Mapping[str, Any]]) -> str:
    """Return the states of a job, each with what brought it there."""
    if not steps:
        return "its history is no longer in the ledger"
    words = [f'IN_QUEUE on endpoint "{steps[0]["endpoint"]}"']
    for step in steps[1:]:
        by = f" on {step['worker']}" if step["event"] == "take" and "worker" in step else ""
        words.append(f"{step['event']}{by} → {step['to']}")
    return ", ".join(words)
