"""`runpod_sdk.compat` beside the official package: the same names and signatures; and the same scripts, run by both.

What may differ stands in the tables of this file; everything else must be as golden.json has it of the official client.
"""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk import compat
from runpod_sdk.compat.endpoint import Job
from runpod_sdk.emulator import Emulator, Options
from tests.official.stage import CLIENTS, play
from tests.official.table import Cell, Seen, cells, golden
from tests.official.test_clients_journeys import WORKERS, journeys

if TYPE_CHECKING:
    from collections.abc import Iterator


SCRIPTS = {"python": "python_sync.py", "asyncio": "python_asyncio.py"}


# Names and signatures.

CLASSES = {
    "Endpoint": compat.Endpoint,
    "endpoint.Job": Job,
    "AsyncioEndpoint": compat.AsyncioEndpoint,
    "AsyncioJob": compat.AsyncioJob,
}
# Modules of others that `dir(runpod)` shows.
FOREIGN = {"logging", "os"}
DESCRIBE = """
import inspect, json, runpod

def described(path):
    cls = runpod
    for name in path.split("."):
        cls = getattr(cls, name)
    return {
        name: [[it.name, str(it.kind), repr(it.default)] for it in inspect.signature(method).parameters.values()]
        for name, method in vars(cls).items()
        if inspect.isfunction(method) and (name == "__init__" or not name.startswith("_"))
    }

print(json.dumps({"classes": {path: described(path) for path in %r}, "names": dir(runpod), "all": runpod.__all__}))
"""


