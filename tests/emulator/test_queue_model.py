"""The queue against the small model of `model.py`, in lockstep.

`nox -s chaos` takes 100,000 steps over the seeds 0 to 9, the default suite 2,000 with seed 0 (TEST_SCALE).
"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from runpod_sdk.emulator import Options
from runpod_sdk.emulator._queue import _requests as ask
from runpod_sdk.emulator._queue._requests import Hold, Reply, ReplyKind
from tests.emulator.lockstep import LEASE, MIN_SHARE, RULES, Lockstep
from tests.emulator.model import NOT_FOUND, REFUSED
from tests.emulator.queues import Queue
from tests.scale import scaled

if TYPE_CHECKING:
    from tests.emulator.lockstep import Kind
    from tests.emulator.model import Seen

STEPS = scaled(2_000)
SEEDS = 10 if STEPS >= 100_000 else 1
RATE = 2_000  # steps a second, at least, where they are so many that it says something


class QueueDoor:
    """Straight into a queue; what its caller has to collect and to expire is done here."""

    def __init__(self) -> None:
        numbers = itertools.count()
        self.workers: dict[str, Kind] = {"a": "here", "x": "outside", "y": "outside", "s": "watched"}
        self._now = 0.0
        self._queue = Queue("e", new_id=lambda: f"job{next(numbers)}", options=Options(lease=LEASE))
        self._held: dict[Hold, int] = {}
        self._answers: list[tuple[int, Seen]] = []

    def now(self) -> float:
        return self._now

    def advance(self, until: float) -> None:
        self._now = until
        self._queue.advance(until)
        self._collect()
        for hold in [hold for hold in self._held if hold.until <= until]:
            self._answers.append((self._held.pop(hold), _seen(self._queue.expire_hold(hold, until))))

    def tell(self, ticket: int, request: ask.Request) -> None:
        if isinstance(request, ask.Take) and self.workers[request.worker_id] == "watched":
            self._queue.handle(ask.Expect(worker_id=request.worker_id), self._now)
        result = self._queue.handle(request, self._now)
        if isinstance(result, Hold):
            self._held[result] = ticket
        else:
            self._answers.append((ticket, _seen(result)))
        self._collect()

    def hang_up(self, ticket: int) -> None:
        (hold,) = [hold for hold, held in self._held.items() if held == ticket]
        del self._held[hold]
        self._queue.hang_up(hold, self._now)

    def leave(self, worker: str) -> None:
        self._queue.handle(ask.Leave(worker_id=worker), self._now)
        for hold in [hold for hold in self._held if getattr(hold.request, "worker_id", None) == worker]:
            del self._held[hold]
        self._collect()

    def lose(self, worker: str, job_id: str) -> bool:
        self._queue.handle(ask.Lose(worker_id=worker, job_id=job_id), self._now)
        self._collect()
        return True

    def answers(self) -> list[tuple[int, Seen]]:
        answers, self._answers = self._answers, []
        return answers

    def jobs(self) -> dict[str, dict[str, Any]]:
        return {record.id: record.state for record in self._queue.records()}

    def health(self) -> dict[str, dict[str, int]]:
        reply = self._queue.handle(ask.ReadHealth(), self._now)
        assert isinstance(reply, Reply)
        return reply.body

    def side_effects(self) -> tuple[list[Any], list[Any]]:
        return [(notice.job_id, notice.body) for notice in self._queue.notices()], self._queue.stopped()

    def _collect(self) -> None:
        released = self._queue.released()
        # Nobody waits any more for what a worker that is gone was held for.
        self._answers += [(self._held.pop(hold), _seen(reply)) for hold, reply in released if hold in self._held]


def _seen(reply: Reply) -> Seen:
    if reply.kind is ReplyKind.DONE:
        return reply.body
    return NOT_FOUND if reply.kind is ReplyKind.NOT_FOUND else REFUSED


def walked(seed: int, steps: int) -> Counter[str]:
    """Take so many steps, and return what they did; begin anew every thousand, so that early states are seen often."""
    chance = Random(seed)  # noqa: S311  steps that repeat are what is wanted
    effects: Counter[str] = Counter()
    for taken in range(0, steps, 1_000):
        pair = Lockstep(QueueDoor())
        pair.effects = effects
        for _ in range(min(1_000, steps - taken)):
            pair.walk(chance)
    return effects


def test_the_queue_does_what_the_model_does() -> None:
    effects: Counter[str] = Counter()
    began = time.process_time()
    for seed in range(SEEDS):
        print(f"seed {seed}")  # noqa: T201  where it fails, the last one is shown
        effects += walked(seed, STEPS // SEEDS)
    rate = STEPS / (time.process_time() - began)
    shares = {name: round(effects[name] / effects.total(), 3) for name in RULES}
    print(f"\n{STEPS} steps, seeds {list(range(SEEDS))}, {rate:.0f} steps a second: {shares}")  # noqa: T201  the result
    assert min(shares.values()) >= MIN_SHARE, "a rule is hardly tried"
    assert rate >= RATE or SEEDS == 1


class AnyHistory(RuleBasedStateMachine):
    """Any history that hypothesis thinks of, and, where one fails, the shortest that does."""

    def __init__(self) -> None:
        super().__init__()
        self.pair = Lockstep(QueueDoor())

    @rule(name=st.sampled_from(list(RULES)), first=st.integers(0, 9_999), second=st.integers(0, 9_999))
    def step(self, name: str, first: int, second: int) -> None:
        self.pair.step(name, first, second)


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(max_examples=40, stateful_step_count=50, derandomize=True, deadline=None)
