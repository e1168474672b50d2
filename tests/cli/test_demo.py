"""The demo: that it passes, that it would not pass with a wrong outcome, how it is shown, and how it is ended early."""

import io
import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from typing import Any, TextIO

import pytest

from runpod_sdk import Endpoint
from runpod_sdk.cli import main
from runpod_sdk.cli._demo import _async, _handlers, _sync, _views
from runpod_sdk.cli._demo._recorder import FLAVOURS, Recorder, Scene, endpoint_id_of
from runpod_sdk.clock import Clock, SystemClock
from runpod_sdk.emulator import Emulator

SCENARIOS = ["run and poll", "run_sync", "stream", "cancel", "fail and retry", "purge", "health"]
COMMAND = [sys.executable, "-W", "error", "-m", "runpod_sdk", "demo", "--plain"]
# Sequences that set a colour, foreground or background.
COLOUR = re.compile(r"\x1b\[(?:\d+;)*[349][0-7](?:;\d+)*m")


class Terminal(io.StringIO):
    """A terminal that only remembers."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return what leaves out all scenarios but those named."""

    def keep(*names: str) -> None:
        for flavour in (_sync, _async):
            scenarios: dict[str, Any] = flavour.SCENARIOS
            monkeypatch.setattr(flavour, "SCENARIOS", {name: scenarios[name] for name in names})

    return keep


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Return an output that is a terminal, in an environment that says nothing of colours."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    return Terminal()


