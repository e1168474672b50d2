"""Worker processes: a file runs in each as a program, what it does reaches the queue, and nothing of it is left."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk import Client, JobFailedError
from runpod_sdk.clock import Presence, SystemClock, VirtualClock
from runpod_sdk.emulator import Emulator, Fault, HandlerFileError, Options
from runpod_sdk.emulator._workers._events import (
    JobNoted,
    WorkerEnded,
    WorkerEvent,
    WorkerPrinted,
    WorkerReady,
    WorkerRestarting,
    WorkerStarted,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runpod_sdk import Endpoint

    Write = Callable[..., str]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="worker processes need process groups")

PATIENCE = 20  # seconds until something that must come is missed
SERVE = "\nimport runpod\nrunpod.serverless.start({'handler': handler})\n"
LAB = """
import asyncio, multiprocessing, os, signal, sqlite3, subprocess, sys, threading, time
from concurrent.futures import ProcessPoolExecutor
import runpod

DATABASE = sqlite3.connect(":memory:")
LOCAL = threading.local()
LOCAL.model = "loaded"
ASYNC = asyncio.run(asyncio.sleep(0, "loaded, too"))
CALLS = []

def square(n):
    return n * n

def program(job):
    return {
        "name": __name__, "file": __file__, "argv": sys.argv, "folder": os.getcwd(), "path": sys.path[0],
        "is_main": sys.modules["__main__"].__dict__ is globals(),
        "is_main_thread": threading.current_thread() is threading.main_thread(),
        "threads": threading.active_count(),
        "has_loop": asyncio.get_running_loop().is_running(),
        "job": type(job).__name__, "input": type(job["input"]).__name__,
        "pod": os.environ["RUNPOD_POD_ID"], "host": os.environ["RUNPOD_POD_HOSTNAME"],
        "endpoint": os.environ["RUNPOD_ENDPOINT_ID"],
    }

def made_at_import(job):
    return [DATABASE.execute("select 1").fetchone()[0], LOCAL.model, ASYNC]

def alarm(job):
    signal.signal(signal.SIGALRM, lambda *_: CALLS.append("alarm"))
    signal.setitimer(signal.ITIMER_REAL, 0.001)
    signal.pause()
    return CALLS.pop()

def nested_loop(job):
    return asyncio.run(asyncio.sleep(0))

def pool(job):
    with multiprocessing.get_context(job["input"]["how"]).Pool(2) as pool:
        return pool.map(square, [2, 3])

def young_children(job):
    children = []
    for _ in range(20):
        child = os.fork()
        if not child:
            time.sleep(2)
            os._exit(0)
        os.kill(child, signal.SIGTERM)
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]

def progress(job):
    def tell():
        runpod.serverless.progress_update({"id": job["id"]}, {"part": "half"})
    thread = threading.Thread(target=tell)
    thread.start()
    thread.join()
    open(job["input"]["until"]).read()  # a pipe: until somebody has written
    return "all"

def prints(job):
    print("one", flush=True)
    os.write(2, b"two, without Python\\n")
    subprocess.run(["echo", "three, by a child"])
    sys.stderr.write("four, without an end")
    return "printed"

def large(job):
    return "x" * job["input"]["length"]

def works(job):
    sum(range(1_000_000))

def fails(job):
    raise ValueError("bad prompt")

def handler(job):
    return globals()[job["input"]["what"]](job)

if __name__ == "__main__":
    runpod.serverless.start({"handler": handler})
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file, and return where it is."""

    def write(text: str, name: str = "handler.py") -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)

    return write


class Lab:
    """An emulator, a client on it, and what its workers were seen to do."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.client = Client(**emulator.connection)
        self.events: list[WorkerEvent] = []
        emulator.worker_events.subscribe(self.events.append)

    def serve(self, target: str, endpoint_id: str = "e", **options: Any) -> Endpoint:
        self.emulator.endpoint(endpoint_id, target, **options)
        return self.client.endpoint(endpoint_id)

    def close(self) -> None:
        self.client.close()
        self.emulator.close()

    def of(self, *kinds: type[WorkerEvent]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kinds)]


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = Lab(Emulator())
    yield lab
    lab.close()


