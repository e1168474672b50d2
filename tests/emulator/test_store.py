"""State that outlives an emulator: what is in the file is there again, however the one before ended."""

from __future__ import annotations

import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk import Client, NotFoundError
from runpod_sdk.emulator import Emulator, EmulatorFileError, Ledger, Options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from runpod_sdk import Endpoint
    from runpod_sdk.emulator import JobRecord
    from runpod_sdk.emulator._record._ledger import Fate


def chunks(job: dict[str, Any]) -> Iterator[int]:
    yield from range(job["input"]["n"])


class Run:
    """One emulator on a file, and a client of it."""

    def __init__(self, path: Path, **options: Any) -> None:
        self.emulator = Emulator(db=path, options=Options(**options))
        self.emulator.endpoint("e")
        self.emulator.endpoint("g", chunks)
        self.emulator.endpoint("nobody", workers=0)
        self.client = Client(**self.emulator.connection)

    def endpoint(self, endpoint_id: str = "e") -> Endpoint:
        return self.client.endpoint(endpoint_id)

    def close(self) -> None:
        self.client.close()
        self.emulator.close()


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Return what begins a run on the same file; the one before is closed."""
    runs: list[Run] = []

    def begun(**options: Any) -> Run:
        if runs:
            runs[-1].close()
        runs.append(Run(tmp_path / "state.db", **options))
        return runs[-1]

    yield begun
    runs[-1].close()


def test_finished_jobs_are_there_with_what_they_said(begin: Callable[..., Run]) -> None:
    run = begin()
    done, failed = run.endpoint().run({"mock_return": None}), run.endpoint().run({"mock_error": "bad"})
    states = [done.wait(timeout=60), failed.wait(timeout=60)]
    run = begin()
    assert [run.endpoint().job(job.id).state() for job in (done, failed)] == states
    assert "output" in states[0].raw  # null is an output


def test_a_queued_job_is_run_once_there_is_a_worker(begin: Callable[..., Run]) -> None:
    run = begin()
    job = run.endpoint("nobody").run({"n": 1}, low_priority=True, webhook="https://example.com/hook", ttl=7200)
    later = run.endpoint("nobody").run({"n": 2})
    record = run.emulator.jobs[job.id]
    run = begin()
    assert run.emulator.jobs[job.id] == record
    assert [each.input["n"] for each in run.emulator.jobs.values()] == [1, 2]
    assert run.endpoint("nobody").job(later.id).cancel().status == "CANCELLED"


def test_a_running_job_is_given_to_another_when_its_worker_s_lease_is_over(begin: Callable[..., Run]) -> None:
    run = begin(lease=40.0)
    job = run.endpoint().run({"mock_return": 1, "mock_delay": 300})
    run.emulator.clock.sleep(100)
    assert job.status() == "IN_PROGRESS"
    run = begin(lease=40.0)
    job = run.endpoint().job(job.id)
    run.emulator.clock.sleep(39)
    assert (job.status(), job.state().retries) == ("IN_PROGRESS", 0)
    state = job.wait(timeout=1000)
    assert (state.output, state.retries, state.delay_time_ms) == (1, 1, 140_000)


def test_a_job_goes_on_expiring(begin: Callable[..., Run]) -> None:
    run = begin()
    job = run.endpoint().run({"mock_return": 1})
    job.wait(timeout=60)
    run.emulator.clock.sleep(1000)
    run = begin()
    job = run.endpoint().job(job.id)
    run.emulator.clock.sleep(790)
    assert job.status() == "COMPLETED"
    run.emulator.clock.sleep(20)
    with pytest.raises(NotFoundError):
        job.state()
    run = begin()
    assert run.emulator.jobs == {}


def test_chunks_that_nobody_has_read_are_handed_out_once(begin: Callable[..., Run]) -> None:
    run = begin()
    unread, read = run.endpoint("g").run({"n": 3}), run.endpoint("g").run({"n": 4})
    unread.wait(timeout=60)
    with read.stream(timeout=60) as stream:
        assert list(stream) == [0, 1, 2, 3]
    run = begin()
    assert (run.emulator.jobs[unread.id].chunks, run.emulator.jobs[read.id].chunks) == (3, 0)
    with run.endpoint("g").job(unread.id).stream(timeout=60) as stream:
        assert list(stream) == [0, 1, 2]
    run = begin()
    assert run.emulator.jobs[unread.id].chunks == 0


def test_a_ttl_that_a_reader_has_set_is_kept(begin: Callable[..., Run]) -> None:
    run = begin()
    job = run.endpoint("nobody").run({"n": 1})
    job.state(ttl=60)
    run = begin()
    run.emulator.clock.sleep(61)
    assert run.emulator.jobs == {}


def test_a_retried_job_begins_anew(begin: Callable[..., Run]) -> None:
    run = begin()
    job = run.endpoint().run({"mock_error": "bad"})
    job.wait(timeout=60)
    job.retry()
    run = begin()
    assert run.endpoint().job(job.id).wait(timeout=1000).status == "FAILED"


def test_counts_and_ledger_go_on(begin: Callable[..., Run]) -> None:
    run = begin()
    for number in range(3):
        run.endpoint().run({"mock_return": number}).wait(timeout=60)
    run.endpoint().run({"mock_error": "bad"}).wait(timeout=60)
    health, ledger = run.endpoint().health(), run.emulator.ledger
    before = (ledger.verdict(), ledger.rows(), run.emulator.clock.time())
    run = begin()
    ledger = run.emulator.ledger
    assert (ledger.verdict(), ledger.rows(), run.emulator.clock.time()) == before
    assert run.endpoint().health().jobs == health.jobs
    run.endpoint().run({"mock_return": 3}).wait(timeout=60)
    assert ledger.verdict().submitted == 5
    assert ledger.verdict().is_clean
    assert [row["n"] for row in ledger.rows()] == list(range(1, len(ledger) + 1))


def test_a_small_ledger_stays_small(begin: Callable[..., Run], tmp_path: Path) -> None:
    run = begin(ledger=10)
    for number in range(20):
        run.endpoint().run({"mock_return": number}).wait(timeout=60)
    run.close()
    with sqlite3.connect(tmp_path / "state.db") as connection:
        counts = [connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("ledger", "account")]  # noqa: S608  two names
    connection.close()
    assert counts == [10, 10]
    run = begin(ledger=10)
    assert (len(run.emulator.ledger), run.emulator.ledger.verdict().is_complete) == (10, False)


def test_the_same_seed_gives_no_id_twice(begin: Callable[..., Run]) -> None:
    run = begin()
    first = [run.endpoint("nobody").run({"n": n}).id for n in range(3)]
    run = begin()
    second = [run.endpoint("nobody").run({"n": n}).id for n in range(3)]
    assert not {*first} & {*second}
    assert len(run.emulator.jobs) == 6


def test_a_reset_forgets_what_is_in_the_file_too(begin: Callable[..., Run]) -> None:
    run = begin()
    run.endpoint().run({"mock_return": 1}).wait(timeout=60)
    run.emulator.reset()
    kept = run.endpoint().run({"mock_return": 2})
    run = begin()
    assert [*run.emulator.jobs] == [kept.id]
    assert run.emulator.ledger.verdict().submitted == 1


def test_an_endpoint_that_is_not_declared_this_time_is_there_the_next(tmp_path: Path) -> None:
    with Emulator(db=tmp_path / "x.db") as emulator:
        emulator.endpoint("a", workers=0)
        with Client(**emulator.connection) as client:
            job = client.endpoint("a").run({"n": 1})
    with Emulator(db=tmp_path / "x.db") as emulator:
        emulator.endpoint("b")
        assert emulator.jobs == {}
    with Emulator(db=tmp_path / "x.db") as emulator:
        emulator.endpoint("a")
        with Client(**emulator.connection) as client:
            assert client.endpoint("a").job(job.id).wait(timeout=60).status == "COMPLETED"


def test_a_submit_that_was_not_answered_is_one_that_nobody_knows() -> None:
    def new() -> Ledger:
        return Ledger(lambda: 0.0, threading.Lock(), lambda: 0, 10)

    first, second = new(), new()
    first.resume([], [], None)
    answered = first.request("run", "POST", "/v2/e/run", "e", None, "a" * 64)
    first.answer(answered, 200, "whole", "IN_QUEUE")
    first.request("run", "POST", "/v2/e/run", "e", None, "b" * 64)
    unsaved = first.unsaved()
    assert unsaved is not None
    assert unsaved.lists is not None
    second.resume(unsaved.rows, [], {**unsaved.totals, **unsaved.lists})
    assert [(each.input_sha256, each.fate) for each in second.verdict().ambiguous] == [("b" * 64, "left")]


def test_what_a_ledger_lists_is_written_where_it_has_changed() -> None:
    ledger = Ledger(lambda: 0.0, threading.Lock(), lambda: 0, 10)
    ledger.resume([], [], None)

    def written(fate: Fate) -> int | None:
        """Return how many ambiguous submits are written after one more submit."""
        ledger.answer(ledger.request("run", "POST", "/v2/e/run", "e", None, "a" * 64), 200, fate, "IN_QUEUE")
        unsaved = ledger.unsaved()
        assert unsaved is not None
        return None if unsaved.lists is None else len(unsaved.lists["ambiguous"])

    assert [written("whole"), written("whole"), written("dropped"), written("whole"), written("reset")] == [
        0,
        None,
        1,
        None,
        2,
    ]


# What is refused, before anything is done.


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("text", r"x\.db is not a state file of the emulator$"),
        ("another database", r"x\.db is not a state file of the emulator$"),
        ("newer", r"x\.db: it is a file of version 99"),
        ("directory", r"x\.db: "),
        ("no folder", r"x\.db: "),
    ],
)
def test_a_file_of_something_else_is_refused_and_left_alone(tmp_path: Path, kind: str, said: str) -> None:
    path = tmp_path / "x.db"
    if kind == "text":
        path.write_text("not a database, but of some length\n" * 100, encoding="utf-8")
    elif kind == "directory":
        path.mkdir()
    elif kind == "no folder":
        path = tmp_path / "none" / "x.db"
    else:
        if kind == "newer":
            Emulator(db=path).close()
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA user_version = 99" if kind == "newer" else "CREATE TABLE mine(a)")
        connection.close()
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(EmulatorFileError, match=said):
        Emulator(db=path)
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_one_emulator_has_it_at_a_time(tmp_path: Path) -> None:
    with Emulator(db=tmp_path / "x.db"), pytest.raises(EmulatorFileError, match="is in use by another emulator"):
        Emulator(db=tmp_path / "x.db")
    Emulator(db=tmp_path / "x.db").close()


@pytest.mark.skipif(sys.platform == "win32", reason="needs the permissions of POSIX")
def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    Emulator(db=tmp_path / "x.db").close()
    assert stat.S_IMODE((tmp_path / "x.db").stat().st_mode) == 0o600


# Killed, at any moment.

KILLED = """
import sys
from runpod_sdk import Client
from runpod_sdk.emulator import Emulator

