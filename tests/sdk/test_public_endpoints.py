"""Public endpoints: an input that they refuse is the error of a job, and what a result cost is kept."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk import AsyncClient, Client, JobFailedError
from runpod_sdk.emulator import Emulator, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

# As the documentation of public endpoints shows them.
REFUSED = {"id": "sync-a1b2-u1", "status": "FAILED", "error": "Invalid parameter: width must be divisible by 64"}
PAID = {"id": "sync-a1b2-u1", "status": "COMPLETED", "output": {"image": "…"}, "delayTime": 1, "cost": 0.0025}


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        emulator.endpoint("public", lambda job: job["input"])
        yield emulator


@pytest.mark.parametrize("call", ["run", "run_sync"])
def test_a_refused_input_is_the_error_of_its_job(emulator: Emulator, call: str) -> None:
    emulator.inject(Fault.status(400, body=REFUSED))
    with Client(**emulator.connection) as client:
        with pytest.raises(JobFailedError, match="width must be divisible by 64") as caught:
            getattr(client.endpoint("public"), call)({"width": 65})
        assert caught.value.job is not None
        assert caught.value.job.id == "sync-a1b2-u1"
    assert caught.value.state is not None
    assert caught.value.state.raw == REFUSED


def test_a_refused_input_is_the_error_of_its_job_for_tasks(emulator: Emulator) -> None:
    async def call() -> JobFailedError:
        async with AsyncClient(**emulator.connection) as client:
            with pytest.raises(JobFailedError, match="width must be divisible by 64") as caught:
                await client.endpoint("public").run_sync({"width": 65})
            return caught.value

    emulator.inject(Fault.status(400, body=REFUSED))
    error = asyncio.run(call())
    assert error.job is not None
    assert error.job.id == "sync-a1b2-u1"


def test_a_bulk_run_reports_it_and_goes_on(emulator: Emulator) -> None:
    emulator.inject(Fault.status(400, body=REFUSED, times=1))
    with Client(**emulator.connection) as client:
        inputs: dict[str, Any] = {"bad": {"width": 65}, "good": {"width": 64}}
        with client.endpoint("public").map(inputs, concurrency=1) as run:
            results = {result.key: result for result in run}
    assert isinstance(results["bad"].error, JobFailedError)
    assert results["bad"].state is not None
    assert results["bad"].state.raw == REFUSED
    assert results["good"].output == {"width": 64}


def test_what_a_result_cost_is_kept(emulator: Emulator) -> None:
    with Client(**emulator.connection) as client:
        job = client.endpoint("public").run({"width": 64})
        emulator.inject(Fault.status(200, body={**PAID, "id": job.id}, on=("status", "status-sync")))
        state = job.wait()
        assert state.raw["cost"] == 0.0025
        assert state.output == {"image": "…"}
