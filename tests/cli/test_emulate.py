"""`runpod-sdk emulate`: what it prints, what runs behind it, and how it ends; each in a process of its own."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

pytestmark = [pytest.mark.skipif(os.name != "posix", reason="it is ended by signals"), pytest.mark.slow]

JOIN = 120  # seconds until what must come is missed
WORKER = [sys.executable, str(Path(__file__).parent.parent / "emulator" / "scripted_worker.py")]
HANDLER = """
import runpod
print("loading")
def handler(job):
    return ANSWER
runpod.serverless.start({"handler": handler})
"""


class Running:
    """An emulator in a process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.out: IO[str] = process.stdout or sys.stdin
        self.err: IO[str] = process.stderr or sys.stdin

    def ready(self) -> dict[str, Any]:
        """Return the line of --json."""
        line: dict[str, Any] = json.loads(self.out.readline())
        return line

    def end(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """Return the exit code, and what is left of the errors."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=JOIN)
        return self.process.returncode, errors


@contextmanager
def emulate(*arguments: str, port: str = "0") -> Generator[Running]:
    command = [sys.executable, "-m", "runpod_sdk", "emulate", "--port", port, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # noqa: S603  ours
    try:
        yield Running(process)
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def handler(tmp_path: Path) -> Path:
    path = tmp_path / "handler.py"
    path.write_text(HANDLER.replace("ANSWER", "job['input']"))
    return path


def call(url: str, endpoint: str = "local", **job_input: Any) -> dict[str, Any]:
    headers = {"authorization": "test"}
    answer = httpx.post(
        f"{url}/{endpoint}/runsync?wait=300000", json={"input": job_input}, headers=headers, timeout=JOIN
    )
    body: dict[str, Any] = answer.json()
    return body


def test_a_file_is_served_and_json_is_one_line(handler: Path) -> None:
    with emulate(str(handler), "--json", "--quiet") as running:
        ready = running.ready()
        assert ready == {
            "ready": True,
            "url": ready["url"],
            "urls_from_elsewhere": [],
            "console": ready["url"].removesuffix("v2"),
            "api_key": "test",
            "endpoints": [{"id": "local", "runs": f"{handler}, 1 worker", "file": str(handler), "workers": 1}],
        }
        assert call(ready["url"], n=1)["output"] == {"n": 1}
        code, errors = running.end()
        assert (code, errors.endswith(" | loading\n")) == (0, True), "what the file prints is not on stdout"
        assert running.out.closed


def test_it_says_what_happens(tmp_path: Path) -> None:
    file = tmp_path / "handler.py"
    file.write_text(HANDLER.replace("return ANSWER", "print('called')\n    return 1 / job['input']['n']"))
    faults = tmp_path / "faults.json"
    faults.write_text('[{"kind": "status", "on": ["health"], "code": 503}]')
    with emulate(str(file), "--json", "--faults", str(faults)) as running:
        url = running.ready()["url"]
        done, failed = call(url, n=1), call(url, n=0)
        refused = httpx.get(f"{url}/local/status/{done['id']}").status_code
        assert httpx.get(f"{url}/local/health", headers={"authorization": "test"}).status_code == 503
        code, errors = running.end()
    worker = done["workerId"]
    lines = [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in errors.splitlines()]
    told = [re.sub(r"\d+\.\d+ s", "N s", re.sub(r"process \d+", "process N", line)) for line in lines]
    began = f"begins on worker {worker}, after N s in the queue"
    trace = [line for line in told if line.startswith("  ")]
    assert (code, [line for line in told if line not in trace]) == (
        0,
        [
            f"worker {worker}: started for local, process N",
            f"{worker} | loading",
            f"worker {worker}: ready after N s",
            f"job {done['id']}: {began}",
            f"{worker} | called",
            f"job {done['id']}: COMPLETED on worker {worker} after N s",
            f"job {failed['id']}: {began}",
            f"{worker} | called",
            f"job {failed['id']}: FAILED on worker {worker} after N s",
            f"refused GET /v2/local/status/{done['id']}: HTTP {refused}: invalid api key",
            "fault status (before) strikes GET /v2/local/health",
            "refused GET /v2/local/health: HTTP 503",
            f"worker {worker}: ended, as it was asked to",
        ],
    )
    assert trace[0] == "  Traceback (most recent call last):"
    assert f'    File "{file}", line 6, in handler' in trace
    assert trace[-1] == "  ZeroDivisionError: division by zero"


def test_refusals_say_why_and_what_a_command_prints_is_seen_at_once() -> None:
    with emulate("--worker", "sh -c 'echo loading; echo >&2 a warning; exec sleep 1000'", "--json") as running:
        url = running.ready()["url"]
        told = [running.err.readline() for _ in range(3)]
        worker = told[0].removeprefix("worker ").partition(":")[0]
        assert told[1:] == [f"{worker} | loading\n", f"{worker} | a warning\n"]
        headers = {"authorization": "test"}
        httpx.post(f"{url}/local/run", json={"policy": {"ttl": "soon"}}, headers=headers)
        httpx.get(f"{url}/local/status/unknown", headers=headers)
        told = [re.sub(r"^\d\d:\d\d:\d\d ", "", running.err.readline()) for _ in range(2)]
        assert told[0].startswith("refused POST /v2/local/run: HTTP 400: ")
        assert "ttl" in told[0]
        assert told[1] == "refused GET /v2/local/status/unknown: HTTP 404: job not found\n"
        running.end()


def test_a_command_that_dies_is_told_with_its_last_lines_and_its_log_is_kept() -> None:
    with emulate("--worker", "sh -c 'echo no GPU; exit 3'", "--json", "--quiet") as running:
        logs = Path(running.ready()["endpoints"][0]["logs"])
        told = [running.err.readline()]
        while not told[-1].startswith("endpoint"):
            told.append(running.err.readline())
        code, _ = running.end()
    try:
        worker = told[0].partition(" | ")[0]
        log = logs / f"{worker}.log"
        assert told[:3] == [
            f"{worker} | no GPU\n",
            f"worker {worker}: it ended with exit code 3: no GPU\n",
            f"  all that it printed: {log}\n",
        ]
        assert len(told) == 10
        assert told[9] == "endpoint local is unhealthy: 3 workers died in a row: it ended with exit code 3: no GPU\n"
        assert (code, log.read_text()) == (0, "no GPU\n")
    finally:
        shutil.rmtree(logs.parent)


def ends_of(tmp_path: Path, *arguments: str) -> tuple[int, str, str]:
    """Run the tests of a worker's repository; return the exit code, and what is printed."""
    command = [sys.executable, "-m", "runpod_sdk", "emulate", *arguments, "--test-inputs"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=JOIN, check=False)  # noqa: S603  ours
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A worker's repository: a handler in a folder, and tests above it."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "handler.py").write_text(HANDLER.replace("ANSWER", "1 / job['input']['n']"))
    (tmp_path / "test_input.json").write_text('{"input": {"n": 1}}')
    (tmp_path / ".runpod").mkdir()
    return tmp_path


def test_the_tests_of_a_worker_are_run_and_reported(repository: Path) -> None:
    tests = [
        {"name": "half", "input": {"n": 2}, "timeout": 10000, "expected_output": 0.5},
        {"name": "third", "input": {"n": 3}, "expected_output": 0.5},
        {"name": "none", "input": {"n": 0}},
    ]
    (repository / ".runpod" / "tests.json").write_text(json.dumps({"tests": tests}))
    code, out, errors = ends_of(repository, "src/handler.py")
    assert (code, re.sub(r"\d\.\d{3} s", "N s", out).splitlines()) == (
        1,
        [
            "ok     test_input.json: N s",
            "ok     half: N s",
            f"FAILED third: N s, the output is {1 / 3}, and 0.5 was expected",
            "FAILED none: N s, the job ended FAILED",
            "2 of 4 as expected",
        ],
    )
    assert "ZeroDivisionError: division by zero" in errors
    code, out, _ = ends_of(repository, "src/handler.py", "--json")
    ends = json.loads(out)
    assert (code, ends["failed"], [end["output"] for end in ends["tests"]]) == (1, 2, [1.0, 0.5, 1 / 3, None])


@pytest.mark.parametrize("beside", ["src", "."])
def test_the_tests_of_a_module_lie_beside_it_or_above(repository: Path, beside: str) -> None:
    (repository / "test_input.json").rename(repository / beside / "test_input.json")
    for name in ("__init__.py", "utils.py"):
        (repository / "src" / name).touch()
    handler = repository / "src" / "handler.py"
    handler.write_text(f"from . import utils\n{handler.read_text()}")
    code, out, _ = ends_of(repository, "-m", "src.handler", "--json")
    assert (code, [test["output"] for test in json.loads(out)["tests"]]) == (0, [1.0])


def test_tests_that_all_pass_end_with_0(repository: Path) -> None:
    assert ends_of(repository, "src/handler.py")[0] == 0


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "Expecting property name"),
        ('{"tests": 1}', 'a list "tests" expected'),
        ('[{"input": "text"}]', 'tests.json 1: an object with "input", which is an object, expected'),
        ('[{"input": {}, "timeout": "10"}]', "tests.json 1: a timeout is a positive number of milliseconds"),
    ],
)
def test_tests_that_cannot_be_read_are_named(repository: Path, text: str, why: str) -> None:
    (repository / ".runpod" / "tests.json").write_text(text)
    code, out, errors = ends_of(repository, "src/handler.py", "--quiet")
    assert (code, out, errors.splitlines()[-1].startswith("runpod-sdk emulate: --test-inputs: ")) == (2, "", True)
    assert why in errors


