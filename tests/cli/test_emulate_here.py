"""`runpod-sdk emulate` in this process: what it says, what it refuses, and that Ctrl-C ends it.

What it starts, and how it ends with that, is tested in processes of its own.
"""

from __future__ import annotations

import io
import json
import os
import queue
import re
import signal
import socket
import sys
import threading
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod_sdk.cli import main
from runpod_sdk.cli._emulate._announced import is_loopback
from runpod_sdk.cli._emulate._files import Files
from runpod_sdk.cli._emulate._narration import Narration
from runpod_sdk.emulator import Emulator
from runpod_sdk.emulator._workers import _events as events
from tests.cli.conftest import JOIN

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="it is ended by signals")

KEY = {"authorization": "test"}
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Lines(io.TextIOBase):
    """Standard output, which another thread reads line by line."""

    def __init__(self) -> None:
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._begun = ""

    def write(self, text: str) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._lines.put(line)
        return len(text)

    def next(self) -> str:
        return self._lines.get(timeout=JOIN)


@contextmanager
def kept_signals() -> Generator[None]:
    former = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        for number, kept in former.items():
            signal.signal(number, kept)


def emulated(arguments: list[str], look: Callable[[Lines], None]) -> int:
    """Run the command here, where signals arrive, let a thread look at it, and press Ctrl-C then; return the code."""
    lines, problems = Lines(), list[BaseException]()
    here, lock, is_over = threading.get_ident(), threading.Lock(), False

    def beside() -> None:
        try:
            look(lines)
        except BaseException as problem:  # noqa: BLE001  raised where the test is
            problems.append(problem)
        with lock:
            if not is_over:
                signal.pthread_kill(here, signal.SIGINT)

    thread = threading.Thread(target=beside)
    with kept_signals(), redirect_stdout(lines):
        thread.start()
        code = main(["emulate", "--port", "0", *arguments])
        with lock:
            is_over = True
    thread.join()
    if problems:
        raise problems[0]
    return code


def plain(told: str) -> list[str]:
    """Return lines without the time of day, and without what differs from run to run."""
    lines = [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in told.splitlines()]
    return [re.sub(r"\d+\.\d+ s", "N s", line) for line in lines]


def test_it_says_where_it_is_and_what_happens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    faults = tmp_path / "faults.json"
    faults.write_text('[{"kind": "status", "on": "health", "code": 503, "times": 1}]')
    jobs: list[dict[str, Any]] = []

    def look(lines: Lines) -> None:
        url = lines.next().removeprefix("ready at ")
        assert [lines.next() for _ in range(8)] == [
            "",
            "  local: the built-in handler: mock_return, mock_delay, mock_error, ...",
            "",
            f"export RUNPOD_ENDPOINT_BASE_URL={url}",
            "export RUNPOD_API_KEY=test",
            "",
            "Ctrl-C ends it.",
            f"The console is at {url.removesuffix('v2')}",
        ]
        with httpx.Client(base_url=url, headers=KEY, timeout=JOIN) as client:
            inputs = ({"mock_return": 7}, {"mock_error": True})
            jobs.extend(client.post("local/runsync?wait=60000", json={"input": given}).json() for given in inputs)
            assert [client.get("local/health").status_code for _ in range(2)] == [503, 200]
            assert client.get("local/status/none").status_code == 404

    assert emulated(["--faults", str(faults)], look) == 0
    done, failed = jobs
    assert (done["output"], failed["status"]) == (7, "FAILED")
    told = plain(capsys.readouterr().err)
    assert [line for line in told if not line.startswith("  ")] == [
        f"job {done['id']}: begins on worker {done['workerId']}, after N s in the queue",
        f"job {done['id']}: COMPLETED on worker {done['workerId']} after N s",
        f"job {failed['id']}: begins on worker {failed['workerId']}, after N s in the queue",
        f"job {failed['id']}: FAILED on worker {failed['workerId']} after N s",
        "fault status (before) strikes GET /v2/local/health",
        "refused GET /v2/local/health: HTTP 503",
        "refused GET /v2/local/status/none: HTTP 404: job not found",
    ]
    assert "  RuntimeError: Mock error" in told


