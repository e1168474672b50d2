"""A large bulk run in virtual time, client and emulator in one process: TEST_SCALE=500 makes it 100,000 inputs.

It takes an hour of the service's time, so that jobs are forgotten there while it goes on.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk import AsyncClient, Client, Journal
from runpod_sdk.emulator import Emulator, Options
from tests.scale import scaled
from tests.sdk.flavours import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COUNT = scaled(200, 100_000)
WORKERS = max(1, COUNT // 1_000)
SECONDS = 4.0


def blocks() -> int:
    """Return how many objects Python has."""
    gc.collect()
    return sys.getallocatedblocks()


@pytest.mark.slow
@pytest.mark.parametrize("is_kept", [False, True], ids=["without a journal", "with a journal"])
@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_large_run_keeps_all_workers_busy_runs_each_input_once_and_holds_no_more_at_its_end(
    kind: type[Client | AsyncClient],
    is_kept: bool,  # noqa: FBT001  a parameter
    tmp_path: Path,
) -> None:
    ran, done, held = bytearray(COUNT), bytearray(COUNT), [0, 0]
    journal = tmp_path / "run.sqlite" if is_kept else None

    def handler(job: dict[str, Any]) -> int:
        number: int = job["input"]["n"]
        ran[number] += 1
        emulator.clock.sleep(SECONDS)
        return number

    def inputs() -> Iterator[dict[str, int]]:
        for number in range(COUNT):
            yield {"n": number}

    async def main() -> float:
        async with World.dress(kind(**emulator.connection)) as client:
            results = client.endpoint("abc").map(inputs(), concurrency=WORKERS + WORKERS // 4 + 1, journal=journal)
            count = 0
            async for result in results:
                done[result.output] += 1
                count += 1
                if count in (COUNT * 6 // 10, COUNT):
                    held[count == COUNT] = blocks()
            return emulator.clock.monotonic()

    with Emulator(options=Options(ledger=0, record=0)) as emulator:
        emulator.endpoint("abc", handler, workers=WORKERS)
        took = asyncio.run(main())
    assert ran == done == bytearray(b"\1") * COUNT
    assert took < 1.05 * COUNT * SECONDS / WORKERS + 60
    assert held[1] - held[0] < 2_000 + COUNT // 5, "no input leaves anything behind"
    if journal is not None:
        assert Journal(journal).counts() == {"COMPLETED": COUNT}
