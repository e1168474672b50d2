"""A worker is interrupted at twelve points of a job's life: it dies, or its connection drops and it lives.

The table says for each of the twenty-four what the ledger has to hold, row by row, from the submit to the end of the
job: seconds, cause, and what happened. Requests are left out; each shows as its answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk.emulator import Fault, Options
from tests.emulator.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.emulator.wire import Exchange


class Worker:
    """A worker `w` that does what the official one does, on connections that a test can cut."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.began = wire.clock.time()
        self.job = ""
        self.takes: list[Exchange] = []
        self.stops: list[Exchange] = []

    def submit(self) -> None:
        self.job = self.wire.ask("POST", "/run", {"input": {"n": 1}})["id"]

    def take(self) -> Exchange:
        self.takes.append(self.wire.open("GET", "/job-take/w"))
        return self.takes[-1]

    def begin(self) -> None:
        """Take a job, and work for half a minute."""
        self.submit()
        self.take()
        self.wire.advance(30)

    def watch(self) -> Exchange:
        self.stops.append(self.wire.open("GET", "/job-stop/w"))
        return self.stops[-1]

    def ping(self) -> None:
        self.wire.open("GET", f"/ping/w?job_id={self.job}")

    def progress(self) -> None:
        self.wire.open("POST", f"/job-done/w/{self.job}", {"status": "IN_PROGRESS", "output": "half"})

    def chunk(self) -> None:
        self.wire.open("POST", f"/job-stream/w/{self.job}", {"output": 1})

    def deliver(self, name: str = "w") -> None:
        self.wire.open("POST", f"/job-done/{name}/{self.job}", {"output": 1})

    def lose(self, fault: Fault) -> None:
        self.wire.emulator.inject(fault)

    def finish(self, take: Exchange, name: str) -> None:
        """Let a minute pass; who has the job by then, delivers it after a second."""
        for _ in range(60):
            self.wire.advance(1)
            if take.status == 200 and self.wire.emulator.jobs[self.job].status == "IN_PROGRESS":
                self.deliver(name)
        self.wire.drop(take)

    def ledger(self) -> list[str]:
        """Return a line for each row that is no request."""
        rows = self.wire.emulator.ledger.rows()
        names = {row["n"]: row["operation"] for row in rows if row["kind"] == "request"}
        return [
            f"{row['time'] - self.began:g} {names.get(row.get('cause'), row.get('cause'))}: {_what(row)}"
            for row in rows
            if row["kind"] != "request"
        ]


def _what(row: dict[str, Any]) -> str:
    match row["kind"]:
        case "answer":
            return str(row.get("status", row["fate"]))
        case "fault":
            return f"fault {row['fault']} {row['when']}"
        case "ignored":
            return f"{row['event']} by {row['worker']}, ignored"
        case _:
            by = f" by {row['worker']}" if "worker" in row else ""
            retries = f", retries {row['retries']}" if "retries" in row else ""
            return f"{row['event']}{by}, {row['to']}{retries}"


@pytest.fixture
def worker() -> Iterator[Worker]:
    wire = Wire(Options(lease=40.0, take_hold=60.0))
    yield Worker(wire)
    wire.close()


# The twelve points. Each ends with the interruption.


def its_take_is_held(worker: Worker) -> None:
    worker.wire.drop(worker.take())
    worker.submit()


def its_job_is_not_written_yet(worker: Worker) -> None:
    worker.take().close()
    worker.submit()


def its_job_is_on_the_way(worker: Worker) -> None:
    worker.take()
    worker.lose(Fault.lose_take(times=1))
    worker.submit()


def it_watches_for_stops(worker: Worker) -> None:
    worker.begin()
    worker.wire.drop(worker.watch())


def its_ping_is_on_the_way(worker: Worker) -> None:
    worker.begin()
    worker.lose(Fault.drop(on="ping", times=1))
    worker.ping()


def its_ping_has_arrived(worker: Worker) -> None:
    worker.begin()
    worker.lose(Fault.drop("after", on="ping", times=1))
    worker.ping()


def its_progress_is_on_the_way(worker: Worker) -> None:
    worker.begin()
    worker.lose(Fault.drop(on="job-progress", times=1))
    worker.progress()


def its_progress_has_arrived(worker: Worker) -> None:
    worker.begin()
    worker.lose(Fault.drop("after", on="job-progress", times=1))
    worker.progress()


def its_chunk_is_on_the_way(worker: Worker) -> None:
    worker.begin()
    worker.lose(Fault.drop(on="job-stream", times=1))
    worker.chunk()


def its_chunk_has_arrived(worker: Worker) -> None:
    worker.begin()
    worker.lose(Fault.drop("after", on="job-stream", times=1))
    worker.chunk()


def its_result_is_on_the_way(worker: Worker) -> None:
    worker.begin()
    worker.lose(Fault.drop(on="job-done", times=1))
    worker.deliver()


def its_result_has_arrived(worker: Worker) -> None:
    worker.begin()
    worker.lose(Fault.drop("after", on="job-done", times=1))
    worker.deliver()


# What happens then.


def dies(worker: Worker, _: Callable[[Worker], object] | None) -> None:
    """Nothing is heard of it any more; another worker waits for a job."""
    for poll in worker.takes + worker.stops:
        worker.wire.drop(poll)
    worker.finish(worker.wire.open("GET", "/job-take/other"), "other")


def lives(worker: Worker, repeats: Callable[[Worker], object] | None) -> None:
    """It does again what it does not know to be done, and goes on."""
    if repeats is not None:
        repeats(worker)
    worker.finish(worker.takes[-1], "w")


# What the ledger holds then.

