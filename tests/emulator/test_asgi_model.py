"""The whole emulator over HTTP against the small model of `model.py`, in lockstep: routes, hub and clock included."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

from runpod_sdk.emulator import Fault, Options
from runpod_sdk.emulator._queue import _requests as ask
from tests.emulator.lockstep import HOLD, LEASE, MIN_SHARE, RULES, Lockstep
from tests.emulator.model import NOT_FOUND, REFUSED
from tests.emulator.wire import Exchange, Wire
from tests.scale import scaled

if TYPE_CHECKING:
    from tests.emulator.lockstep import Kind
    from tests.emulator.model import Seen

STEPS = scaled(1_000)
SEED = 0


class HttpDoor:
    """Over HTTP, in process; each worker is somewhere else."""

    def __init__(self) -> None:
        self.workers: dict[str, Kind] = {"x": "outside", "y": "outside", "z": "outside"}
        self._wire = Wire(Options(lease=LEASE, take_hold=HOLD))
        self._open: dict[int, Exchange] = {}
        self._takers: dict[int, str] = {}

    def now(self) -> float:
        return self._wire.clock.monotonic()

    def advance(self, until: float) -> None:
        self._wire.advance(until - self.now())

    def tell(self, ticket: int, request: ask.Request) -> None:
        self._open[ticket] = self._wire.open(*_http(request))
        if isinstance(request, ask.Take):
            self._takers[ticket] = request.worker_id

    def hang_up(self, ticket: int) -> None:
        self._wire.drop(self._open.pop(ticket))

    def leave(self, worker: str) -> None:
        """Kill a worker, by the fault that does so as it sends something; its connections end, as they must."""
        self._wire.emulator.inject(Fault.kill_worker("progress", times=1))
        self._wire.open("POST", f"/job-done/{worker}/any", {"status": "IN_PROGRESS"})
        for ticket in [ticket for ticket in self._open if self._takers.get(ticket) == worker]:
            self.hang_up(ticket)

    def lose(self, worker: str, job_id: str) -> bool:  # noqa: ARG002  no route does this
        return False

    def answers(self) -> list[tuple[int, Seen]]:
        whole = {ticket: exchange for ticket, exchange in self._open.items() if exchange.is_whole}
        for ticket in whole:
            del self._open[ticket]
        return [(ticket, _seen(exchange)) for ticket, exchange in whole.items()]

    def jobs(self) -> dict[str, dict[str, Any]]:
        return {job_id: record.state for job_id, record in self._wire.emulator.jobs.items()}

    def health(self) -> dict[str, dict[str, int]]:
        health: dict[str, dict[str, int]] = self._wire.ask("GET", "/health")
        return health

    def side_effects(self) -> None:
        return None

    def close(self) -> None:
        self._wire.close()


def _http(request: ask.Request) -> tuple[str, str, Any]:
    """Return method, path and body."""
    return _of_worker(request) if hasattr(request, "worker_id") else _of_user(request)


def _of_user(request: ask.Request) -> tuple[str, str, Any]:  # noqa: PLR0911  one line per route
    match request:
        case ask.Submit():
            policy = {"ttl": round(request.ttl * 1000), "executionTimeout": round(request.execution_timeout * 1000)}
            wait = "" if request.wait is None else f"sync?wait={round(request.wait * 1000)}"
            return "POST", f"/run{wait}", {"input": request.input, "policy": policy}
        case ask.Status(ttl=float() as ttl):
            return "GET", f"/status/{request.job_id}?ttl={round(ttl * 1000)}", None
        case ask.Status(wait=0.0):
            return "GET", f"/status/{request.job_id}", None
        case ask.Status():
            return "GET", f"/status-sync/{request.job_id}?wait={round(request.wait * 1000)}", None
        case ask.ReadStream():
            return "GET", f"/stream/{request.job_id}?wait={round(request.wait * 1000)}", None
        case ask.Cancel():
            return "POST", f"/cancel/{request.job_id}", None
        case ask.RetryJob():
            return "POST", f"/retry/{request.job_id}", None
        case _:
            return "POST", "/purge-queue", None


def _of_worker(request: ask.Request) -> tuple[str, str, Any]:
    match request:
        case ask.Take(batch=None):
            return "GET", f"/job-take/{request.worker_id}", None
        case ask.Take():
            return "GET", f"/job-take-batch/{request.worker_id}?batch_size={request.batch}", None
        case ask.Ping():
            return "GET", f"/ping/{request.worker_id}?job_id={','.join(request.job_ids)}", None
        case ask.Finish():
            body = {"output": request.output, "error": request.error}
            return "POST", f"/job-done/{request.worker_id}/{request.job_id}", body
        case ask.ReportProgress():
            body = {"status": "IN_PROGRESS", "output": request.output}
            return "POST", f"/job-done/{request.worker_id}/{request.job_id}", body
        case ask.Chunk():
            return "POST", f"/job-stream/{request.worker_id}/{request.job_id}", request.body
        case _:
            raise AssertionError(f"no route asks for {request}")


def _seen(exchange: Exchange) -> Seen:
    body = exchange.json()
    match exchange.status:
        case 200:
            return {"jobs": body} if isinstance(body, list) else body
        case 204:
            return {}
        case 404:
            return NOT_FOUND
        case 400:
            return REFUSED
        case _:
            raise AssertionError(f"{exchange.status} {body}")


def test_the_emulator_does_over_http_what_the_model_does() -> None:
    chance = Random(SEED)  # noqa: S311  steps that repeat are what is wanted
    effects: Counter[str] = Counter()
    for _ in range(STEPS // 1_000):
        door = HttpDoor()
        pair = Lockstep(door)
        pair.effects = effects
        for _ in range(1_000):
            pair.walk(chance)
        door.close()
    shares = {name: round(effects[name] / effects.total(), 3) for name in RULES}
    print(f"\n{STEPS} steps over HTTP, seed {SEED}: {shares}")  # noqa: T201  the result
    assert min(shares.values()) >= MIN_SHARE, "a rule is hardly tried"
