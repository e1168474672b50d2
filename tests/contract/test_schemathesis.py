"""The emulator held against the document: each operation, with data that fits and data that does not, and the links.

Everything runs in process, in virtual time and from fixed seeds. A green run of such a tool can be hollow: on an
endpoint that does not exist every answer is a documented 404. So these tests also look at what was really reached.
"""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, settings
from schemathesis.config import SchemathesisConfig

from runpod_sdk.clock import VirtualClock
from runpod_sdk.emulator import Emulator

pytestmark = pytest.mark.contract

SPEC = Path(__file__).parents[2] / "openapi" / "runpod-queue.yaml"
ENDPOINT = "mock"
# One job for each kind of state that operations tell apart: inputs for the built-in handler.
INPUTS = {
    "running": {"mock_delay": 86_400},
    "completed": {"mock_return": ["done"]},
    "failed": {"mock_error": True},
    "streamed": {"mock_return": ["a", "b"], "mock_delay": 60},
}
WEEK_MS = 604_800_000
CONFIG: dict[str, Any] = {
    "base-url": "http://emulator.test/v2",
    "headers": {"Authorization": "Bearer test"},
    "generation": {"mode": "all", "max-examples": 50, "deterministic": True, "database": "none", "no-shrink": True},
    # Links that the tool makes up by itself would dilute those of the document.
    "phases": {"stateful": {"inference": {"algorithms": []}}},
    "operations": [
        {
            # Only the state of the job decides, and no schema can tell it.
            "include-operation-id": "retry",
            "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "400", "401", "404"]}},
        }
    ],
}


def open_emulator() -> Emulator:
    emulator = Emulator(clock=VirtualClock(), seed=1)
    emulator.endpoint(ENDPOINT, workers=len(INPUTS))
    return emulator


def submit_all(emulator: Emulator) -> list[str]:
    """Submit every input, wait for those that end, and return the ids, which the seed decides."""
    policy = {"executionTimeout": WEEK_MS, "ttl": WEEK_MS}
    with httpx.Client(transport=emulator.transport, headers={"Authorization": "test"}, timeout=3600) as client:
        url = f"{emulator.connection['base_url']}/{ENDPOINT}"
        ids = [client.post(f"{url}/run", json={"input": i, "policy": policy}).json()["id"] for i in INPUTS.values()]
        for job_id in ids[1:3]:
            client.get(f"{url}/status-sync/{job_id}")
    return ids


with open_emulator() as rehearsal:
    JOB_IDS = submit_all(rehearsal)


class Door:
    """An ASGI application that stays, while the emulators behind it change."""

    emulator: Emulator

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.emulator.app(scope, receive, send)


door = Door()


def load(*, known_jobs: bool) -> Any:
    """Load the document, with path parameters that point at what exists; anything else is negative data."""
    document = yaml.safe_load(SPEC.read_text(encoding="utf-8"))
    parameters = document["components"]["parameters"]
    parameters["EndpointId"]["schema"] = {"type": "string", "enum": [ENDPOINT]}
    if known_jobs:
        parameters["JobId"]["schema"] = {"type": "string", "enum": JOB_IDS}
    config = SchemathesisConfig.from_dict(CONFIG)  # pyright: ignore[reportUnknownMemberType]
    schema = schemathesis.openapi.from_dict(document, config=config)
    schema.app = door
    return schema


schema = load(known_jobs=True)
linked = load(known_jobs=False)


@pytest.fixture
def statuses() -> Iterator[set[int]]:
    """Serve an operation from a fresh emulator, and collect what it answers."""
    with open_emulator() as emulator:
        assert submit_all(emulator) == JOB_IDS
        door.emulator = emulator
        seen: set[int] = set()
        yield seen
    assert 200 in seen, "the endpoint or its jobs were never reached"
    assert 404 in seen, "nothing was refused"


@schema.parametrize()  # type: ignore[untyped-decorator]
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # one emulator serves all data of an operation
def test_an_operation_answers_as_documented(case: Any, statuses: set[int]) -> None:
    statuses.add(case.call_and_validate().status_code)


def test_links_lead_from_one_operation_to_the_next() -> None:
    succeeded: dict[str, list[str]] = defaultdict(list)

    # What succeeded on each job, in order.
    class Machine(linked.as_state_machine()):  # type: ignore[misc]
        def after_call(self, response: Any, case: Any) -> None:
            if response.status_code == 200:
                parameters: dict[str, Any] = case.path_parameters or {}
                job_id = parameters.get("job_id") or response.json()["id"]
                succeeded[job_id].append(case.operation.definition.raw["operationId"])

    with open_emulator() as emulator:
        door.emulator = emulator
        Machine.run(
            settings=settings(
                max_examples=150,
                stateful_step_count=8,
                derandomize=True,
                database=None,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
            )
        )
    for way in (["run", "get_status", "cancel"], ["run", "stream"]):
        assert any(is_subsequence(way, steps) for steps in succeeded.values()), f"never went {way} on one job"


def is_subsequence(way: list[str], steps: list[str]) -> bool:
    """Return whether all of `way` stands in `steps`, in this order."""
    rest = iter(steps)
    return all(step in rest for step in way)