TAKEN = ["0 run: submit, IN_QUEUE", "0 run: 200", "0 job-take: take by w, IN_PROGRESS", "0 job-take: 200"]
HANDED = ["0 run: submit, IN_QUEUE", "0 run: take by w, IN_PROGRESS", "0 run: 200"]


def first_run(seconds: int, name: str) -> list[str]:
    return [f"{seconds} job-done: succeed by {name}, COMPLETED", f"{seconds} job-done: 200"]


def second_run(seconds: int, name: str) -> list[str]:
    """Its lease was over then, and the job given to who waited."""
    return [
        f"{seconds} deadline: lose by w, IN_QUEUE, retries 1",
        f"{seconds} deadline: take by {name}, IN_PROGRESS, retries 1",
        f"{seconds} job-take: 200",
        f"{seconds} job-done: succeed by {name}, COMPLETED, retries 1",
        f"{seconds} job-done: 200",
    ]


def given_back(name: str) -> list[str]:
    """It was known at once that nobody had read the answer."""
    return [
        "0 job-take: lose by w, IN_QUEUE, retries 1",
        "0 job-take: left",
        f"0 job-take: take by {name}, IN_PROGRESS, retries 1",
        "0 job-take: 200",
        f"1 job-done: succeed by {name}, COMPLETED, retries 1",
        "1 job-done: 200",
    ]


def untouched(name: str) -> list[str]:
    return [
        "0 job-take: left",
        "0 run: submit, IN_QUEUE",
        "0 run: 200",
        f"0 job-take: take by {name}, IN_PROGRESS",
        "0 job-take: 200",
        *first_run(1, name),
    ]


@dataclass(frozen=True)
class Boundary:
    """A point; what the worker does again if it lives; the ledger up to the point, and after it, by what happens."""

    reach: Callable[[Worker], None]
    repeats: Callable[[Worker], object] | None
    before: list[str]
    dies: list[str]
    lives: list[str]


BOUNDARIES = [
    Boundary(its_take_is_held, Worker.take, [], untouched("other"), untouched("w")),
    Boundary(its_job_is_not_written_yet, Worker.take, HANDED, given_back("other"), given_back("w")),
    Boundary(
        its_job_is_on_the_way,
        Worker.take,
        [*HANDED, "0 job-take: fault lose before", "0 job-take: dropped"],
        second_run(40, "other"),
        second_run(40, "w"),
    ),
    Boundary(
        it_watches_for_stops,
        Worker.watch,
        [*TAKEN, "30 job-stop: left"],
        second_run(35, "other"),
        [*first_run(31, "w"), "90 job-stop: 204"],
    ),
    Boundary(
        its_ping_is_on_the_way,
        None,
        [*TAKEN, "30 ping: fault drop before", "30 ping: dropped"],
        second_run(40, "other"),
        first_run(31, "w"),
    ),
    Boundary(
        its_ping_has_arrived,
        None,
        [*TAKEN, "30 ping: fault drop after", "30 ping: dropped"],
        second_run(70, "other"),
        first_run(31, "w"),
    ),
    Boundary(
        its_progress_is_on_the_way,
        Worker.progress,
        [*TAKEN, "30 job-done: fault drop before", "30 job-done: dropped"],
        second_run(40, "other"),
        ["30 job-done: 200", *first_run(31, "w")],
    ),
    Boundary(
        its_progress_has_arrived,
        Worker.progress,
        [*TAKEN, "30 job-done: fault drop after", "30 job-done: dropped"],
        second_run(70, "other"),
        ["30 job-done: 200", *first_run(31, "w")],
    ),
    Boundary(
        its_chunk_is_on_the_way,
        Worker.chunk,
        [*TAKEN, "30 job-stream: fault drop before", "30 job-stream: dropped"],
        second_run(40, "other"),
        ["30 job-stream: 200", *first_run(31, "w")],
    ),
    Boundary(
        its_chunk_has_arrived,
        Worker.chunk,
        [*TAKEN, "30 job-stream: fault drop after", "30 job-stream: dropped"],
        second_run(70, "other"),
        ["30 job-stream: 200", *first_run(31, "w")],
    ),
    Boundary(
        its_result_is_on_the_way,
        Worker.deliver,
        [*TAKEN, "30 job-done: fault drop before", "30 job-done: dropped"],
        second_run(40, "other"),
        first_run(30, "w"),
    ),
    Boundary(
        its_result_has_arrived,
        Worker.deliver,
        [*TAKEN, "30 job-done: fault drop after", "30 job-done: succeed by w, COMPLETED", "30 job-done: dropped"],
        ["90 job-take: 204"],
        ["30 job-done: succeed by w, ignored", "30 job-done: 200"],
    ),
]
NAMES = [boundary.reach.__name__ for boundary in BOUNDARIES]


def test_twelve_points_are_named() -> None:
    assert len(set(NAMES)) == len(BOUNDARIES) == 12


@pytest.mark.one_in(5)
@pytest.mark.parametrize("happens", [dies, lives])
@pytest.mark.parametrize("boundary", BOUNDARIES, ids=NAMES)
@pytest.mark.fidelity("worker: a job goes back to the queue when its lease runs out (Options.lease)", source="live")
def test_the_ledger_of_an_interruption(
    worker: Worker, boundary: Boundary, happens: Callable[[Worker, Callable[[Worker], object] | None], None]
) -> None:
    boundary.reach(worker)
    happens(worker, boundary.repeats)
    assert worker.ledger() == boundary.before + (boundary.dies if happens is dies else boundary.lives)
    verdict = worker.wire.emulator.ledger.verdict()
    assert (verdict.is_conserved, verdict.submitted) == (True, 1)
    assert verdict.is_clean == (verdict.executions[worker.job] <= 1)
    assert verdict.is_clean or happens is dies
    assert worker.wire.emulator.jobs[worker.job].status == "COMPLETED"