@pytest.fixture(scope="module")
def shared_lab() -> Iterator[Lab]:
    lab = Lab(Emulator())
    yield lab
    lab.close()


@pytest.fixture(scope="module")
def program(shared_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Endpoint:
    """One worker that runs LAB, for all tests that do it no harm."""
    path = tmp_path_factory.mktemp("lab") / "lab.py"
    path.write_text(LAB)
    return shared_lab.serve(str(path))


def do(endpoint: Endpoint, what: str, **more: Any) -> Any:
    return endpoint.run_sync({"what": what, **more}, timeout=60)


# A file is a program.


def test_a_file_finds_itself_as_a_program(program: Endpoint) -> None:
    job = program.run({"what": "program"})
    seen = job.output(timeout=60)
    file, folder = seen.pop("file"), seen.pop("folder")
    worker_id = job.state().worker_id
    assert str(Path(file).parent) == folder
    assert seen == {
        "name": "__main__",
        "argv": [file],
        "path": folder,
        "is_main": True,
        "is_main_thread": True,
        "threads": 1,
        "has_loop": True,
        "job": "dict",
        "input": "dict",
        "pod": worker_id,
        "host": f"{worker_id}-emulator",
        "endpoint": "e",
    }


def test_what_was_made_at_import_can_be_used_in_a_handler(program: Endpoint) -> None:
    assert do(program, "made_at_import") == [1, "loaded", "loaded, too"]


def test_signals_reach_the_handler(program: Endpoint) -> None:
    assert do(program, "alarm") == "alarm"


def test_a_loop_inside_of_the_loop_fails_as_in_production(program: Endpoint) -> None:
    with pytest.raises(JobFailedError, match="cannot be called from a running event loop"):
        do(program, "nested_loop")


@pytest.mark.one_in(3)
@pytest.mark.parametrize("how", ["fork", "spawn", "forkserver"])
def test_a_handler_may_have_processes_of_its_own(program: Endpoint, how: str) -> None:
    assert do(program, "pool", how=how) == [4, 9]


def test_a_signal_ends_a_forked_child_however_young_it_is(program: Endpoint) -> None:
    """A pool of processes is told to end as soon as it has its results, and then waits for all of them."""
    assert do(program, "young_children") == [-signal.SIGTERM] * 20


def test_progress_comes_from_any_thread(program: Endpoint, tmp_path: Path) -> None:
    until = tmp_path / "until"
    os.mkfifo(until)
    job = program.run({"what": "progress", "until": str(until)})
    while (state := job.state()).progress is None:
        assert not state.is_final
    until.write_text("")
    assert (state.progress, job.output(timeout=60)) == ({"part": "half"}, "all")


@pytest.mark.parametrize("length", [0, 65_000, 3_000_000])
def test_results_of_any_size_come_through(program: Endpoint, length: int) -> None:
    assert do(program, "large", length=length) == "x" * length


def test_a_failure_carries_the_traceback_of_the_file(program: Endpoint) -> None:
    with pytest.raises(JobFailedError, match="ValueError: bad prompt") as failed:
        do(program, "fails")
    assert 'lab.py", line' in (failed.value.worker_traceback or "")


@pytest.mark.one_in(2)
@pytest.mark.parametrize("cause", ["limit", "fault"])
def test_a_refused_result_ends_its_job_without_output_and_is_told(write: Write, cause: str) -> None:
    lab = Lab(Emulator(options=Options(result_limit=100 if cause == "limit" else None)))
    endpoint = lab.serve(write("def handler(job):\n    return 'x' * 100" + SERVE))
    if cause == "fault":
        lab.emulator.inject(Fault.refuse_result(times=1))
    job = endpoint.run({"n": 1})
    state = job.wait(timeout=60)
    assert (state.status, "output" in state.raw, state.error) == ("COMPLETED", False, None)
    lab.close()  # its worker has told by then
    [noted] = lab.of(JobNoted)
    assert (noted.job_id, "is refused" in noted.text) == (job.id, True)


@pytest.mark.one_in(4)
@pytest.mark.parametrize("value", ["float('nan')", "[float('-inf')]", "'\\udce9'", "{1}"])
def test_what_is_no_json_is_never_served_and_is_told(lab: Lab, write: Write, value: str) -> None:
    endpoint = lab.serve(write(f"def handler(job):\n    return {value}" + SERVE))
    job = endpoint.run({"n": 1}, execution_timeout=5)
    state = job.wait(timeout=60)
    assert (state.status, state.output) == ("FAILED", None)
    lab.emulator.close()
    [noted] = lab.of(JobNoted)
    assert noted.job_id == job.id


@pytest.mark.one_in(3)
@pytest.mark.parametrize("in_process", [True, False])
@pytest.mark.parametrize("change", ["job.clear()", "job['id'] = 'other'"])
def test_a_handler_that_changes_the_id_of_its_job_loses_the_result(
    lab: Lab, write: Write, change: str, *, in_process: bool
) -> None:
    """The official library reads it there when it sends the result."""
    endpoint = lab.serve(write(f"def handler(job):\n    {change}\n    return 1" + SERVE), in_process=in_process)
    state = endpoint.run({"n": 1}, execution_timeout=5).wait(timeout=60)
    assert (state.status, state.output) == ("FAILED", None)


@pytest.mark.one_in(3)
@pytest.mark.parametrize(
    "handler",
    [
        "async def handler(job):\n    return [1, 2]",
        "def handler(job):\n    yield from (1, 2)",
        "async def handler(job):\n    yield 1\n    yield 2",
        "class Model:\n    async def __call__(self, job):\n        return [1, 2]\nhandler = Model()",
    ],
)
def test_every_kind_of_handler(lab: Lab, write: Write, handler: str) -> None:
    text = f'import runpod\n{handler}\nrunpod.serverless.start({{"handler": handler, "return_aggregate_stream": True}})'
    endpoint = lab.serve(write(text))
    assert lab.emulator.endpoints["e"].aggregate
    assert endpoint.run_sync({"n": 1}, timeout=60) == [1, 2]


def test_the_endpoint_says_whether_chunks_are_output(lab: Lab, write: Write) -> None:
    target = write("def handler(job):\n    yield 1" + SERVE)
    assert lab.serve(target, return_aggregate_stream=True).run_sync({"n": 1}, timeout=60) == [1]
    with lab.serve(target, "plain").stream({"n": 1}, timeout=60) as stream:
        assert list(stream) == [1]


def test_arguments_and_a_main_function(lab: Lab, write: Write) -> None:
    target = write(
        """
import argparse, runpod
def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model")
    model = parser.parse_known_args()[0].model
    runpod.serverless.start({"handler": lambda job: [model, argparse.ArgumentParser().parse_args()]})
if __name__ == "__main__":
    main()
""".replace("argparse.ArgumentParser().parse_args()", "__import__('sys').argv[1:]")
    )
    endpoint = lab.serve(target, arguments=["--model", "large", "--rp_log_level", "ERROR"])
    assert endpoint.run_sync({"n": 1}, timeout=60) == ["large", ["--model", "large"]]


@pytest.mark.one_in(3)
@pytest.mark.parametrize("how", ["worker/handler.py", "worker/handler.py:handler", "-m worker.handler"])
def test_a_file_of_a_package(lab: Lab, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    write("", "worker/__init__.py")
    write("NAME = 'relative'", "worker/utils.py")
    guarded = "\nimport os, runpod\nif __name__ == '__main__':\n    runpod.serverless.start({'handler': handler})\n"
    write("from .utils import NAME\ndef handler(job):\n    return [NAME, os.getcwd()]\n" + guarded, "worker/handler.py")
    monkeypatch.chdir(tmp_path)
    assert lab.serve(how).run_sync({"n": 1}, timeout=60) == ["relative", str(tmp_path)]


def test_a_script_beside_an_init_file_is_a_script(lab: Lab, write: Write, tmp_path: Path) -> None:
    write("", "src/__init__.py")
    write("NAME = 'beside'", "src/utils.py")
    text = "import os\nfrom utils import NAME\ndef handler(job):\n    return [NAME, os.getcwd()]"
    target = write(text + SERVE, "src/handler.py")
    assert lab.serve(target).run_sync({"n": 1}, timeout=60) == ["beside", str(tmp_path / "src")]


def test_a_function_of_a_file_that_also_starts(lab: Lab, write: Write) -> None:
    target = write("def handler(job):\n    return __name__" + SERVE + "raise RuntimeError('after start')")
    assert lab.serve(f"{target}:handler").run_sync({"n": 1}, timeout=60) == "handler"


# How many at once.


def test_workers_are_processes(lab: Lab, write: Write, tmp_path: Path) -> None:
    target = write(
        """
import os
def handler(job):
    with open(job["input"]["here"], "w") as here:
        print("here", file=here)
    open(job["input"]["go"]).read()
    return os.getpid()
"""
        + SERVE
    )
    here, *goes = [tmp_path / name for name in ("here", "go 0", "go 1", "go 2")]
    for pipe in (here, *goes):
        os.mkfifo(pipe)

    def meet() -> None:
        with os.fdopen(os.open(here, os.O_RDWR)) as said:  # it stays open between two of them
            for _ in goes:
                said.readline()
        for go in goes:
            go.write_text("")

    endpoint = lab.serve(target, workers=3)
    meeting = threading.Thread(target=meet, daemon=True)
    meeting.start()
    pids = [result.output for result in endpoint.map([{"here": str(here), "go": str(go)} for go in goes])]
    meeting.join()
    assert sorted(pids) == sorted(lab.emulator.endpoints["e"].processes.values())
    assert endpoint.health().workers.idle == 3


def test_a_concurrency_modifier_lets_one_worker_run_several(lab: Lab, write: Write) -> None:
    target = write("""
import asyncio, runpod
here, all_here = [], asyncio.Event()
async def handler(job):
    here.append(job)
    if len(here) == 3:
        all_here.set()
    await all_here.wait()
    return len(here)
runpod.serverless.start({"handler": handler, "concurrency_modifier": lambda now: 2.5})
""")
    endpoint = lab.serve(target)
    assert sorted(result.output for result in endpoint.map([{"n": n} for n in range(3)])) == [3, 3, 3]
    assert lab.emulator.clock.monotonic() == 0
    assert endpoint.health().workers.running + endpoint.health().workers.idle == 1


@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    "file",
    [
        "runpod.serverless.start({'handler': handler, 'refresh_worker': True})",
        "runpod.serverless.start({'handler': lambda job: {'pid': handler(job), 'refresh_worker': True}})",
    ],
)
def test_a_refreshed_worker_is_a_fresh_process(lab: Lab, write: Write, file: str) -> None:
    endpoint = lab.serve(write(f"import os, runpod\ndef handler(job):\n    return os.getpid()\n{file}"))
    states = [endpoint.run({"n": n}).wait(timeout=60) for n in range(3)]
    assert len({str(state.output) for state in states}) == 3
    assert len({state.worker_id for state in states}) == 3
    assert lab.emulator.clock.monotonic() == 0


# Time.


def test_time_stands_still_while_a_process_is_at_work(shared_lab: Lab, program: Endpoint) -> None:
    before = shared_lab.emulator.clock.monotonic()
    do(program, "works")
    assert shared_lab.emulator.clock.monotonic() == before


def test_work_that_takes_long_takes_as_long_on_the_clock() -> None:
    clock = VirtualClock()
    waited: list[float] = []

    def wait() -> None:
        clock.sleep(25)
        waited.append(clock.monotonic())

    presence = Presence(clock)
    caller = threading.Thread(target=wait)
    caller.start()
    began = time.monotonic()
    presence.let_pass(began + 9)
    assert clock.monotonic() == 0
    for seconds in (10, 20, 30):
        _until(partial(_has_passed, clock, min(25, seconds), presence, began + seconds))
    caller.join()
    assert waited == [25]
    presence.leave()
    presence.leave()
    clock.sleep(100)
    assert clock.monotonic() == 125


def test_time_that_others_have_held_up_is_made_up_for_once() -> None:
    clock = VirtualClock()
    presence, other = Presence(clock), Presence(clock)
    began = time.monotonic()
    caller = threading.Thread(target=clock.sleep, args=[1000])
    caller.start()
    for seconds in (10, 20, 20.5):
        presence.let_pass(began + seconds)
    assert clock.monotonic() == 0
    other.leave()
    _until(partial(_has_passed, clock, 20, presence, began + 21))
    presence.let_pass(began + 29)
    assert clock.monotonic() == 20
    presence.leave()
    caller.join()
    assert clock.monotonic() == 1000


@pytest.mark.slow
def test_in_real_time_a_handler_that_hangs_is_killed(write: Write) -> None:
    emulator = Emulator(clock=SystemClock(rate=20), options=Options(worker_grace=0.05))
    with emulator, Client(**emulator.connection) as client:
        emulator.endpoint("e", write("import time\ndef handler(job):\n    time.sleep(job['input']['n'])" + SERVE))
        job = client.endpoint("e").run({"n": 1000}, execution_timeout=5)
        assert job.wait(timeout=6000).status == "FAILED"
        assert client.endpoint("e").run_sync({"n": 0}, timeout=6000) is None


# How workers die.


@pytest.mark.slow
@pytest.mark.parametrize("how", ["os._exit(7)", "sys.exit(7)", "os.kill(os.getpid(), 9)", "ctypes.string_at(0)"])
def test_a_job_whose_worker_dies_twice_has_failed(lab: Lab, write: Write, how: str) -> None:
    endpoint = lab.serve(write(f"import ctypes, os, sys\ndef handler(job):\n    {how}" + SERVE))
    state = endpoint.run({"n": 1}).wait(timeout=600)
    assert (state.status, state.error, state.retries) == ("FAILED", "job timed out after 1 retries", 1)
    assert [type(event) for event in lab.of(WorkerEnded, WorkerReady)][:4] == [WorkerReady, WorkerEnded] * 2
    assert {(ended.was_ready, ended.was_asked) for ended in lab.of(WorkerEnded)} == {(True, False)}
    assert lab.emulator.clock.monotonic() == 0


@pytest.mark.one_in(4)
@pytest.mark.parametrize("at", ["take", "progress", "chunk", "done"])
def test_a_killed_worker_costs_a_retry_and_no_job(lab: Lab, write: Write, at: Any) -> None:
    target = write("""
import os, runpod
def handler(job):
    runpod.serverless.progress_update(job, 1)
    yield os.getpid()
runpod.serverless.start({"handler": handler, "return_aggregate_stream": True})
""")
    endpoint = lab.serve(target)
    before = lab.emulator.endpoints["e"].processes
    lab.emulator.inject(Fault.kill_worker(at, times=1))
    state = endpoint.run({"n": 1}).wait(timeout=600)
    after = lab.emulator.endpoints["e"].processes
    assert (state.status, state.retries, state.output) == ("COMPLETED", 1, list(after.values()))
    assert not before.keys() & after.keys()
    assert lab.emulator.ledger.verdict().is_clean == (at == "take"), "else its handler had begun, and began again"


@pytest.mark.one_in(4)
@pytest.mark.parametrize(
    ("text", "target", "why"),
    [
        ("x = 1", "handler.py", r"it never calls runpod\.serverless\.start\(\)$"),
        ("def handler(job): ...", "handler.py", r"name its function: handler\.py:handler$"),
        ("handler = 1", "handler.py:handler", "it has no function 'handler'"),
        ("import runpod\nrunpod.serverless.start({})", "handler.py", "without a handler"),
        ("def f():\n    raise ValueError('boom')\nf()", "handler.py", "ValueError: boom"),
        ("def f(:", "handler.py", "SyntaxError"),
        ("import os\nprint('no GPU')\nos._exit(3)", "handler.py", "exit code 3: no GPU"),
        ("", "missing.py", "no such file"),
    ],
)
def test_a_file_that_cannot_be_a_worker_says_why(lab: Lab, write: Write, text: str, target: str, why: str) -> None:
    folder = write(text).removesuffix("handler.py")
    with pytest.raises(HandlerFileError, match=why) as raised:
        lab.serve(folder + target)
    assert str(raised.value).startswith(folder)
    assert "e" not in lab.emulator.endpoints
    printed = "\n".join(event.text for event in lab.of(WorkerPrinted))
    assert "_host" not in printed, "a traceback begins in the user's file"
    assert ("line 3, in <module>" in printed) == text.startswith("def f():")


@pytest.mark.one_in(2)
@pytest.mark.skipif(find_spec("runpod") is not None, reason="the official package is installed")
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("import runpod\nrunpod.create_pod()", r"runpod\.create_pod is not in the emulator's stand-in"),
        ("from runpod.serverless.utils import rp_warp", r"rp_warp.*pip install runpod"),
    ],
)
def test_what_the_stand_in_does_not_have_is_named(lab: Lab, write: Write, text: str, why: str) -> None:
    with pytest.raises(HandlerFileError, match=why):
        lab.serve(write(text))


