"""Chaos: a tenth of all requests refused, many more broken, and still no job twice and none lost in silence.

In process time is virtual. On a socket the way to the service is a bad one, too: SYNs and handshakes without an answer,
and bytes that are swallowed without a word.

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

JOBS, JOBS_NAIVE = scaled(200), scaled(200, 400)
SEED = int(os.environ.get("CHAOS_SEED", "4"))


@pytest.mark.parametrize("door", ["in process", "socket"])
@pytest.mark.parametrize("run", [storm.run_sync, storm.run_async], ids=["sync", "async"])
def test_no_job_twice_and_none_lost_in_silence(run: Callable[..., storm.Seen], door: str) -> None:
    socket = door == "socket"
    with storm.storm(SEED, JOBS, socket=socket) as (emulator, connection, losses):
        seen = run(connection, JOBS, socket=socket)
        verdict = emulator.ledger.verdict()
    print(f"\n{JOBS} jobs, seed {SEED}, {door}, {run.__name__}\n{verdict}")  # noqa: T201  the ledger's verdict is the result
    print(f"lost on the way: {dict(losses.struck)}; unknown for it: {losses.unknown.total()}")  # noqa: T201  as above
    storm.assert_nothing_lost_and_nothing_doubled(seen, verdict, losses, JOBS)
    assert len(verdict.ambiguous) > JOBS * 0.02, "the storm was none"
    assert any(each.job_id for each in verdict.ambiguous)
    if socket:
        assert losses.struck.total() > JOBS * 0.02, "nothing was lost on the way"


def test_whoever_repeats_everything_submits_twice() -> None:
    with storm.storm(SEED, JOBS_NAIVE, socket=False) as (emulator, connection, _):
        seen = storm.run_naive(connection, JOBS_NAIVE, seed=SEED)
        verdict = emulator.ledger.verdict()
    print(f"\n{JOBS_NAIVE} jobs, seed {SEED}, repeating everything\n{verdict}")  # noqa: T201  as above
    assert len(seen.outputs) == JOBS_NAIVE
    assert verdict.is_conserved
    assert len(verdict.doubled) > JOBS_NAIVE * 0.01
