"""Chaos: a tenth of all requests refused, many more broken, and still no job twice and none lost in silence.

`nox -s chaos` runs 10,000 jobs, the default suite 200 (TEST_SCALE).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.chaos import storm
from tests.scale import scaled

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow

JOBS = scaled(200)
SEED = int(os.environ.get("CHAOS_SEED", "4"))


@pytest.mark.parametrize("door", ["in process", "socket"])
@pytest.mark.parametrize("run", [storm.run_sync, storm.run_async], ids=["sync", "async"])
def test_no_job_twice_and_none_lost_in_silence(run: Callable[..., storm.Seen], door: str) -> None:
    socket = door == "socket"
    with storm.storm(SEED, JOBS, socket=socket) as (emulator, connection):
        seen = run(connection, JOBS, socket=socket)
        verdict = emulator.ledger.verdict()
    print(f"\n{JOBS} jobs, seed {SEED}, {door}, {run.__name__}\n{verdict}")  # noqa: T201  the ledger's verdict is the result
    storm.assert_nothing_lost_and_nothing_doubled(seen, verdict, JOBS)
    assert len(verdict.ambiguous) > JOBS * 0.02, "the storm was none"
    assert any(each.job_id for each in verdict.ambiguous)


def test_whoever_repeats_everything_submits_twice() -> None:
    with storm.storm(SEED, JOBS, socket=False) as (emulator, connection):
        seen = storm.run_naive(connection, JOBS, seed=SEED)
        verdict = emulator.ledger.verdict()
    print(f"\n{JOBS} jobs, seed {SEED}, repeating everything\n{verdict}")  # noqa: T201  as above
    assert len(seen.outputs) == JOBS
    assert verdict.is_conserved
    assert len(verdict.doubled) > JOBS * 0.01