@pytest.mark.one_in(4)
@pytest.mark.parametrize(
    ("modifier", "why"),
    [("None", "TypeError"), ("'4'", "TypeError"), ("1 / 0", "ZeroDivisionError"), ("0", "no job would ever be taken")],
)
def test_a_modifier_that_lets_no_job_in_says_so_at_once(lab: Lab, write: Write, modifier: str, why: str) -> None:
    config = f"{{'handler': print, 'concurrency_modifier': lambda now: {modifier}}}"
    with pytest.raises(HandlerFileError, match=why):
        lab.serve(write(f"import runpod\nrunpod.serverless.start({config})"))


@pytest.mark.slow
def test_a_worker_that_dies_at_each_start_is_started_ever_more_rarely(lab: Lab, write: Write, tmp_path: Path) -> None:
    once = tmp_path / "once"
    target = write(f"import os\nopen({str(once)!r}, 'x')\ndef handler(job):\n    os._exit(1)" + SERVE)
    endpoint = lab.serve(target)
    job = endpoint.run({"n": 1})
    lab.emulator.clock.sleep(20)
    assert job.state().status == "IN_QUEUE"
    assert endpoint.health().workers.unhealthy == 1
    assert [event.pause for event in lab.of(WorkerRestarting)] == [0, 0.5, 1, 2, 4, 8, 16]
    once.unlink()
    assert job.wait(timeout=600).status == "FAILED"


