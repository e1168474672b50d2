"""A storm over an emulator: faults of every kind at the rates of bad days, and callers in it, ours and a naive one.

What callers saw is in a `Seen`; what really happened is in the emulator's ledger, and on a socket also in what the way
there has lost (`relay.py`). The tests compare them.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any

import httpx

from runpod_sdk import AsyncClient, Client, PollPolicy, RetryPolicy, SubmissionUnknownError
from runpod_sdk.clock import VirtualClock
from runpod_sdk.emulator import Emulator, Fault, Options
from tests.chaos.relay import Losses, lossy

if TYPE_CHECKING:
    from collections.abc import Generator

    from runpod_sdk.emulator import Verdict

ENDPOINT = "storm"
IN_FLIGHT = 200
WORKERS = 64
# Attempts per request: with 5, one submit in 10,000 would be refused 5 times by chance.
ATTEMPTS = 12
# Seconds for which the service answers 404 about a new job; on a socket they are real ones.
PROPAGATION, PROPAGATION_SHORT = 20.0, 0.3
# Seconds that a request may take. Each stall lasts as long; but where a busy machine makes a client wait for longer, it
# has a doubt that the ledger, which has seen a whole answer go out, cannot know of. So a long run is more patient.
_PATIENCE, _PATIENCE_LONG, _SHORT = 5.0, 20.0, 1_000
# 10 % 429; 5 % 5xx, half of them after the work was done; 5 % with fields of wrong kinds; 1 % of each other kind.
# Shares of all requests.
RATES: list[tuple[float, Fault]] = [
    (0.08, Fault.rate_limited()),
    (0.02, Fault.rate_limited(retry_after=1)),
    (0.0125, Fault.status(503)),
    (0.0125, Fault.html(502)),
    (0.0125, Fault.status(500, when="after")),
    (0.0125, Fault.html(504, when="after")),
    (0.01, Fault.drop("before")),
    (0.01, Fault.drop("after")),
    (0.01, Fault.truncate()),
    (0.05, Fault.misfit()),
    (0.005, Fault.stall("before")),
    (0.005, Fault.stall("after")),
]


@dataclass(slots=True)
class Seen:
    """What callers saw."""

    outputs: dict[int, list[Any]] = field(default_factory=dict[int, list[Any]])
    unknown: Counter[str] = field(default_factory=Counter[str])
    errors: list[str] = field(default_factory=list[str])
    failed: int = 0
    lock: Lock = field(default_factory=Lock)

    def got(self, number: int, output: Any) -> None:
        with self.lock:
            self.outputs.setdefault(number, []).append(output)

    def raised(self, number: int, error: Exception) -> None:
        with self.lock:
            if isinstance(error, SubmissionUnknownError):
                self.unknown[error.input_sha256] += 1
            else:
                self.errors.append(f"{number}: {type(error).__name__}: {error}")


@contextmanager
def storm(seed: int, jobs: int, *, socket: bool) -> Generator[tuple[Emulator, dict[str, Any], Losses]]:
    """Provide an emulator with faults in it, what a client needs to reach it, and what is lost on the way to it."""
    options = Options(ledger=100 * jobs, job_propagation=PROPAGATION_SHORT if socket else PROPAGATION)
    with Emulator(clock=None if socket else VirtualClock(), seed=seed, options=options) as emulator:

        async def handler(job: dict[str, Any]) -> Any:
            await emulator.clock.sleep_async(0.01 if socket else 2.0)
            return {"echo": job["input"]["number"]}

        emulator.endpoint(ENDPOINT, handler, workers=WORKERS)
        if not socket:
            rage(emulator, [*RATES, (0.01, Fault.refuse())])
            yield emulator, emulator.connection, Losses()
            return
        rage(emulator, RATES)
        connection = emulator.serve().connection
        with lossy(connection["base_url"], seed) as (url, losses):
            yield emulator, {**connection, "base_url": url}, losses


def rage(emulator: Emulator, rates: list[tuple[float, Fault]]) -> None:
    """Inject faults, each with its share of all requests: of what those before it have left."""
    left = 1.0
    for share, fault in rates:
        values: dict[str, Any] = fault.to_json() | {"rate": share / left}
        emulator.inject(Fault.from_json(values))
        left -= share


def client_options(jobs: int, *, socket: bool) -> dict[str, Any]:
    """Return the settings of our clients; on a socket real time passes, so nothing waits for long."""
    short: dict[str, Any] = {"wait_initial": 0.01, "wait_max": 0.1} if socket else {}
    return {
        "retry": RetryPolicy(attempts=ATTEMPTS, **short),
        # The service keeps a result of /runsync for a minute: several answers in a row may stall in that time.
        "poll": PollPolicy(hold=1.0, **short) if socket else PollPolicy(hold=10.0),
        "timeout": (_PATIENCE_LONG if jobs > _SHORT else _PATIENCE) if socket else 10.0,
        # A tenth of all requests is refused whatever the pace; pacing has tests of its own.
        "limits": "off",
    }


def run_sync(connection: dict[str, Any], jobs: int, *, socket: bool) -> Seen:
    """Run jobs from threads; every second one by run_sync."""
    seen = Seen()
    with (
        Client(**connection, **client_options(jobs, socket=socket)) as client,
        ThreadPoolExecutor(IN_FLIGHT) as threads,
    ):
        endpoint = client.endpoint(ENDPOINT)

        def one(number: int) -> None:
            try:
                job_input = {"number": number}
                output = endpoint.run_sync(job_input) if number % 2 else endpoint.run(job_input).output()
            except Exception as error:  # noqa: BLE001  every end is counted
                seen.raised(number, error)
            else:
                seen.got(number, output)

        list(threads.map(one, range(jobs)))
    return seen


def run_async(connection: dict[str, Any], jobs: int, *, socket: bool) -> Seen:
    """Run jobs from tasks; every second one by run_sync."""
    seen = Seen()

    async def main() -> None:
        numbers = iter(range(jobs))
        async with AsyncClient(**connection, **client_options(jobs, socket=socket)) as client:
            endpoint = client.endpoint(ENDPOINT)

            async def work() -> None:
                for number in numbers:
                    try:
                        job_input = {"number": number}
                        if number % 2:
                            output = await endpoint.run_sync(job_input)
                        else:
                            output = await (await endpoint.run(job_input)).output()
                    except Exception as error:  # noqa: BLE001  every end is counted
                        seen.raised(number, error)
                    else:
                        seen.got(number, output)

            await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))

    asyncio.run(main())
    return seen


def run_naive(connection: dict[str, Any], jobs: int, *, seed: int) -> Seen:
    """Run jobs as many clients do: whatever goes wrong is tried again."""
    seen = Seen()
    url = f"{connection['base_url']}/{ENDPOINT}"
    chance = random.Random(seed)  # noqa: S311  a jitter

    async def main() -> None:
        numbers = iter(range(jobs))
        clock = connection["clock"]
        headers = {"authorization": f"Bearer {connection['api_key']}"}
        async with httpx.AsyncClient(transport=connection["transport"], headers=headers, timeout=30) as http:

            async def ask(method: str, path: str, **body: Any) -> dict[str, Any]:
                while True:
                    try:
                        answer = await http.request(method, url + path, **body)
                        found: dict[str, Any] = answer.raise_for_status().json()
                    except (httpx.HTTPError, ValueError):
                        await clock.sleep_async(chance.random())
                    else:
                        return found

            async def work() -> None:
                for number in numbers:
                    state = await ask("POST", "/run", json={"input": {"number": number}})
                    while state["status"] in ("IN_QUEUE", "IN_PROGRESS"):
                        state = await ask("GET", f"/status/{state['id']}")
                        await clock.sleep_async(1.0)
                    seen.got(number, state.get("output"))

            await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))

    asyncio.run(main())
    return seen


def assert_nothing_lost_and_nothing_doubled(seen: Seen, verdict: Verdict, losses: Losses, jobs: int) -> None:
    """Hold what callers saw against what happened."""
    assert seen.errors == []
    # Nothing is submitted twice, nothing runs twice, nothing is lost by the service.
    assert verdict.is_complete
    assert verdict.is_clean, str(verdict)
    # The unknowns are, one by one, the submits after which nobody can know. Neither more nor fewer.
    assert seen.unknown == Counter(each.input_sha256 for each in verdict.ambiguous) + losses.unknown
    # Nothing is called unknown that never left.
    assert not losses.left or seen.unknown <= losses.left
    # Everything else has its result, its own one, and once. So 429 and never-sent all succeed.
    assert len(seen.outputs) + seen.unknown.total() == jobs
    assert all(outputs == [{"echo": number}] for number, outputs in seen.outputs.items())
    assert Counter((Counter(verdict.delivered) - losses.undelivered).values()) == {1: len(seen.outputs)}
    # And nothing else was submitted: each job is somebody's result, or one of the unknowns.
    accepted = sum(each.job_id is not None for each in verdict.ambiguous) + losses.accepted
    assert verdict.submitted == len(seen.outputs) + accepted
