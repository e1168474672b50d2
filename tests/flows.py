"""Plays a flow against a script, on a clock that only the flow's own wishes move: no server, no threads, no waiting."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from runpod_sdk._flows._effects import Emit, Flow, Send, Sleep
from runpod_sdk._flows._exchange import Refused, Settings
from runpod_sdk._flows._holds import Holds
from runpod_sdk._flows._limiter import Limiter, Limits
from runpod_sdk._telemetry import Meter
from runpod_sdk._values._outcomes import Answer, Failure, Result
from runpod_sdk._values._policies import PollPolicy, RetryPolicy
from runpod_sdk._values._requests import Request
from runpod_sdk.clock import VirtualClock
from runpod_sdk.errors import RunpodError

T = TypeVar("T")
E = TypeVar("E", bound=Exception)

# More steps than any flow of these tests needs; one that takes more goes round in circles.
STEPS_MAX = 5_000


@dataclass(frozen=True)
class After:
    """A result that comes after some seconds; or a timeout, if the request has less time."""

    seconds: float
    result: Result


Given = Result | After
Script = Iterable[Given] | Callable[[Request], Given]


class StrangeTimeout(Exception):  # noqa: N818  named as transports name theirs
    """What some transport may raise: a class that nobody knows."""


def answer(status: int = 200, body: object = None, **headers: str) -> Answer:
    """Return an answer; a body that is not bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, content)


def job(status: str, job_id: str = "j1", **fields: object) -> Answer:
    """Return an answer that describes a job."""
    return answer(200, {"id": job_id, "status": status, **fields})


def failure(name: str = "ReadTimeout", text: str = "", *, sent: int | None = None) -> Failure:
    """Return what became of a request that httpx raised this for; by the error's name, unless `sent` says otherwise."""
    import httpx  # noqa: PLC0415  the flows themselves need none of it

    counted = (0 if name in ("ConnectError", "ConnectTimeout", "PoolTimeout") else 1) if sent is None else sent
    return Failure(getattr(httpx, name)(text), None, counted)


@dataclass
class Play(Generic[T]):
    """What a flow did, and how it ended."""

    sent: list[Request] = field(default_factory=list[Request])
    timeouts: list[float] = field(default_factory=list[float])
    sent_at: list[float] = field(default_factory=list[float])
    slept: list[float] = field(default_factory=list[float])
    emitted: list[Any] = field(default_factory=list[Any])
    returned: list[T] = field(default_factory=list[T])
    error: Exception | None = None
    ended_at: float = 0.0

    @property
    def value(self) -> T:
        """What the flow returned."""
        if self.error is not None:
            raise self.error
        return self.returned[0]

    @property
    def operations(self) -> list[str]:
        """What was asked for, in order."""
        return [request.operation for request in self.sent]

    def raised(self, kind: type[E]) -> E:
        """Return the error, whose class is exactly this one."""
        assert type(self.error) is kind, repr(self.error)
        return self.error


def settings(
    *,
    retry: RetryPolicy | None = None,
    poll: PollPolicy | None = None,
    timeout: float = 60.0,
    random: float = 0.5,
    limits: Limits = "off",
) -> Settings:
    """Return settings with a clock of their own, and dice that always show the same."""
    return Settings(
        clock=VirtualClock(auto_jump=False),
        retry=retry or RetryPolicy(),
        poll=poll or PollPolicy(),
        timeout=timeout,
        random=lambda: random,
        limiter=Limiter(limits, nullcontext()),
        holds=Holds(nullcontext()),
        meter=Meter(nullcontext()),
    )


def play(settings: Settings, flow: Flow[T], script: Script) -> Play[T]:
    """Run a flow to its end. A script that is too short, or a flow that does not end, fails the test."""
    given = script if callable(script) else _from_list(script)
    done: Play[T] = Play()
    result: object = None
    for _ in range(STEPS_MAX):
        try:
            effect = flow.send(result)
        except StopIteration as stop:
            done.returned.append(stop.value)
            break
        except (RunpodError, Refused) as error:
            done.error = error
            break
        result = _done(settings.clock, effect, given, done)
    else:
        raise AssertionError("the flow does not end")
    done.ended_at = settings.now()
    return done


def _from_list(script: Iterable[Given]) -> Callable[[Request], Given]:
    left = iter(script)

    def given(request: Request) -> Given:
        result = next(left, None)
        assert result is not None, f"a request too many: {request}"
        return result

    return given


def _done(
    clock: object, effect: Send | Sleep | Emit, given: Callable[[Request], Given], done: Play[Any]
) -> Result | None:
    assert isinstance(clock, VirtualClock)
    if isinstance(effect, Emit):
        done.emitted.append(effect.item)
        return None
    if isinstance(effect, Sleep):
        assert 0 <= effect.seconds < math.inf
        done.slept.append(effect.seconds)
        clock.advance(effect.seconds)
        return None
    left = effect.until - clock.monotonic()
    assert 0 < left < math.inf
    assert effect.sent_at == clock.time()
    done.sent.append(effect.request)
    done.timeouts.append(left)
    done.sent_at.append(clock.monotonic())
    result = given(effect.request)
    if not isinstance(result, After):
        return result
    clock.advance(min(result.seconds, left))
    return result.result if result.seconds <= left else failure("ReadTimeout")