def test_workers_elsewhere_are_given_an_environment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    env_file, asked = tmp_path / "worker.env", ["--quiet", "--host", "0", "--api-key", "own"]

    def look(lines: Lines) -> None:
        ready = json.loads(lines.next())
        [endpoint] = ready["endpoints"]
        port = ready["url"].removesuffix("/v2").rpartition(":")[2]
        assert ready["urls_from_elsewhere"] == [f"http://box.local:{port}/v2"]
        environment = endpoint["worker_environment"]
        assert environment["RUNPOD_WEBHOOK_GET_JOB"].startswith(f"http://box.local:{port}/v2/local/job-take/")
        assert env_file.read_text() == "".join(f"{name}={value}\n" for name, value in environment.items())

    code = emulated(["--env-file", str(env_file), "--advertise", "box.local", "--json", *asked], look)
    told = capsys.readouterr().err
    assert (code, told.count("\n")) == (0, 1)
    assert told.startswith("warning: listening on 0: ")
    assert told.endswith("; the key is all that guards it\n")


@pytest.mark.slow
def test_what_goes_on_from_a_file_is_there_and_its_faults_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--json", "--quiet", "--db", str(tmp_path / "state.db")]

    def begin(lines: Lines) -> None:
        url = json.loads(lines.next())["url"]
        httpx.post(f"{url}/local/run", json={"input": {"n": 1}}, headers=KEY).raise_for_status()
        fault = {"kind": "status", "code": 503, "on": ["purge-queue"]}
        httpx.post(f"{url.removesuffix('v2')}_emulator/faults", json=fault).raise_for_status()

    def go_on(lines: Lines) -> None:
        url = json.loads(lines.next())["url"]
        assert httpx.get(f"{url.removesuffix('v2')}_emulator/verdict").json()["submitted"] == 1
        assert httpx.post(f"{url}/local/purge-queue", headers=KEY).status_code == 503

    assert emulated(arguments, begin) == 0
    assert "faults" not in capsys.readouterr().err
    assert emulated(arguments, go_on) == 0
    assert "1 fault that was injected before is still active" in capsys.readouterr().err


def test_the_lines_for_a_worker_elsewhere_are_for_a_shell(capsys: pytest.CaptureFixture[str]) -> None:
    def look(lines: Lines) -> None:
        told = [lines.next()]
        while not told[-1].startswith("# a container"):
            told.append(lines.next())
        assert "# for a worker of local; each needs a RUNPOD_POD_ID of its own" in told
        assert any(line.startswith("export RUNPOD_WEBHOOK_GET_JOB='http://127.0.0.1:") for line in told)

    assert emulated(["--external", "--quiet"], look) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("form", ["text", "json"])
def test_tests_of_a_worker_are_run_and_reported(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "test_input.json").write_text('{"input": {"mock_return": 1}}')
    tests = [{"name": "two", "input": {"mock_return": 2}, "expected_output": 3}]
    (tmp_path / ".runpod").mkdir()
    (tmp_path / ".runpod" / "tests.json").write_text(json.dumps({"tests": tests}))
    with kept_signals():
        code = main(["emulate", "--test-inputs", "--quiet", *(["--json"] if form == "json" else [])])
    out = capsys.readouterr().out
    if form == "json":
        ends = json.loads(out)
        assert (code, ends["failed"], [end["output"] for end in ends["tests"]]) == (1, 1, [1, 2])
    else:
        last = ["FAILED two: N s, the output is 2, and 3 was expected", "1 of 2 as expected"]
        assert (code, plain(out)) == (1, ["ok     test_input.json: N s", *last])


def test_a_worker_without_tests_has_none_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with kept_signals():
        assert main(["emulate", "--test-inputs"]) == 2
    assert capsys.readouterr().err.startswith("runpod-sdk emulate: --test-inputs: ")


def test_a_file_that_has_changed_is_loaded_again_and_a_broken_one_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = tmp_path / "handler.py"
    handler.write_text("def run(job): return 1")
    with Emulator() as emulator:
        files = Files()
        endpoint = emulator.endpoint("abc", f"{handler}:run", in_process=True)
        files.used[endpoint] = {}
        files.reload_changed()
        files.reload_changed()
        assert capsys.readouterr().err == "reloaded abc\n"
        handler.write_text("def fail():\n    raise ValueError('boom')\nfail()")
        files.reload_changed()
    told = capsys.readouterr().err
    assert told.count("File ") == 2, "of the file alone"
    assert told.endswith(f"ValueError: boom\nrunpod-sdk emulate: {handler}: ValueError: boom\n")