@pytest.fixture(scope="module")
def official(official_python: str) -> dict[str, Any]:
    """Return how the installed official package describes itself."""
    code = DESCRIBE % list(CLASSES)
    done = subprocess.run([official_python, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603  ours
    described: dict[str, Any] = json.loads(done.stdout)
    return described


@pytest.mark.parametrize("path", CLASSES)
def test_each_method_takes_the_same_arguments_with_the_same_defaults(official: dict[str, Any], path: str) -> None:
    theirs: dict[str, list[list[str]]] = official["classes"][path]
    assert theirs
    for name, parameters in theirs.items():
        ours = inspect.signature(getattr(CLASSES[path], name)).parameters.values()
        assert [[each.name, str(each.kind), repr(each.default)] for each in ours] == parameters, name


def test_each_name_is_there_or_says_where_it_is(official: dict[str, Any]) -> None:
    public = {name for name in official["names"] if not name.startswith("_")} - FOREIGN
    assert {"Endpoint", "AsyncioEndpoint", "get_pods"} <= public
    for name in public | {*official["all"]}:
        try:
            getattr(compat, name)
        except AttributeError as error:
            assert "pip install runpod" in str(error), name  # noqa: PT017  a missing name is what is looked for


# The same calls.

OK = "as if nothing had gone wrong"
# What compat makes of an outcome, by what kind of operation it strikes; of all others it makes what the official does.
Table = dict[str, str]
_ALWAYS: Table = {
    "401": "AuthenticationError",
    "404": "NotFoundError",
    "404 problem": "NotFoundError",
    "429": "RateLimitError",
}
_ENDS: Table = {"failed": "JobFailedError", "cancelled": "JobCancelledError"}
_UNKNOWN = dict.fromkeys(("500", "text", "dropped before", "dropped after"), "SubmissionUnknownError")
_ASK = {**_ALWAYS, "500": "InternalServerError", "text": "APIResponseValidationError"}
_REPEATED = dict.fromkeys(("dropped before", "dropped after"), OK)
DIFFERENT: dict[str, Table] = {
    "run": {**_ALWAYS, **_UNKNOWN},
    "runsync": {**_ENDS, **_ALWAYS, **_UNKNOWN},
    "status": _ASK,
    # The faults strike /status; compat waits by /status-sync.
    "output": {**_ENDS, **_ALWAYS, **dict.fromkeys(("404 problem", "429", "500", "text"), OK)},
    # What is known to have taken nothing along is read again, for `PollPolicy.outage`; the rest is a gap.
    "stream": {
        **_ENDS,
        **_ALWAYS,
        **dict.fromkeys(("429", "500", "text"), "running"),
        **dict.fromkeys(("dropped before", "dropped after"), "StreamInterruptedError"),
    },
    "cancel": {**_ASK, **_REPEATED},
    "health": _ASK,
    "purge-queue": {**_ASK, **dict.fromkeys(("dropped before", "dropped after"), "APIConnectionError")},
}
# The chunks that come before an end that differs.
CHUNKS = {"failed": ["Hel"], "dropped before": ["Hel", "lo"]}
MOVED = [cell for cell in cells() if cell.client in SCRIPTS]
TOLD = ("returned", "raised", "running", "chunks", "jobs")


def official_of(cell: Cell, outcome: str | None = None) -> Seen:
    """Return what the official client was seen to return or raise."""
    seen = golden()[cell.client][cell.operation][outcome or cell.outcome]
    return {name: seen[name] for name in TOLD if name in seen}


def expected_of(cell: Cell) -> Seen:
    """Return what compat has to return or raise."""
    different = DIFFERENT[cell.operation].get(cell.outcome)
    if different is None:
        return official_of(cell)
    if different == OK:
        return official_of(cell, "ok")
    room = "compat.error" if different == "AuthenticationError" else "errors"
    seen: Seen = {"running": True} if different == "running" else {"raised": f"runpod_sdk.{room}.{different}"}
    if cell.operation == "stream":
        seen["chunks"] = CHUNKS.get(cell.outcome, [])
    if cell.submits:
        seen["jobs"] = int(cell.outcome in ("failed", "cancelled", "dropped after"))
    return seen


def in_its_place(script: str) -> list[str]:
    return [sys.executable, str(CLIENTS / "moved.py"), script]


@pytest.fixture(scope="module")
def moved(official_python: str) -> dict[str, Seen]:
    """Let the official client's scripts play their cells through compat; by endpoint id, what was seen."""
    del official_python  # these take 15 seconds, and belong to the session that has it
    return play({client: (in_its_place(script), CLIENTS) for client, script in SCRIPTS.items()}, None)


@pytest.mark.parametrize("cell", MOVED, ids=lambda cell: cell.endpoint_id)
def test_a_moved_call_does_what_it_did_or_what_the_table_says(cell: Cell, moved: dict[str, Seen]) -> None:
    seen = moved[cell.endpoint_id]
    assert {name: seen[name] for name in TOLD if name in seen} == expected_of(cell)


@pytest.mark.parametrize("operation", DIFFERENT)
def test_the_table_says_only_what_differs(operation: str) -> None:
    differ = {cell.outcome for cell in MOVED if cell.operation == operation and expected_of(cell) != official_of(cell)}
    assert differ == DIFFERENT[operation].keys()


# The same journeys, several calls long.


@pytest.fixture(scope="module")
def both(official_python: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Make each journey with the official package, and with compat."""
    with Emulator(options=Options(empty_input="delivered")) as emulator:
        for name in ("mock", "streamed"):
            emulator.endpoint(name, workers=2 * WORKERS)
        emulator.endpoint("echo", lambda job: {"input": job["input"]})
        emulator.endpoint("idle", workers=0)
        url = emulator.serve().url
        yield (
            journeys([official_python, "journeys.py"], CLIENTS, url),
            journeys(in_its_place("journeys.py"), CLIENTS, url),
        )


# What compat makes of a journey, where that differs.
TOLD_APART = {
    "empty_input": {"input": {}},
    "input_without_its_name": {"input": {"prompt": "Hi"}},
    "asyncio_output_by_default": "done",
}
SAME = [
    "run_sync_of_a_second",
    "stream_while_it_runs",
    "cancel_while_it_runs",
    "asyncio_output",
    "asyncio_stream_while_it_runs",
    "asyncio_cancel_while_it_runs",
]
Both = tuple[dict[str, Any], dict[str, Any]]


@pytest.mark.parametrize("journey", SAME)
def test_a_moved_journey_ends_where_it_did(journey: str, both: Both) -> None:
    theirs, ours = both
    assert ours[journey] == theirs[journey]


def test_a_moved_journey_that_polls_sees_its_job_end(both: Both) -> None:
    theirs, ours = both
    assert ours["run_and_poll"][1:] == theirs["run_and_poll"][1:] == ["COMPLETED", {"text": "done"}]


def test_a_moved_journey_gives_up_with_a_timeout_error(both: Both) -> None:
    assert [made["output_of_a_queued_job"].partition(":")[0] for made in both] == ["TimeoutError", "TimeoutError"]


@pytest.mark.parametrize("journey", TOLD_APART)
def test_a_moved_journey_without_a_defect_says_so(journey: str, both: Both) -> None:
    theirs, ours = both
    assert ours[journey] == TOLD_APART[journey]
    assert theirs[journey] != ours[journey]


def test_no_journey_is_forgotten(both: Both) -> None:
    assert {*SAME, *TOLD_APART, "run_and_poll", "output_of_a_queued_job"} == both[0].keys() == both[1].keys()
