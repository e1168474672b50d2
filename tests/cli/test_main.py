"""The command line before any command: help, version, usage errors, and what becomes of interruptions."""

import json
import os
import platform
import subprocess
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

import httpx
import pytest

from runpod_sdk import __version__, cli
from runpod_sdk.cli._submit import seconds
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


@pytest.mark.parametrize(
    ("argv", "word"),
    [
        (["stauts", "abc", "j1"], "status"),
        (["Run"], "run"),
        (["status", "abc", "j1", "--jsno"], "--json"),
        (["run", "abc", "n=1", "--timout=5"], "--timeout"),
        (["run", "abc", "--on-abandon", "cancle"], "cancel"),
        (["completion", "bahs"], "bash"),
        (["help", "stat"], "status"),
    ],
)
def test_a_word_that_is_not_known_is_answered_by_one_that_may_be_meant(
    argv: list[str], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(*argv) == 2
    assert capsys.readouterr().err.endswith(f"; did you mean {word!r}?\n")


@pytest.mark.parametrize("argv", [["xyzzy"], ["status", "abc", "j1", "--xyzzy"]])
def test_nothing_is_guessed_where_nothing_is_alike(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(*argv) == 2
    assert "did you mean" not in capsys.readouterr().err


@pytest.mark.parametrize("argv", [[], ["status"], ["map"]])
def test_help_says_what_the_option_says(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(*argv, "--help") == 0
    expected = capsys.readouterr().out
    assert cli.main(["help", *argv]) == 0
    assert capsys.readouterr().out == expected


def test_version_says_what_a_report_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["version"]) == 0
    first, second, _ = capsys.readouterr().out.splitlines()
    assert (first, second.split(" on ")[0]) == (f"runpod-sdk {__version__}", f"Python {platform.python_version()}")
    assert cli.main(["version", "--json"]) == 0
    assert (
        json.loads(capsys.readouterr().out).items() >= {"runpod-sdk": __version__, "httpx": httpx.__version__}.items()
    )


def test_the_manual_page_has_every_command_and_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["man"]) == 0
    page = capsys.readouterr().out
    lines = page.splitlines()
    assert lines[0].startswith(".TH RUNPOD\\-SDK 1 ")
    _, parsers = cli.parser_of(cli.summaries())
    for name, parser in parsers.items():
        assert f'.SH "RUNPOD\\-SDK {name.upper()}"' in lines
        options = [option for action in parser._actions for option in action.option_strings[:1]]
        for option in options:
            assert option == "-h" or f"\n.B {option.replace('-', chr(92) + '-')}" in page
    requests = {line.split()[0] for line in lines if line.startswith((".", "'"))}
    assert requests <= {".TH", ".SH", ".B", ".I", ".RI", ".TP", ".PP", ".nf", ".fi", ".nh", ".hy"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90", 90.0), ("1.5", 1.5), ("30s", 30.0), ("5m", 300.0), ("1h30m", 5400.0), ("2d", 172_800.0), ("250ms", 0.25)],
)
def test_a_duration_may_have_units(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "m", "5x", "5 m", "-5m", "1h-3m", "inf", "nan", "5mm5"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="such as 30s, 5m or 1h30m"):
        seconds(text)


PEM = Path(__file__).parent.parent / "sdk" / "localhost.pem"  # for localhost, by an authority that nobody knows


@pytest.mark.parametrize("is_trusted", [True, False])
def test_a_service_on_this_machine_may_speak_tls(
    is_trusted: bool,  # noqa: FBT001
    shell: Shell,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shell.emulator.endpoint("abc", lambda job: job["input"])
    server = shell.emulator.serve(certfile=PEM, keyfile=PEM)
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(PEM))
    url = server.url.replace("127.0.0.1", "localhost")
    done = shell("run", "abc", "n=1", "--wait", "--base-url", url, "--timeout", "1m" if is_trusted else "100ms")
    assert (done.code, done.out) == ((0, '{"n": "1"}\n') if is_trusted else (1, ""))
    assert ("export SSL_CERT_FILE=" in done.err) is not is_trusted


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


@pytest.mark.slow
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
