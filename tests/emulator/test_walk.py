"""How far a job walks through the emulator: functions that are called, and files that these are in, counted.

`python -m pytest -n0 -s tests/emulator/test_walk.py` prints the walk. The clock, which it asks on its way, is left out.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx

from runpod_sdk import emulator
from runpod_sdk.emulator import Emulator

if TYPE_CHECKING:
    from types import FrameType

ROOT = str(Path(emulator.__file__).parent)
HEADERS = {"authorization": "test"}


class Step(NamedTuple):
    thread: int
    file: str
    function: str

    @property
    def advances(self) -> bool:
        """Whether it applies deadlines."""
        return self.function in ("Queue.advance", "Queue._advance")


def walk_of_a_job() -> list[Step]:
    """Return what is called from the submit of a job until its worker waits for the next."""
    steps: list[Step] = []

    def note(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(ROOT):
            steps.append(Step(threading.get_ident(), code.co_filename[len(ROOT) + 1 :], code.co_qualname))

    with Emulator() as emulated, httpx.Client(transport=emulated.transport, headers=HEADERS) as client:
        emulated.endpoint("e", lambda job: job["input"])
        url = emulated.connection["base_url"] + "/e"
        assert client.get(f"{url}/health").json()["workers"]["idle"] == 1
        threading.setprofile(note)  # for the thread of the worker, which is about to start
        sys.setprofile(note)
        try:
            job_id = client.post(f"{url}/run", json={"input": {"a": 1}}).json()["id"]
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
        emulated.clock.sleep(1)  # which lasts until the worker is idle again
        assert client.get(f"{url}/status/{job_id}").json()["output"] == {"a": 1}
    return steps


def test_a_job_takes_a_short_walk() -> None:
    steps = walk_of_a_job()
    here = threading.get_ident()
    submit = [step for step in steps if step.thread == here]
    work = [step for step in steps if step.thread != here]
    for name, walked in (("submit, door to worker and back", submit), ("run, result and next take", work)):
        print(f"\n{name}: {len(walked)} calls, {len({step.file for step in walked})} files")  # noqa: T201  the result
        print("\n".join(f"  {step.file}: {step.function}" for step in walked))  # noqa: T201
    assert len(submit) <= 60
    assert len({step.file for step in submit}) <= 10
    assert sum(step.advances for step in submit) == 1, "deadlines are applied once a request"
    assert len(work) <= 53
    assert len({step.file for step in work}) <= 12
    assert sum(step.advances for step in work) == 2, "it makes two requests: the result, and the next take"