def test_a_port_that_is_taken_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, kept_signals():
        port = str(taken.getsockname()[1])
        assert main(["emulate", "--port", port]) == 1
    said = (
        f"runpod-sdk emulate: cannot listen on 127.0.0.1:{port}: Address already in use; --port 0 picks a free port\n"
    )
    assert capsys.readouterr().err == said


def test_a_file_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with kept_signals():
        assert main(["emulate", str(tmp_path / "none.py"), "--port", "0"]) == 1
    assert capsys.readouterr().err == f"runpod-sdk emulate: {tmp_path / 'none.py'}: no such file\n"


def test_an_extra_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with kept_signals():
        assert main(["emulate", "--port", "0"]) == 2
    assert (
        capsys.readouterr().err
        == "runpod-sdk emulate: the extra `emulator` is missing: pip install 'runpod-sdk[emulator]'\n"
    )


# What is told of workers and of jobs.

OF = {"endpoint_id": "abc", "worker_id": "w1"}
DEATH: dict[str, Any] = {**OF, "was_ready": True, "why": "", "tail": ("a", " ")}


@pytest.mark.parametrize(
    ("event", "lines"),
    [
        (events.WorkerStarted(**OF, pid=7), ["worker w1: started for abc, process 7"]),
        (events.WorkerReady(**OF, seconds=1.5), ["worker w1: ready after 1.50 s"]),
        (events.WorkerPrinted(**OF, text="hi"), ["w1 | hi"]),
        (events.JobNoted(**OF, job_id="j1", text="why"), ["job j1: on worker w1: why"]),
        (events.WorkerEnded(**DEATH, exit_code=0, was_asked=True), ["worker w1: ended, as it was asked to"]),
        (events.WorkerEnded(**DEATH, exit_code=3, was_asked=False), ["worker w1: it ended with exit code 3: a"]),
        (
            events.WorkerEnded(**DEATH, exit_code=-9, was_asked=False, log="w1.log"),
            ["worker w1: it ended with signal 9: a", "  all that it printed: w1.log"],
        ),
        (events.WorkerRestarting(**OF, deaths=1, pause=0.0), ["worker w1: takes the place of one that died, now"]),
        (events.WorkerRestarting(**OF, deaths=2, pause=4.0), ["worker w1: takes the place of one that died, in 4 s"]),
        (
            events.EndpointUnhealthy(**OF, deaths=3, why="no GPU"),
            ["endpoint abc is unhealthy: 3 workers died in a row: no GPU"],
        ),
        (events.WorkerEvent(**OF), []),
    ],
)
def test_what_happens_to_a_worker_is_a_line(event: events.WorkerEvent, lines: list[str]) -> None:
    assert Narration(lambda _: None).of_event(event) == lines
    is_death = isinstance(event, events.WorkerEnded) and not event.was_asked
    is_grave = is_death or isinstance(event, events.WorkerPrinted | events.EndpointUnhealthy)
    assert Narration(lambda _: None, is_quiet=True).of_event(event) == (lines if is_grave else [])


ROWS: list[tuple[dict[str, Any], list[str]]] = [
    ({"kind": "request", "n": 1, "method": "POST", "path": "/v2/abc/run"}, []),
    ({"kind": "fault", "fault": "drop", "when": "after", "cause": 1}, ["fault drop (after) strikes POST /v2/abc/run"]),
    ({"kind": "answer", "cause": 1, "status": 429, "reason": "HTTP 429"}, ["refused POST /v2/abc/run: HTTP 429"]),
    ({"kind": "answer", "cause": 9, "status": 400, "reason": "why"}, ["refused a request: HTTP 400: why"]),
    ({"kind": "answer", "cause": 9, "status": 200}, []),
    ({"kind": "fault", "fault": "kill", "when": "before"}, ["fault kill (before) strikes a worker"]),
    ({"kind": "webhook", "job": "j1", "attempt": 2, "status": 500}, ["job j1: webhook, try 2: 500"]),
    ({"kind": "job", "job": "j1", "event": "submit", "to": "IN_QUEUE"}, []),
    (
        {"kind": "job", "job": "j1", "event": "take", "to": "IN_PROGRESS", "worker": "w1"},
        ["begins on worker w1, after 2"],
    ),
    (
        {"kind": "job", "job": "j1", "event": "lose", "to": "IN_QUEUE", "worker": "w1"},
        ["is queued again, as worker w1 lost it"],
    ),
    ({"kind": "job", "job": "j1", "event": "cancel", "to": "CANCELLED"}, ["CANCELLED after 2", "  a reason"]),
    ({"kind": "job", "job": "j1", "event": "forget", "to": None}, []),
    ({"kind": "clock"}, []),
]