def summary(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    """Run the demo with --json, and return its exit code and what it printed."""
    code = main(["demo", "--json"])
    [line] = capsys.readouterr().out.splitlines()
    return code, json.loads(line)


# The whole demo, once.


@pytest.fixture(scope="module")
def whole() -> tuple[int, str]:
    """Run the demo as it is, and return its exit code and what it printed."""
    with redirect_stdout(io.StringIO()) as out:
        code = main(["demo"])
    return code, out.getvalue()


@pytest.mark.slow
def test_all_scenarios_end_as_they_must(whole: tuple[int, str]) -> None:
    code, out = whole
    assert code == 0
    assert "14 of 14 scenarios passed\n" in out


@pytest.mark.parametrize("flavour", ["sync", "async"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_each_scenario_runs_in_both_flavours(whole: tuple[int, str], flavour: str, scenario: str) -> None:
    assert re.search(rf"^{flavour:<5}  {scenario:<14}  ok        \d+ ms", whole[1], re.MULTILINE)


def test_the_stream_arrives_character_by_character(whole: tuple[int, str]) -> None:
    text = "Hello, World!"
    shown = re.findall(r"^sync   stream          \w{8}               ('.*')$", whole[1], re.MULTILINE)
    assert shown == [repr(text[: end + 1]) for end in range(len(text))]


def test_a_failure_is_shown_with_the_words_of_the_worker(whole: tuple[int, str]) -> None:
    assert "output() raises JobFailedError: RuntimeError: CUDA out of memory\n" in whole[1]


def test_the_summary_counts_jobs_latencies_requests_and_time(whole: tuple[int, str]) -> None:
    _, _, end = whole[1].partition("scenarios passed\n")
    pattern = (
        r"jobs      14 CANCELLED, 8 COMPLETED\n"
        r"latency   p50 \d+ ms, max \d+ ms for a scenario\n"
        r"requests  \d{3}\n"
        r"time      (\d+\.\d) s\n"
    )
    match = re.fullmatch(pattern, end)
    assert match is not None
    assert float(match[1]) < 15


def test_plain_lines_hold_no_control_characters(whole: tuple[int, str]) -> None:
    assert whole[1].replace("\n", "").isprintable()


# A wrong outcome: each scenario must notice its own, in both flavours.


def wrong_output(_: dict[str, Any]) -> str:
    return "wrong"


def spelling_short(_: Clock) -> Callable[[dict[str, Any]], Iterator[str]]:
    def handler(job: dict[str, Any]) -> Iterator[str]:
        yield from job["input"]["prompt"][:-1]

    return handler


def never_failing() -> Callable[[dict[str, Any]], str]:
    return lambda _: _handlers.RETRIED_OUTPUT


@pytest.mark.parametrize(
    ("scenario", "name", "bug", "problem"),
    [
        ("run_sync", "generate", wrong_output, "output is 'wrong', and must be {"),
        ("stream", "spelling", spelling_short, "text is 'Hello, World', and must be 'Hello, World!'"),
        ("fail and retry", "failing_once", never_failing, "nothing was raised, and JobFailedError must be"),
    ],
)
def test_a_wrong_handler_makes_the_exit_code_1(
    scenario: str,
    name: str,
    bug: object,
    problem: str,
    only: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    only(scenario)
    monkeypatch.setattr(_handlers, name, bug)
    code, said = summary(capsys)
    assert code == 1
    assert not said["ok"]
    assert [line.startswith(problem) for line in (row["result"] for row in said["scenarios"])] == [True, True]


@pytest.mark.parametrize(
    ("scenario", "options", "problem"),
    [
        ("run and poll", {"handler": wrong_output}, "output is 'wrong', and must be 'Hello World!'"),
        ("cancel", {"workers": 2}, "status is 'IN_PROGRESS', and must be 'IN_QUEUE'"),
        ("purge", {"workers": 2}, "status is 'IN_PROGRESS', and must be 'IN_QUEUE'"),
        ("health", {"workers": 1}, "workers is WorkerCounts(idle=0"),
        ("run_sync", {}, "output is 'Hello World!', and must be {"),
    ],
)
def test_a_wrong_endpoint_makes_the_exit_code_1(
    scenario: str,
    options: dict[str, Any],
    problem: str,
    only: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def declare(emulator: Emulator, _: Clock) -> None:
        for flavour in FLAVOURS:
            emulator.endpoint(endpoint_id_of(flavour, scenario), **options)

    only(scenario)
    monkeypatch.setattr(_handlers, "declare_endpoints", declare)
    code, said = summary(capsys)
    assert code == 1
    assert [line.startswith(problem) for line in (row["result"] for row in said["scenarios"])] == [True, True]


def test_an_unexpected_error_is_a_wrong_outcome_and_the_others_still_run(
    only: Callable[..., None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_: dict[str, Any]) -> None:
        raise ValueError("no prompt")

    only("run_sync", "health")
    monkeypatch.setattr(_handlers, "generate", broken)
    code, said = summary(capsys)
    assert code == 1
    assert [row["ok"] for row in said["scenarios"]] == [False, True, False, True]
    assert said["problems"][0].startswith("sync run_sync: JobFailedError: job sync-")
    assert said["problems"][0].endswith("ValueError: no prompt")


def test_a_job_that_is_left_running_is_a_wrong_outcome(
    only: Callable[..., None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def leave(endpoint: Endpoint, scene: Scene) -> str:
        endpoint.run({"mock_delay": 95}, timeout=scene.timeout)
        return "gone"

    only()
    monkeypatch.setattr(_sync, "SCENARIOS", {"health": leave})
    code, said = summary(capsys)
    assert (code, said["problems"]) == (1, ["1 job left IN_PROGRESS"])


def test_no_scenario_begins_after_the_time_is_over(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("runpod_sdk.cli._demo._recorder.BUDGET", 0.0)
    code, said = summary(capsys)
    assert code == 1
    assert {row["result"] for row in said["scenarios"]} == {"the demo's 0 s are over"}
    assert said["jobs"] == {}


# How it is shown.


def test_json_is_one_line_that_tells_everything(only: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    only("cancel")
    code, said = summary(capsys)
    assert code == 0
    assert said["ok"]
    assert said["problems"] == []
    assert said["jobs"] == {"CANCELLED": 4}
    assert said["latency_ms"].keys() == {"p50", "max"}
    assert said["requests"] > 0
    assert said["seconds"] > 0
    first = said["scenarios"][0]
    assert (first["flavour"], first["scenario"], first["ok"]) == ("sync", "cancel", True)
    assert list(first["jobs"].values()) == [["IN_PROGRESS", "CANCELLED"], ["IN_QUEUE", "CANCELLED"]]


def test_an_output_that_breaks_off_is_not_the_fault_of_a_scenario() -> None:
    class Broken(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    recorder = Recorder(SystemClock(), _views.PlainView(Broken()))
    with pytest.raises(BrokenPipeError), recorder.scene("sync", "cancel") as scene:
        scene.note("cancelled")
    assert scene.problem == ""


def test_a_wrong_outcome_is_named_in_plain_lines(
    only: Callable[..., None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    only("run_sync")
    monkeypatch.setattr(_handlers, "generate", wrong_output)
    assert main(["demo", "--plain"]) == 1
    out = capsys.readouterr().out
    assert re.search(r"^sync   run_sync        WRONG     \d+ ms +output is 'wrong'", out, re.MULTILINE)
    assert "\n0 of 2 scenarios passed\nWRONG     sync run_sync: output is 'wrong'" in out


def test_a_terminal_gets_a_table(
    only: Callable[..., None], terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    only("cancel", "fail and retry")
    monkeypatch.setattr(sys, "stdout", terminal)
    assert main(["demo"]) == 0
    out = terminal.getvalue()
    assert re.search(r"sync  cancel         \w{8} IN_PROGRESS > CANCELLED   JobCancelledError, twice +\d+", out)
    assert re.search(
        r"async fail and retry \w{8} FAILED > COMPLETED        RuntimeError: CUDA out of memory; then", out
    )
    assert "4 of 4 scenarios passed" in out
    assert COLOUR.search(out)


def test_the_table_has_no_colour_where_none_is_wanted(
    only: Callable[..., None], terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    only("cancel")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys, "stdout", terminal)
    assert main(["demo"]) == 0
    assert "2 of 2 scenarios passed" in terminal.getvalue()
    assert not COLOUR.search(terminal.getvalue())


def output_in_brackets(_: dict[str, Any]) -> str:
    return "[/bold]"


def test_an_output_in_brackets_is_not_taken_for_markup(
    only: Callable[..., None], terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    only("run_sync")
    monkeypatch.setattr(_handlers, "generate", output_in_brackets)
    monkeypatch.setattr(sys, "stdout", terminal)
    assert main(["demo"]) == 1
    assert "output is '[/bold]'" in terminal.getvalue()


@pytest.mark.parametrize(
    ("arguments", "out", "term"),
    [
        ({"plain": True}, Terminal(), "xterm"),
        ({"plain": False}, io.StringIO(), "xterm"),
        ({"plain": False}, Terminal(), "dumb"),
    ],
    ids=["--plain", "no terminal", "a dumb terminal"],
)
def test_plain_lines_where_no_table_can_be_drawn(
    arguments: dict[str, bool], out: TextIO, term: str, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", term)
    assert isinstance(_views.view_for(out, as_json=False, **arguments), _views.PlainView)


def test_forced_colours_put_no_control_characters_into_a_file(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert isinstance(_views.view_for(io.StringIO(), plain=False, as_json=False), _views.PlainView)


# Without the extras.


def test_a_missing_emulator_extra_is_named_with_its_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert main(["demo"]) == 2
    captured = capsys.readouterr()
    assert captured.err == "runpod-sdk demo needs the emulator: pip install 'runpod-sdk[emulator]'\n"
    assert captured.out == ""


def test_a_terminal_gets_plain_lines_without_rich(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "rich"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rich", None)
    assert isinstance(_views.view_for(terminal, plain=False, as_json=False), _views.PlainView)


# As a process.


@pytest.mark.slow
def test_a_pipe_gets_the_whole_demo_and_stderr_stays_empty() -> None:
    done = subprocess.run(COMMAND, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603  our own words
    assert (done.returncode, done.stderr) == (0, "")
    assert "14 of 14 scenarios passed\n" in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
@pytest.mark.parametrize("flavour", ["sync", "async"])
def test_ctrl_c_ends_the_demo_cleanly(flavour: str) -> None:
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout is not None
        assert any(line.startswith(flavour) and "  ok  " in line for line in process.stdout)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    first, *notes = said.splitlines()  # a note says what became of the job that was waited for, if one was
    assert (process.returncode, first) == (130, "interrupted")
    assert all("job" in note for note in notes), said


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="a closed pipe is another error on Windows")
def test_a_reader_that_leaves_ends_the_demo_without_a_complaint() -> None:
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=60) == 141
