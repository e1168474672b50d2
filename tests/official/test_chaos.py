"""Official workers, unmodified, that are killed all the time: every job ends, none runs too often, nothing is left.

`nox -s chaos` runs 1,000 jobs (TEST_SCALE), `nox -s official` a few dozen. The client is ours, on a quiet network
and in a storm; what it saw, what the workers noted in files of their own, and the ledger have to agree.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest

from runpod_sdk import Client, JobFailedError, PollPolicy, RetryPolicy, SubmissionUnknownError
from runpod_sdk.emulator import Emulator, Options
from tests.chaos import storm
from tests.scale import scaled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runpod_sdk import Map
    from runpod_sdk.emulator import Verdict

pytestmark = pytest.mark.skipif(os.name != "posix", reason="supervised workers are POSIX")

FILE = str(Path(__file__).parent / "workers" / "tally.py")
JOBS = max(60, scaled(20))
SEED = int(os.environ.get("CHAOS_SEED", "4"))
WORKERS = 4
IN_FLIGHT = 64
KILL_EVERY, TERM_EVERY, REFRESH_EVERY = 2, 5, 50  # seconds, seconds, jobs
BEAT = 1.0  # seconds
SECONDS = (0.1, 0.5, 1.0)  # how long jobs take, in turn: as a worker lives for eight, some are lost, and some twice
# Without stalls: on a machine that is busy with starting workers, no patience is both short and long enough.
FAULTS = [(share, fault) for share, fault in storm.RATES if fault.kind != "stall"]


class Havoc:
    """Kills one worker every two seconds and tells one to end every five; the seed says which."""

    def __init__(self, processes: Any, seed: int) -> None:
        self._processes = processes
        self._chance = random.Random(seed)  # noqa: S311  chance that repeats is what is wanted
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._rage, daemon=True)
        self.sent: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _rage(self) -> None:
        beat = 0
        while not self._over.wait(BEAT):
            beat += 1
            if beat % KILL_EVERY == 0:
                self._send(signal.SIGKILL)
            if beat % TERM_EVERY == 0:
                self._send(signal.SIGTERM)

    def _send(self, what: signal.Signals) -> None:
        running: dict[str, int] = self._processes()
        if running:
            with suppress(ProcessLookupError):
                os.kill(self._chance.choice(sorted(running.values())), what)
                self.sent[what.name] += 1


def living(groups: set[int]) -> list[str]:
    """Return the processes of these groups that still run, and go on doing so."""
    command = ["ps", "-A", "-o", "pgid=,stat=,args="]
    found: list[str] = []
    for _ in range(100):  # who was killed may need a moment to die
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()  # noqa: S603  ours
        found = [line for line in lines if int(line.split()[0]) in groups and not line.split()[1].startswith("Z")]
        if not found:
            break
    return found


def sort(results: Map) -> storm.Seen:
    """Run the jobs; a job that was lost with two workers in a row has failed, as it must."""
    seen = storm.Seen()
    with results:
        for result in results:
            if result.is_success:
                seen.got(result.index, result.output)
            elif isinstance(result.error, SubmissionUnknownError):
                seen.unknown[result.error.input_sha256] += 1
            elif isinstance(result.error, JobFailedError) and "job timed out after 1 retries" in str(result.error):
                seen.failed += 1
            else:
                seen.errors.append(f"{result.index}: {result.error!r}")
    return seen


def completions(emulator: Emulator) -> Counter[str]:
    return Counter(row["job"] for row in emulator.ledger.rows() if row.get("to") == "COMPLETED")


def assert_conserved(seen: storm.Seen, verdict: Verdict, jobs: int) -> None:
    assert seen.errors == []
    assert verdict.is_complete
    assert verdict.is_conserved, str(verdict)
    assert not verdict.doubled, str(verdict)
    assert seen.unknown == Counter(each.input_sha256 for each in verdict.ambiguous)
    assert len(seen.outputs) + seen.failed + seen.unknown.total() == jobs
    assert all(outputs == [{"number": number}] for number, outputs in seen.outputs.items())


def assert_no_run_too_many(ran: Mapping[str, int], verdict: Verdict) -> None:
    """Hold the workers' own notes against the ledger: what is handed out may die before it begins, but no more."""
    assert {job_id: times for job_id, times in ran.items() if times > verdict.executions[job_id]} == {}
    assert {job_id: times for job_id, times in ran.items() if times > 1 + verdict.requeues.get(job_id, 0)} == {}


@pytest.mark.parametrize("network", ["quiet", "storm"])
@pytest.mark.fidelity(
    "official workers: however they are killed, each job ends, and runs once and once more per retry",
    source="official source",
)
def test_workers_that_are_killed_all_the_time(official_python: str, network: str, tmp_path: Path) -> None:
    inputs = ({"number": n, "seconds": SECONDS[n % 3], "refresh": n % REFRESH_EVERY == 1} for n in range(JOBS))
    with Emulator(seed=SEED, options=Options(ledger=200 * JOBS)) as emulator:
        endpoint = emulator.endpoint("havoc", command=[official_python, FILE, str(tmp_path)], workers=WORKERS)
        connection = emulator.serve().connection
        if network == "storm":
            storm.rage(emulator, FAULTS)
        assert endpoint.supervisor is not None
        supervisor = endpoint.supervisor
        retry = RetryPolicy(attempts=storm.ATTEMPTS, wait_initial=0.01, wait_max=0.1)
        poll = PollPolicy(hold=10.0, wait_initial=0.01, wait_max=0.1)
        with (
            Client(**connection, retry=retry, poll=poll, limits="off") as client,
            Havoc(lambda: supervisor.processes, SEED) as havoc,
        ):
            seen = sort(client.endpoint("havoc").map(inputs, concurrency=IN_FLIGHT))
            # Jobs of which their caller was not told.
            for each in emulator.ledger.verdict().ambiguous:
                if each.job_id is not None:
                    client.endpoint("havoc").job(each.job_id).wait()
        states = Counter(job.status for job in endpoint.jobs.values())
        verdict = emulator.ledger.verdict()
        completed = completions(emulator)
    groups = {int(line) for line in (tmp_path / "processes").read_text().split()}
    ran = Counter((tmp_path / "begun").read_text().split())
    told = f"{JOBS} jobs, seed {SEED}, {network}, {dict(havoc.sent)}, {len(groups)} processes: {dict(states)}"
    print(f"\n{told}\n{verdict}")  # noqa: T201  the ledger's verdict is the result

    assert living(groups) == []
    assert_conserved(seen, verdict, JOBS)
    assert_no_run_too_many(ran, verdict)
    assert states.keys() <= {"COMPLETED", "FAILED"}, "every job is final"
    assert set(completed.values()) == {1}, "none twice"
    assert len(completed) == states["COMPLETED"]
    assert verdict.requeues.keys() >= {(tmp_path / "died").read_text().strip()}, "a worker died with a job"