def test_what_happens_to_a_job_is_a_line() -> None:
    loud, quiet = (Narration(lambda _: {"error": "a reason"}, is_quiet=is_quiet) for is_quiet in (False, True))
    for at, (row, wanted) in enumerate(ROWS):
        told = loud.of_row({**row, "time": 2.0 * at})
        assert len(told) == len(wanted), row
        assert all(part in line for part, line in zip(wanted, told, strict=True)), told
        assert quiet.of_row({**row, "time": 2.0 * at}) == []


# What is refused.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--time-scale", "0"], "--time-scale: a positive number"),
        (["--faults", "no-such-file", "--port", "0"], "--faults no-such-file"),
        (["x.py", "--worker", "python x.py"], "one of FILE, -m, --worker and --external"),
        (["x.py", "--env-file", "x"], "one of FILE, -m, --worker and --external"),
        (["--workers", "0"], "--workers: at least 1"),
        (["--external", "--env-file", "x", "--endpoint", "a", "--endpoint", "b"], "--env-file: it is for one"),
        (["--worker", "no-such-program", "--port", "0"], "no such program"),
        (["--endpoint", "a", "--endpoint", "a", "--port", "0"], "is already declared"),
        (["--endpoint", "a/b", "--port", "0"], "endpoint_id='a/b'"),
        (["--endpoint", "", "--port", "0"], "endpoint_id=''"),
        (["--endpoint", "ä", "--port", "0"], "endpoint_id='ä'"),
        (["--endpoint", "a" * 129, "--port", "0"], "endpoint_id='aaa"),
        (["--endpoint", "a="], "a worker's file expected"),
        (["--endpoint", "a=."], ".: a worker's file expected, not a folder"),
        (["."], ".: a worker's file expected, not a folder"),
        ([""], "a worker's file expected"),
        (["--worker", " "], "--worker: the command of a worker expected"),
        (["--worker", ""], "--worker: the command of a worker expected"),
        (["--cors", "*", "--port", "0"], "cors='*'"),
        (["--cors", "http://a.example/", "--port", "0"], "cors='http://a.example/'"),
        (["--allow-host", "a b", "--port", "0"], "host_names='a b'"),
        (["--port", "99999"], "--port 99999: 0 to 65535 expected"),
        (["--port", "-1"], "--port -1: 0 to 65535 expected"),
        (["--host", "", "--port", "0"], "host=''"),
        (["--host", "a b", "--port", "0"], "host='a b'"),
        (["--advertise", "a b", "--external", "--port", "0"], "--advertise"),
        (["--api-key", "", "--port", "0"], "api_key"),
        (["--api-key", " hunter2", "--port", "0"], "api_key"),
        (["--env-file", "no-such-folder/x", "--port", "0"], "no-such-folder/x: No such file or directory"),
        (["--env-file", ".", "--port", "0"], "Is a directory"),
    ],
)
def test_bad_arguments_exit_with_2_and_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with kept_signals():
        assert main(["emulate", *arguments]) == 2
    said = capsys.readouterr().err
    assert said.startswith("runpod-sdk emulate: ")
    assert message in said
    assert said.count("\n") == 1
    assert "hunter" not in said


def test_help_fits_80_columns(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main(["emulate", "--help"])
    out = capsys.readouterr().out
    assert all(len(line) <= 80 for line in out.splitlines())
    assert "  130  Ctrl-C before it was ready" in out


@pytest.mark.parametrize(
    ("host", "expected"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("10.0.0.1", False), ("box", False)]
)
def test_what_counts_as_this_machine(host: str, expected: bool) -> None:  # noqa: FBT001  a table
    assert is_loopback(host) is expected