emulator = Emulator(db=sys.argv[1])
emulator.endpoint("e", workers=2)
with Client(**emulator.connection) as client:
    for n in range(1_000_000):
        job = client.endpoint("e").run({"mock_return": n, "mock_delay": 1})
        print("submitted", job.id, n, flush=True)
        if n % 3 == 0:
            print("ended", job.id, job.output(timeout=1000), flush=True)
"""


def test_each_answer_is_in_the_file_before_it_is_given(begin: Callable[..., Run], tmp_path: Path) -> None:
    run = begin()

    def killed() -> dict[str, JobRecord]:
        """Return what an emulator knows that finds the files as a kill would leave them now."""
        for end in ("", "-wal"):
            shutil.copy(tmp_path / f"state.db{end}", tmp_path / f"copy.db{end}")
        other = Run(tmp_path / "copy.db")
        found = other.emulator.jobs
        other.close()
        for path in tmp_path.glob("copy.db*"):
            path.unlink()
        return found

    jobs = [run.endpoint("nobody").run({"n": n}) for n in range(3)]
    assert [*killed()] == [job.id for job in jobs]
    jobs[0].cancel()
    assert killed()[jobs[0].id].status == "CANCELLED"
    failed = run.endpoint().run({"mock_error": "bad"})
    failed.wait(timeout=60)
    assert killed()[failed.id].state == failed.state().raw
    failed.retry()
    assert killed()[failed.id].status != "FAILED"
    streamed = run.endpoint("g").run({"n": 2})
    with streamed.stream(timeout=60) as stream:
        next(stream)
        streamed.wait(timeout=60)  # its worker sends no more
        assert killed()[streamed.id].chunks == run.emulator.jobs[streamed.id].chunks
    run.endpoint("nobody").purge_queue()
    assert {killed()[job.id].status for job in jobs} == {"CANCELLED"}


@pytest.mark.slow
def test_what_was_acknowledged_is_there_after_kill_9(tmp_path: Path) -> None:
    path, chance, kills = tmp_path / "x.db", Random(0), 20  # noqa: S311  a test that repeats
    command = [sys.executable, "-c", KILLED, str(path)]
    told: dict[str, dict[str, int]] = {"submitted": {}, "ended": {}}
    for _ in range(kills):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  our own program
            assert process.stdout is not None
            for _ in range(chance.randrange(1, 60)):
                what, job_id, said = process.stdout.readline().split()
                told[what][job_id] = int(said)
            process.kill()
            for line in process.stdout:
                if line.endswith("\n"):
                    what, job_id, said = line.split()
                    told[what][job_id] = int(said)
    with Emulator(db=path) as emulator:
        emulator.endpoint("e")
        with Client(**emulator.connection) as client:
            for job_id in told["ended"]:
                assert client.endpoint("e").job(job_id).status() == "COMPLETED"
            for job_id, number in told["submitted"].items():
                assert client.endpoint("e").job(job_id).output(timeout=1000) == number
        assert emulator.ledger.verdict().is_conserved
