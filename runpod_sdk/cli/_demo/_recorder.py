"""Records what each scenario of the demo saw: its jobs, its duration, and what went wrong.

What is shown of that, and how, is decided in `_views.py`.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, Self, TypeVar

from runpod_sdk import JobStatus
from runpod_sdk._values._words import counted

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType

    from runpod_sdk import JobState
    from runpod_sdk.clock import Clock
    from runpod_sdk.emulator import Emulator

Flavour = Literal["sync", "async"]
E = TypeVar("E", bound=BaseException)

FLAVOURS: tuple[Flavour, ...] = ("sync", "async")
# Seconds that all scenarios may take together: with the start and the end, the demo stays under 15.
BUDGET = 12.0
# Seconds between two looks at a job.
POLL_PAUSE = 0.1


def endpoint_id_of(flavour: Flavour, scenario: str) -> str:
    """Return the id of the endpoint that a scenario has for itself."""
    return f"{flavour}-{scenario.replace(' ', '-').replace('_', '-')}"


class WrongOutcomeError(Exception):
    """A scenario did not end as it must."""


class Viewer(Protocol):
    """Receives what happens."""

    def began(self, scene: Scene) -> None:
        """Note that a scenario begins."""
        ...

    def happened(self, scene: Scene, job_id: str, status: str, text: str) -> None:
        """Note one event of a scenario; what is not part of it is empty."""
        ...

    def ended(self, scene: Scene) -> None:
        """Note that a scenario has ended, well or not."""
        ...


@dataclass(slots=True)
class Scene:
    """One scenario in one flavour.

    Attributes:
        flavour: through which client it is run.
        scenario: its name.
        statuses: by job id, the statuses that were seen, in order.
        result: what happened, in words; the last of it while it goes on.
        problem: what was not as it must be, or "".
        seconds: how long it took; None until it has ended.
    """

    flavour: Flavour
    scenario: str
    clock: Clock = field(repr=False)
    viewer: Viewer = field(repr=False)
    time_limit: float
    statuses: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    result: str = ""
    problem: str = ""
    seconds: float | None = None

    @property
    def endpoint_id(self) -> str:
        """The endpoint that is its own."""
        return endpoint_id_of(self.flavour, self.scenario)

    @property
    def timeout(self) -> float:
        """How long the next call may take, seconds.

        Raises:
            WrongOutcomeError: the time of the demo is over.
        """
        left = self.time_limit - self.clock.monotonic()
        if left <= 0:
            raise WrongOutcomeError(f"the demo's {BUDGET:g} s are over")
        return left

    def submitted(self, job_id: str) -> None:
        """Note a job that was submitted."""
        self.statuses[job_id] = []
        self.viewer.happened(self, job_id, "", "submitted")

    def saw(self, state: JobState) -> JobState:
        """Note the state of a job, if its status is news, and return it."""
        statuses = self.statuses.setdefault(state.id, [])
        if not statuses or statuses[-1] != state.status:
            statuses.append(str(state.status))
            self.viewer.happened(self, state.id, str(state.status), "")
        return state

    def note(self, text: str, job_id: str = "") -> None:
        """Note anything else."""
        self.result = text
        self.viewer.happened(self, job_id, "", text)

    def expect(self, what: str, actual: object, expected: object) -> None:
        """Raise WrongOutcomeError unless the two are equal."""
        if actual != expected:
            raise WrongOutcomeError(f"{what} is {actual!r}, and must be {expected!r}")

    def expect_status(self, state: JobState, expected: str) -> None:
        """Note the state of a job, and raise WrongOutcomeError unless it has this status."""
        self.expect("status", str(self.saw(state).status), expected)

    def expecting(self, kind: type[E]) -> Expecting[E]:
        """Return a context in which an error of this kind must be raised."""
        return Expecting(kind)


class Expecting(Generic[E]):
    """A context that must be left by an error of one kind, which it keeps."""

    def __init__(self, kind: type[E]) -> None:
        self._kind = kind
        self._error: E | None = None

    @property
    def error(self) -> E:
        """The error; after the context."""
        if self._error is None:
            raise RuntimeError("the context has not been left yet")
        return self._error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if isinstance(error, self._kind):
            self._error = error
            return True
        if error is None:
            raise WrongOutcomeError(f"nothing was raised, and {self._kind.__name__} must be")
        return False


class Recorder:
    """All scenes, and their audience."""

    def __init__(self, clock: Clock, viewer: Viewer) -> None:
        self.clock = clock
        self.viewer = viewer
        self.began_at = clock.monotonic()
        self.scenes: list[Scene] = []

    @contextmanager
    def scene(self, flavour: Flavour, scenario: str) -> Generator[Scene]:
        """Play a scene. An error ends it, and not the demo."""
        began_at = self.clock.monotonic()
        scene = Scene(flavour, scenario, self.clock, self.viewer, self.began_at + BUDGET)
        self.scenes.append(scene)
        self.viewer.began(scene)
        try:
            yield scene
        except BrokenPipeError:
            raise  # nobody reads our output any more; the SDK's own are an APIConnectionError
        except WrongOutcomeError as error:
            scene.problem = str(error)
        except Exception as error:  # noqa: BLE001  whatever it is, it is a wrong outcome, and the others still run
            scene.problem = f"{type(error).__name__}: {error}"
        scene.seconds = self.clock.monotonic() - began_at
        self.viewer.ended(scene)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The outcome of all scenes.

    Attributes:
        scenes: all of them.
        jobs: how many jobs have which status at the end, as the emulator knows them.
        requests: how many the emulator answered.
        seconds: since the demo began.
    """

    scenes: tuple[Scene, ...]
    jobs: dict[str, int]
    requests: int
    seconds: float

    @classmethod
    def of(cls, recorder: Recorder, emulator: Emulator) -> Self:
        """Sum up."""
        return cls(
            scenes=tuple(recorder.scenes),
            jobs=dict(sorted(Counter(job.status for job in emulator.jobs.values()).items())),
            requests=len(emulator.requests),
            seconds=recorder.clock.monotonic() - recorder.began_at,
        )

    @property
    def problems(self) -> list[str]:
        """What was not as it must be, one line each."""
        found = [f"{scene.flavour} {scene.scenario}: {scene.problem}" for scene in self.scenes if scene.problem]
        return found + [
            f"{counted(n, 'job')} left {status}" for status, n in self.jobs.items() if not _is_final(status)
        ]

    @property
    def is_right(self) -> bool:
        """Whether all ended as it must."""
        return not self.problems

    @property
    def latency_ms(self) -> dict[str, int]:
        """The median and the longest duration of a scenario, milliseconds."""
        durations = sorted(milliseconds(scene) or 0 for scene in self.scenes)
        return {"p50": durations[(len(durations) - 1) // 2], "max": durations[-1]}

    def as_json(self) -> dict[str, Any]:
        """Return all of it for other programs."""
        return {
            "ok": self.is_right,
            "problems": self.problems,
            "jobs": self.jobs,
            "latency_ms": self.latency_ms,
            "requests": self.requests,
            "seconds": round(self.seconds, 3),
            "scenarios": [
                {
                    "flavour": scene.flavour,
                    "scenario": scene.scenario,
                    "ok": not scene.problem,
                    "jobs": scene.statuses,
                    "result": scene.problem or scene.result,
                    "latency_ms": milliseconds(scene),
                }
                for scene in self.scenes
            ],
        }


def milliseconds(scene: Scene) -> int | None:
    """Return how long a scene took; None while it is on."""
    return None if scene.seconds is None else round(scene.seconds * 1000)


def _is_final(status: str) -> bool:
    return JobStatus(status).is_final
