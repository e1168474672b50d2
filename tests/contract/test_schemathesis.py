"""The emulator held against the document: each operation, with data that fits and data that does not, and the links.

Everything runs in virtual time and from fixed seeds, in process; links are followed over a socket, too. A green run of
such a tool can be hollow: on an endpoint that does not exist every answer is a documented 404. So these tests also look
at what was really reached.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, seed, settings
from schemathesis.config import SchemathesisConfig

from runpod_sdk.clock import VirtualClock
from runpod_sdk.emulator import Emulator, Options
from runpod_sdk.emulator._doors._listener import Listener
from tests.scale import scaled
from tests.spec import spec

pytestmark = [pytest.mark.contract, pytest.mark.slow]

ENDPOINT = "mock"
# One job for each kind of state that operations tell apart: inputs for the built-in handler.
INPUTS = {
    "running": {"mock_delay": 86_400},
    "completed": {"mock_return": ["done"]},
    "failed": {"mock_error": True},
    "streamed": {"mock_return": ["a", "b"], "mock_delay": 60},
}
BATCHES = 2  # a draft with a request, and one that is being processed
WEEK_MS = 604_800_000
# Requests to an operation, and histories in a round; more in `nox -s contract`, and over a socket in `nox -s chaos`.
EXAMPLES = scaled(8)
CONFIG: dict[str, Any] = {
    "base-url": "http://emulator.test/v2",
    "headers": {"Authorization": "Bearer test"},
    "generation": {
        "mode": "all",
        "max-examples": EXAMPLES,
        "deterministic": True,
        "database": "none",
        "no-shrink": True,
    },
    # Links that the tool makes up by itself would dilute those of the document.
    "phases": {"stateful": {"inference": {"algorithms": []}}},
    "operations": [
        {
            # Only the state of the job decides, and no schema can tell it.
            "include-operation-id": operation_id,
            "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "400", "401", "404"]}},
        }
        for operation_id in ("cancel", "retry", "add_batch_requests", "remove_batch_request", "finalize_batch")
    ]
    + [
        {
            # There may be ten at once.
            "include-operation-id": "create_batch",
            "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "429"]}},
        }
    ],
}
# Where the service's behaviour is unknown the document allows more than one answer: the emulator's, and its others.
CHOICES = {
    "defaults": Options(),
    "others": Options(not_found="problem", cancel_finished="refused", empty_input="delivered"),
}
# The ways that one job must have gone at least, and how often to try. Held or not, a job is submitted and looked at.
WAYS = (["run", "status", "cancel"], ["run", "stream"], ["run", "cancel", "status"])
WAYS_OF_BATCHES = (["create_batch", "add_batch_requests", "finalize_batch", "list_batch_requests"],)
ROUNDS = 15
STEPS = {"run_sync": "run", "get_status": "status", "get_status_sync": "status"}

MACHINE_SETTINGS = settings(
    max_examples=EXAMPLES,
    stateful_step_count=8,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def open_emulator() -> Emulator:
    emulator = Emulator(clock=VirtualClock(), seed=1)
    emulator.endpoint(ENDPOINT, workers=len(INPUTS))
    return emulator


def submit_all(emulator: Emulator) -> list[str]:
    """Submit every input, wait for those that end, and return the ids, which the seed decides; of batches last."""
    policy = {"executionTimeout": WEEK_MS, "ttl": WEEK_MS}
    with httpx.Client(transport=emulator.transport, headers={"Authorization": "test"}, timeout=3600) as client:
        url = f"{emulator.connection['base_url']}/{ENDPOINT}"
        ids = [client.post(f"{url}/run", json={"input": i, "policy": policy}).json()["id"] for i in INPUTS.values()]
        for job_id in ids[1:3]:
            client.get(f"{url}/status-sync/{job_id}")
        ids += [client.post(f"{url}/batch", json=[{"input": {}}]).json()["id"] for _ in range(BATCHES)]
        ids.append(client.get(f"{url}/batch/{ids[-2]}/requests").json()["requests"][0]["id"])
        client.post(f"{url}/batch/{ids[-2]}/finalize")
    return ids


with open_emulator() as rehearsal:
    KNOWN_IDS = submit_all(rehearsal)
    JOB_IDS = KNOWN_IDS[: len(INPUTS)]


class Door:
    """An ASGI application that stays, while the emulators behind it change."""

    emulator: Emulator

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.emulator.app(scope, receive, send)


door = Door()


def load(*, known_jobs: bool, url: str | None = None) -> Any:
    """Load the document, with path parameters that point at what exists; anything else is negative data.

    What it describes is asked at `url`; None: in process.
    """
    document = spec()
    parameters = document["components"]["parameters"]
    parameters["EndpointId"]["schema"] = {"type": "string", "enum": [ENDPOINT]}
    if known_jobs:
        parameters["JobId"]["schema"] = {"type": "string", "enum": JOB_IDS}
        parameters["BatchId"]["schema"] = {"type": "string", "enum": KNOWN_IDS[-3:-1]}
        parameters["RequestId"]["schema"] = {"type": "string", "enum": KNOWN_IDS[-1:]}
    config = SchemathesisConfig.from_dict(CONFIG | {"base-url": url or CONFIG["base-url"]})  # pyright: ignore[reportUnknownMemberType]
    schema = schemathesis.openapi.from_dict(document, config=config)
    if url is None:
        schema.app = door
    return schema


def load_linked(url: str | None = None) -> Any:
    """Load it without the operations that no link leads to: they would mostly be asked about jobs that do not exist."""
    linked = load(known_jobs=False, url=url)
    return linked.exclude(tag=["post-aliases", "batches"]).exclude(operation_id=["health", "purge_queue"])


def load_linked_batches() -> Any:
    """Load the operations on batches that links lead to."""
    batches = load(known_jobs=False).exclude(tag=["jobs", "endpoint", "post-aliases"])
    return batches.exclude(operation_id=["list_batches", "update_batch", "cancel_batch", "remove_batch_request"])


schema = load(known_jobs=True)


@pytest.fixture
def statuses() -> Iterator[set[int]]:
    """Serve an operation from a fresh emulator, and collect what it answers."""
    with open_emulator() as emulator:
        assert submit_all(emulator) == KNOWN_IDS
        door.emulator = emulator
        seen: set[int] = set()
        yield seen
    assert 200 in seen, "the endpoint or its jobs were never reached"
    assert 404 in seen, "nothing was refused"


@schema.parametrize()  # type: ignore[untyped-decorator]
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # one emulator serves all data of an operation
def test_an_operation_answers_as_documented(case: Any, statuses: set[int]) -> None:
    statuses.add(case.call_and_validate().status_code)


class Turns:
    """A handler that takes an hour, fails and returns, in turn; each history begins with idle workers and the first."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._turns = iter("")

    def begin(self) -> None:
        self._emulator.reset()  # there may be ten batches at once
        self._emulator.clock.sleep(3601)  # whoever was at work for an hour is idle again
        self._turns = itertools.cycle(("slow", "failing", "done"))

    def settle(self) -> None:
        """Wait until handlers have done what they do at once: the next answer is not to depend on threads."""
        clock = self._emulator.clock
        assert isinstance(clock, VirtualClock)
        clock.advance(0)

    def __call__(self, job: dict[str, Any]) -> Any:
        turn = next(self._turns)
        if turn == "slow":
            self._emulator.clock.sleep(3600)
        if turn == "failing":
            raise ValueError("its turn")
        return job["input"]


