"""The command `verify`: what it says, what it asks, its report and its exit codes."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING

import pytest

from runpod_sdk.cli import main
from runpod_sdk.emulator import Emulator, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUICK = ("health-jobs", "run", "cancel-twice")


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """An emulator on a socket, where the command finds it."""
    with Emulator(api_key="a-key-that-is-long-enough") as emulator:
        emulator.endpoint("abc123")
        monkeypatch.setenv("RUNPOD_API_KEY", emulator.api_key)
        monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", emulator.serve().url)
        yield emulator


def verify(*more: str, only: tuple[str, ...] = QUICK) -> int:
    return main(["verify", "abc123", *more, "--only", *only])


def test_claims_that_hold_are_named_with_their_source_and_the_exit_code_is_0(
    service: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify("--yes") == 0
    first, *lines, _, last = capsys.readouterr().out.splitlines()
    assert first.startswith("3 claims, with at most 3 jobs, on http://127.0.0.1:")
    assert [line.split("  ")[0] for line in lines] == ["same"] * 3
    assert (
        lines[1] == f"same     documented       {'run':<24} /run answers with id and status IN_QUEUE, and nothing else"
    )
    assert last == "3 claims: 3 same, 0 differs, 0 unclear"


def test_a_claim_that_differs_is_shown_with_what_was_seen_and_the_exit_code_is_1(
    service: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify("--yes", only=("no-job-body",)) == 1
    out = capsys.readouterr().out
    assert "\ndiffers  reported         no-job-body" in out
    assert '\n         seen: HTTP 404 {"error": "job not found"}\n' in out


def test_what_is_unclear_does_not_make_the_exit_code_1(service: Emulator) -> None:
    service.inject(Fault.status(503, on="health"))
    assert verify("--yes", only=("health-jobs",)) == 0


def test_the_report_can_be_sent_in(service: Emulator, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    assert verify("--yes", "--json", str(file), only=("run", "no-job-body")) == 1
    text = file.read_text(encoding="utf-8")
    report = json.loads(text)
    assert report["service"] == "127.0.0.1"
    assert report["counts"] == {"same": 1, "differs": 1, "unclear": 0}
    assert [(check["name"], check["source"], check["verdict"]) for check in report["checks"]] == [
        ("no-job-body", "reported", "differs"),
        ("run", "documented", "same"),
    ]
    for secret in (service.api_key, "abc123", *service.jobs):
        assert secret not in text


@pytest.mark.parametrize("answer", ["", "n\n", "no\n"])
def test_without_consent_nothing_is_submitted(
    answer: str, service: Emulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = io.StringIO(answer or "\n")
    monkeypatch.setattr(terminal, "isatty", lambda: bool(answer))
    monkeypatch.setattr(sys, "stdin", terminal)
    assert verify() == 2
    captured = capsys.readouterr()
    assert "with at most 3 jobs" in captured.out
    assert captured.err == "runpod-sdk verify: nothing was submitted; --yes goes on without asking\n"
    assert service.requests == []


def test_with_consent_it_goes_on(service: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO("y\n")
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    assert verify(only=("run",)) == 0


def test_without_a_key_it_says_which_variable_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("RUNPOD_API_KEY", raising=False)
    assert verify("--yes") == 2
    assert "RUNPOD_API_KEY" in capsys.readouterr().err


def test_a_check_that_there_is_not_is_refused_with_those_there_are(
    service: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify("--yes", only=("rum",)) == 2
    assert capsys.readouterr().err.startswith("runpod-sdk verify: --only rum: no such check; there are health-jobs, ")


def test_a_refused_key_is_no_finding(
    service: Emulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", "another")
    assert verify("--yes") == 2
    said = 'abc123 cannot be checked: the submit was not accepted: HTTP 401 {"error": "invalid api key"}'
    assert capsys.readouterr().err == f"runpod-sdk verify: {said}\n"


def test_the_help_explains_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["verify", "--help"])
    assert "exit codes:" in capsys.readouterr().out
