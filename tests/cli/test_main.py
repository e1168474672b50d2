"""The command line before any command: help, version, usage errors, and what becomes of interruptions."""

import os
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from importlib.metadata import entry_points
from types import ModuleType

import pytest

from runpod_sdk import __version__, cli
from tests.cli.conftest import Shell, posix_only

HEAVY = {"asyncio", "httpx", "attrs", "rich", "uvicorn", "starlette", "pytest"}


def exit_code(*argv: str) -> object:
    with pytest.raises(SystemExit) as raised:
        cli.main(argv)
    return raised.value.code


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return a command `try` that does nothing yet."""
    module = ModuleType("runpod_sdk_try")

    def add_arguments(parser: ArgumentParser) -> None:
        parser.add_argument("--code", type=int, default=0)

    def run(arguments: Namespace) -> int:
        code: int = arguments.code
        return code

    module.__dict__.update(add_arguments=add_arguments, run=run)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(cli, "_COMMANDS", {"try": (module.__name__, "try it")})
    return module


@pytest.mark.parametrize("argv", [["--help"], *([name, "--help"] for name in cli.summaries())])
def test_help_fits_80_columns_and_states_the_exit_codes(
    argv: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert exit_code(*argv) == 0
    out = capsys.readouterr().out
    assert all(len(line) <= 80 for line in out.splitlines())
    assert "exit codes:" in out
    assert "  2    bad arguments" in out


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    exit_code("--help")
    out = capsys.readouterr().out
    for name, summary in cli.summaries().items():
        assert f"\n  {name:<10}  {summary}\n" in out


def test_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("--version") == 0
    assert capsys.readouterr().out == f"runpod-sdk {__version__}\n"


@pytest.mark.parametrize("argv", [[], ["no-such-command"], ["demo", "--no-such-option"], ["demo", "--plain", "--json"]])
def test_bad_arguments_exit_with_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(*argv) == 2
    assert capsys.readouterr().err.startswith("usage: runpod-sdk")


def test_the_exit_code_is_that_of_the_command(command: ModuleType) -> None:
    assert cli.main(["try", "--code", "7"]) == 7


def test_the_arguments_are_those_of_the_process_by_default(
    command: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["runpod-sdk", "try", "--code", "3"])
    assert cli.main() == 3


def test_ctrl_c_exits_with_130(
    command: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(_: Namespace) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "run", run)
    assert cli.main(["try"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_reader_that_has_gone_exits_with_141(
    command: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(_: Namespace) -> int:
        raise BrokenPipeError

    monkeypatch.setattr(command, "run", run)
    assert cli.main(["try"]) == 141
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(sys.platform == "win32", reason="a closed pipe is another error on Windows")
def test_help_that_nobody_reads_ends_without_a_complaint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)  # argparse would drop the error before we see it
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "runpod_sdk", "--help"]
    try:
        done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)  # noqa: S603  our own words
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.slow
@posix_only
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_a_standard_stream_that_is_closed_is_as_good_as_the_null_device(closed: str, shell: Shell) -> None:
    shell.emulator.endpoint("abc", lambda job: job["input"])
    command = f'"$0" -m runpod_sdk run abc n=1 --wait {closed}'
    done = subprocess.run(["/bin/sh", "-c", command, sys.executable], capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert done.stdout == ("" if ">&-" in closed.split() else '{"n": "1"}\n')


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="it needs /dev/full")  # noqa: PTH110
def test_an_output_that_is_full_is_told_in_a_line_and_the_job_is_not_lost(shell: Shell) -> None:
    shell.emulator.endpoint("abc", lambda job: job["input"])
    with open("/dev/full", "w") as full:  # noqa: PTH123
        command = [sys.executable, "-m", "runpod_sdk", "run", "abc", "n=1"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)  # noqa: S603
    [job_id] = shell.emulator.jobs
    assert (done.returncode, done.stderr.splitlines()) == (
        1,
        [f"runpod-sdk run: job {job_id} was queued", "runpod-sdk: [Errno 28] No space left on device"],
    )


def test_the_module_and_the_console_script_are_the_same_command() -> None:
    [script] = entry_points(group="console_scripts", name="runpod-sdk")
    assert script.value == "runpod_sdk.cli:main"
    command = [sys.executable, "-m", "runpod_sdk", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603  our own words
    assert done.stdout == f"runpod-sdk {__version__}\n"


@pytest.mark.parametrize("argv", [["--help"], ["--version"], ["demo", "--help"], ["run", "--help"], ["map", "--help"]])
def test_help_needs_nothing_but_the_standard_library(argv: list[str]) -> None:
    script = f"""
import sys
from runpod_sdk.cli import main
try:
    main({argv!r})
except SystemExit:
    print("loaded", *sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)  # noqa: S603
    loaded = done.stdout.partition("loaded ")[2].split()
    assert not HEAVY & set(loaded)
    assert not {name for name in loaded if name.startswith("runpod_sdk.emulator")}