def ways_not_gone(turns: Turns, linked: Any, ways: tuple[list[str], ...] = WAYS) -> list[list[str]]:
    """Follow links until every way was gone on one job; return those that were not."""
    succeeded: dict[str, list[str]] = defaultdict(list)
    missing = list(ways)

    # What succeeded on each job, in order.
    class Machine(linked.as_state_machine()):  # type: ignore[misc]
        def setup(self) -> None:
            turns.begin()

        def after_call(self, response: Any, case: Any) -> None:
            turns.settle()
            if response.status_code == 200:
                parameters: dict[str, Any] = case.path_parameters or {}
                job_id = parameters.get("job_id") or parameters.get("batch_id") or response.json()["id"]
                operation_id: str = case.operation.definition.raw["operationId"]
                succeeded[job_id].append(STEPS.get(operation_id, operation_id))

    for number in range(ROUNDS):
        seed(number)(Machine).run(settings=MACHINE_SETTINGS)
        missing = [way for way in ways if not any(is_subsequence(way, steps) for steps in succeeded.values())]
        if not missing:
            break
    return missing


@pytest.mark.parametrize("options", CHOICES.values(), ids=CHOICES)
def test_links_lead_from_one_operation_to_the_next(options: Options) -> None:
    with Emulator(clock=VirtualClock(), seed=1, options=options) as emulator:
        turns = Turns(emulator)
        emulator.endpoint(ENDPOINT, turns, workers=4)
        door.emulator = emulator
        assert ways_not_gone(turns, load_linked()) == []


@pytest.mark.slow
def test_links_lead_from_the_draft_of_a_batch_to_its_results() -> None:
    with Emulator(clock=VirtualClock(), seed=1) as emulator:
        turns = Turns(emulator)
        emulator.endpoint(ENDPOINT, turns, workers=4)
        door.emulator = emulator
        assert ways_not_gone(turns, load_linked_batches(), WAYS_OF_BATCHES) == []


@pytest.mark.slow
def test_links_lead_from_one_operation_to_the_next_over_a_socket() -> None:
    with Emulator(clock=VirtualClock(), seed=1) as emulator:
        turns = Turns(emulator)
        emulator.endpoint(ENDPOINT, turns, workers=4)
        door.emulator = emulator
        # Not `serve`: with one caller, time may jump whenever that one is held, as in process.
        listener = Listener(emulator.app, "127.0.0.1", 0)
        linked = load_linked(f"{listener.origin}/v2")
        missing = ways_not_gone(turns, linked)
        listener.close()
    assert missing == []


def is_subsequence(way: list[str], steps: list[str]) -> bool:
    """Return whether all of `way` stands in `steps`, in this order."""
    rest = iter(steps)
    return all(step in rest for step in way)