def test_a_reload_replaces_the_workers_unless_the_file_is_broken(lab: Lab, write: Write) -> None:
    text = "def handler(job):\n    return 'before'" + SERVE
    target = write(text)
    endpoint = lab.serve(target)
    outputs = [endpoint.run_sync({"n": 1}, timeout=60)]
    write(text.replace("before", "after"))
    lab.emulator.endpoints["e"].reload()
    outputs.append(endpoint.run_sync({"n": 1}, timeout=60))
    write("raise ValueError('boom')")
    with pytest.raises(HandlerFileError, match="ValueError: boom"):
        lab.emulator.endpoints["e"].reload()
    outputs.append(endpoint.run_sync({"n": 1}, timeout=60))
    assert outputs == ["before", "after", "after"]


# What is seen of them.


def test_every_line_is_there_before_the_result_is(lab: Lab, write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    endpoint = lab.serve(write(LAB))
    job = endpoint.run({"what": "prints"})
    assert job.output(timeout=60) == "printed"
    lines = [(event.worker_id, event.text) for event in lab.of(WorkerPrinted)]
    worker_id = job.state().worker_id
    assert lines == [(worker_id, line) for line in ("one", "two, without Python", "three, by a child")]
    assert capsys.readouterr().err.splitlines() == [f"{worker_id} | {line}" for _, line in lines]
    lab.emulator.close()
    assert lab.of(WorkerPrinted)[-1].text == "four, without an end"
    assert lab.of(WorkerEnded)[-1].tail[-1] == "four, without an end"


def test_starts_and_ends_are_told(lab: Lab, write: Write) -> None:
    endpoint = lab.serve(write(LAB))
    pids = lab.emulator.endpoints["e"].processes
    assert endpoint.run_sync({"what": "works"}, timeout=60) is None
    lab.emulator.close()
    started, ready, ended = lab.events
    assert isinstance(started, WorkerStarted)
    assert isinstance(ready, WorkerReady)
    assert isinstance(ended, WorkerEnded)
    assert {started.worker_id: started.pid} == pids
    assert (ended.exit_code, ended.was_asked, ended.was_ready) == (0, True, True)


# What is left of them.


HOW_CHILDREN_START = {
    "in its group": "CHILD = subprocess.Popen(['sleep', '1000']).pid",
    "in a session": "CHILD = subprocess.Popen(['sleep', '1000'], start_new_session=True).pid",
    "as a daemon": "CHILD = int(subprocess.check_output('setsid nohup sleep 1000 >/dev/null & echo $!', shell=True))",
}


@pytest.mark.one_in(3)
@pytest.mark.parametrize("how", HOW_CHILDREN_START)
def test_what_a_worker_has_started_ends_with_it(lab: Lab, write: Write, how: str) -> None:
    if how != "in its group" and sys.platform != "linux":
        pytest.skip("only Linux shows the environment of processes")
    text = f"import subprocess\n{HOW_CHILDREN_START[how]}\ndef handler(job):\n    return CHILD"
    child = lab.serve(write(text + SERVE)).run_sync({"n": 1}, timeout=60)
    assert _is_running(child)
    lab.emulator.close()
    assert not _is_running(child)


@pytest.mark.one_in(2)
@pytest.mark.parametrize("handler", ["def handler(job):", "async def handler(job):"])
def test_a_handler_that_blocks_does_not_keep_the_emulator_open(lab: Lab, write: Write, handler: str) -> None:
    text = f"import time\n{handler}\n    print('begun')\n    while True:\n        time.sleep(1000)"
    endpoint = lab.serve(write(text + SERVE))
    begun = threading.Event()
    lab.emulator.worker_events.subscribe(lambda event: begun.set() if isinstance(event, WorkerPrinted) else None)
    endpoint.run({"n": 1})
    assert begun.wait(PATIENCE)
    [pid] = lab.emulator.endpoints["e"].processes.values()
    lab.emulator.close()
    assert not _is_running(pid)
    assert lab.of(WorkerEnded)[-1].exit_code == -signal.SIGKILL


@pytest.mark.slow
def test_a_worker_ends_in_order_where_it_can(lab: Lab, write: Write, tmp_path: Path) -> None:
    text = """
import atexit, pathlib, runpod, signal
signal.signal(signal.SIGTERM, lambda *_: None)
atexit.register(lambda: print("at exit"))
runpod.serverless.start({"handler": lambda job: 1})
print("after start")
"""
    lab.serve(write(text))
    lab.emulator.close()
    assert [event.text for event in lab.of(WorkerPrinted)] == ["after start", "at exit"]


def _has_passed(clock: VirtualClock, seconds: float, presence: Presence, now: float) -> bool:
    presence.let_pass(now)
    return clock.monotonic() >= seconds


def _is_running(pid: int) -> bool:
    text = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S603, S607  ours
    return bool(text.stdout.strip()) and not text.stdout.startswith("Z")


def _until(claim: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.01)