def test_lines_for_a_shell(handler: Path) -> None:
    with emulate(str(handler), "--api-key", "a key", "--quiet") as running:
        lines = [running.out.readline().rstrip("\n") for _ in range(9)]
        url = lines[0].removeprefix("ready at ")
        assert lines == [
            f"ready at {url}",
            "",
            f"  local: {handler}, 1 worker",
            "",
            f"export RUNPOD_ENDPOINT_BASE_URL={url}",
            "export RUNPOD_API_KEY='a key'",
            "",
            "Ctrl-C ends it.",
            f"The console is at {url.removesuffix('v2')}",
        ]
        code, errors = running.end()
        assert (code, errors.endswith(" | loading\n")) == (0, True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_every_signal_ends_it_and_its_workers(number: int) -> None:
    with emulate("--worker", shlex.join(WORKER), "--workers", "2", "--json", "--quiet") as running:
        ready = running.ready()
        logs = Path(ready["endpoints"][0]["logs"])
        assert call(ready["url"], do="answer")["status"] == "COMPLETED"
        assert len(list(logs.iterdir())) == 2
        groups = _groups_of(running.process.pid)
        assert len(groups) == 3, "two workers, and what ends them if it is killed"
        code, errors = running.end(number)
        assert (code, [line for line in errors.splitlines() if not line.endswith(" begins")]) == (0, [])
        assert [group for group in groups if _exists(group)] == []
        assert not logs.exists()


def test_a_second_ctrl_c_kills_the_workers() -> None:
    with emulate("--worker", shlex.join(WORKER), "--json") as running:
        url = running.ready()["url"]
        headers = {"authorization": "test"}
        job_id = httpx.post(f"{url}/local/run", json={"input": {"do": "ignore SIGTERM"}}, headers=headers).json()["id"]
        while "output" not in httpx.get(f"{url}/local/status/{job_id}", headers=headers).json():
            pass
        groups = _groups_of(running.process.pid)
        while running.process.poll() is None:
            running.process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                running.process.wait(0.1)
        assert running.process.returncode == 130
        assert [group for group in groups if _exists(group)] == []


def test_an_environment_for_workers_elsewhere(tmp_path: Path) -> None:
    env_file = tmp_path / "worker.env"
    with emulate("--external", "--env-file", str(env_file), "--advertise", "box.local", "--json") as running:
        ready = running.ready()
        environment = ready["endpoints"][0]["worker_environment"]
        port = ready["url"].rsplit(":", 1)[1].removesuffix("/v2")
        assert environment["RUNPOD_WEBHOOK_GET_JOB"] == f"http://box.local:{port}/v2/local/job-take/$ID?gpu=cpu"
        assert env_file.read_text() == "".join(f"{name}={value}\n" for name, value in environment.items())
        assert running.end()[0] == 0


def test_the_printed_environment_is_what_a_worker_needs(tmp_path: Path) -> None:
    """A shell takes the lines as they are, and a worker that is started in it gets a job."""
    with emulate("--external") as running:
        lines = [running.out.readline()]
        while not lines[-1].startswith("Ctrl-C"):
            lines.append(running.out.readline())
        exports = "".join(line for line in lines if line.startswith("export "))
        script = f"{exports}\nexec {shlex.join(WORKER)}"
        worker = subprocess.Popen(["sh", "-c", script], stdout=subprocess.DEVNULL)  # noqa: S603, S607  ours
        try:
            url = lines[0].split()[-1]
            assert call(url, do="answer")["status"] == "COMPLETED"
        finally:
            worker.kill()
            worker.wait()
        assert any("--network host" in line for line in lines)
        assert running.end()[0] == 0


def test_several_endpoints_at_once(handler: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.py"
    other.write_text("def run(job):\n    return 'other'\n")
    with emulate(
        "--endpoint", f"one={handler}", "--endpoint", f"two={other}:run", "--endpoint", "mock", "--json"
    ) as running:
        url = running.ready()["url"]
        outputs = [call(url, name, mock_return=7)["output"] for name in ("one", "two", "mock")]
        assert outputs == [{"mock_return": 7}, "other", 7]
        assert running.end()[0] == 0


def test_a_changed_file_is_loaded_again_and_a_broken_one_is_not(handler: Path) -> None:
    with emulate(str(handler), "--reload", "--json", "--quiet") as running:
        url = running.ready()["url"]
        assert running.err.readline().endswith(" | loading\n")
        handler.write_text(HANDLER.replace("ANSWER", "'changed'"))
        lines = {running.err.readline().rpartition(" | ")[2] for _ in range(2)}
        assert lines == {"loading\n", "reloaded local\n"}
        assert call(url, n=1)["output"] == "changed"
        handler.write_text("raise ValueError('boom')")
        while not (line := running.err.readline()).startswith(f"runpod-sdk emulate: {handler}"):
            assert "_emulate" not in line
        assert line == f"runpod-sdk emulate: {handler}: ValueError: boom\n"
        assert call(url, n=1)["output"] == "changed"
        assert running.end()[0] == 0


def test_changed_workers_are_replaced(tmp_path: Path) -> None:
    script = tmp_path / "worker.py"
    script.write_text(Path(WORKER[1]).read_text())
    with emulate("--worker", shlex.join([sys.executable, str(script)]), "--reload", "--json", "--quiet") as running:
        url = running.ready()["url"]
        first = call(url, do="answer")["output"]
        script.write_text(script.read_text() + "\n")
        while (line := running.err.readline()) != "reloaded local\n":
            assert line.endswith(" begins\n")
        assert call(url, do="answer")["output"] != first
        assert running.end()[0] == 0


def test_a_file_that_cannot_be_loaded_is_shown_with_its_own_traceback(handler: Path) -> None:
    handler.write_text("def fail():\n    raise ValueError('boom')\nfail()")
    with emulate(str(handler)) as running:
        _, errors = running.process.communicate(timeout=JOIN)
        assert running.process.returncode == 1
    assert errors.count("File ") == 2
    assert errors.endswith(f"ValueError: boom\nrunpod-sdk emulate: {handler}: ValueError: boom\n")


def test_a_port_that_is_taken_is_told_before_a_worker_starts(handler: Path) -> None:
    begun = handler.parent / "begun"
    handler.write_text(f"open({str(begun)!r}, 'w').close()\n{handler.read_text()}")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with emulate(str(handler), port=port) as running:
            _, errors = running.process.communicate(timeout=JOIN)
            assert running.process.returncode == 1
    assert not begun.exists()
    assert errors == (
        f"runpod-sdk emulate: cannot listen on 127.0.0.1:{port}: Address already in use; --port 0 picks a free port\n"
    )


def test_a_missing_extra_is_told_before_a_worker_starts(handler: Path) -> None:
    begun = handler.parent / "begun"
    handler.write_text(f"open({str(begun)!r}, 'w').close()\n{handler.read_text()}")
    code = "import sys; sys.modules['uvicorn'] = None; from runpod_sdk.cli import main; "
    code += f"main(['emulate', {str(handler)!r}])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=JOIN, check=False)  # noqa: S603  ours
    assert done.stderr == "runpod-sdk emulate: the extra `emulator` is missing: pip install 'runpod-sdk[emulator]'\n"
    assert not begun.exists()


def test_who_listens_beyond_this_machine_is_warned() -> None:
    with emulate("--host", "0.0.0.0", "--external", "--json") as running:  # noqa: S104  that is what warns
        ready = running.ready()
        assert "//127.0.0.1:" in ready["endpoints"][0]["worker_environment"]["RUNPOD_WEBHOOK_PING"]
        for url in [ready["url"], *ready["urls_from_elsewhere"]]:
            answer = httpx.get(f"{url}/local/health", headers={"authorization": "test"})
            assert answer.status_code == 200, f"nobody can call 0.0.0.0, but {url}"
        code, errors = running.end()
    assert code == 0
    assert errors.startswith("warning: listening on 0.0.0.0: anyone who reaches this machine")
    assert "the key is all that guards it, and 'test' is known to everybody: --api-key takes another" in errors


def test_a_name_that_is_advertised_stands_for_all_addresses_and_a_key_of_ones_own_is_not_remarked() -> None:
    with emulate("--host", "0", "--advertise", "box.internal", "--api-key", "own", "--json") as running:
        ready = running.ready()
        port = ready["url"].removesuffix("/v2").rpartition(":")[2]
        assert ready["urls_from_elsewhere"] == [f"http://box.internal:{port}/v2"]
        _, errors = running.end()
    assert errors.startswith("warning: listening on 0: ")
    assert errors.splitlines()[0].endswith("; the key is all that guards it")


def test_faults_of_a_file_strike(tmp_path: Path) -> None:
    faults = tmp_path / "faults.json"
    faults.write_text('[{"kind": "status", "code": 503, "on": "health", "times": 1}]')
    with emulate("--faults", str(faults), "--json") as running:
        health = f"{running.ready()['url']}/local/health"
        seen = [httpx.get(health, headers={"authorization": "test"}, timeout=JOIN).status_code for _ in range(2)]
        assert seen == [503, 200]
        assert running.end()[0] == 0


def test_scaled_time_lets_a_minute_pass_in_no_time() -> None:
    with emulate("--time-scale", "1000", "--json") as running:
        answer = call(running.ready()["url"], mock_return="done", mock_delay=60)
        assert (answer["output"], answer["executionTime"] >= 60_000) == ("done", True)
        assert running.end()[0] == 0


def test_the_console_is_opened_once_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, browser = tmp_path / "opened", tmp_path / "browser"
    os.mkfifo(opened)
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(0o700)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    with emulate("--open", "--json") as running:
        page = running.ready()["console"]
        assert opened.read_text() == f"{page}\n"
        assert httpx.get(page).text.startswith("<!doctype html>")
        assert running.end()[0] == 0


def test_pages_and_names_that_are_let_in() -> None:
    given = ["--cors", "http://app.example", "--allow-host", "ci.example", "--advertise", "box.example"]
    with emulate(*given, "--json") as running:
        url = running.ready()["url"]
        read = httpx.get(f"{url}/local/health", headers={"authorization": "test", "origin": "http://app.example"})
        assert read.headers["access-control-allow-origin"] == "http://app.example"
        control = f"{url.removesuffix('/v2')}/_emulator/ready"
        codes = {
            name: httpx.get(control, headers={"authorization": "test", "host": name}).status_code
            for name in ("ci.example", "box.example", "evil.example")
        }
        assert codes == {"ci.example": 200, "box.example": 200, "evil.example": 403}
        assert running.end()[0] == 0


def test_an_environment_is_written_for_its_owner_alone(tmp_path: Path) -> None:
    target, link = tmp_path / "kept" / "worker.env", tmp_path / "link.env"
    target.parent.mkdir()
    target.write_text("OLD=1\n")
    target.chmod(0o666)
    link.symlink_to(target)
    with target.open() as reader, emulate("--env-file", str(link), "--json") as running:
        environment = running.ready()["endpoints"][0]["worker_environment"]
        assert running.end()[0] == 0
        assert reader.read() == "OLD=1\n", "whoever has it open sees nothing new"
    assert target.stat().st_mode & 0o777 == 0o600
    assert link.is_symlink()
    assert target.read_text() == "".join(f"{name}={value}\n" for name, value in environment.items())
    assert [path.name for path in target.parent.iterdir()] == ["worker.env"]


def test_an_environment_may_be_written_to_what_is_no_file() -> None:
    with emulate("--env-file", "/dev/stderr", "--json") as running:
        key = running.ready()["endpoints"][0]["worker_environment"]["RUNPOD_AI_API_KEY"]
        code, errors = running.end()
    assert code == 0
    assert f"RUNPOD_AI_API_KEY={key}\n" in errors


def _groups_of(parent: int) -> list[int]:
    """Return the processes that a process has started: each leads a group."""
    text = subprocess.run(["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, text=True, check=True)  # noqa: S603, S607  ours
    return [int(pid) for pid in text.stdout.split() if _exists(int(pid))]


def _exists(group: int) -> bool:
    """Claim that a process of the group still runs; one that is dead and was not waited for does not."""
    text = subprocess.run(["ps", "-o", "stat=", "-g", str(group)], capture_output=True, text=True, check=False)  # noqa: S603, S607  ours
    return any(not state.startswith("Z") for state in text.stdout.split())
