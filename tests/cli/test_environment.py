"""An environment that cannot be used, from a shell: one line, exit code 2, and no file touched."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from runpod_sdk._http._message import VARIABLES
from tests.sdk.test_socket import PROXIES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Shell

BAD = {
    "SSL_CERT_FILE": "/missing.pem",
    "SSL_CERT_DIR": "/missing",
    "REQUESTS_CA_BUNDLE": "/dev/null",
    "CURL_CA_BUNDLE": "/missing.pem",
    "HTTPS_PROXY": "http://[::1",
    "all_proxy": "socks4://user:hunter2@127.0.0.1:1",
}
SERVICE = ("--base-url", "https://queue.invalid/v2")
COMMANDS = {
    "run": ("run", "abc", "n=1"),
    "wait": ("wait", "abc", "j1"),
    "stream": ("stream", "abc", "j1"),
    "status": ("status", "abc", "j1"),
    "cancel": ("cancel", "abc", "j1"),
    "retry": ("retry", "abc", "j1"),
    "health": ("health", "abc"),
    "purge": ("purge", "abc", "--yes"),
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in [*PROXIES, *VARIABLES, "NO_PROXY", "no_proxy"]:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.one_in(5)
@pytest.mark.parametrize("variable", BAD)
@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_says_it_in_one_line(
    shell: Shell, environment: pytest.MonkeyPatch, command: str, variable: str
) -> None:
    environment.setenv(variable, BAD[variable])
    done = shell(*COMMANDS[command], *SERVICE)
    assert done.code == 2
    assert done.err.startswith(f"runpod-sdk {command}: {variable}=")
    assert done.err.count("\n") == 1
    assert "hunter2" not in done.err


@pytest.mark.parametrize("variable", BAD)
def test_verify_says_it_in_one_line(shell: Shell, environment: pytest.MonkeyPatch, variable: str) -> None:
    environment.setenv(variable, BAD[variable])
    environment.setenv("RUNPOD_ENDPOINT_BASE_URL", SERVICE[1])
    done = shell("verify", "abc", "--yes")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert done.err.startswith(f"runpod-sdk verify: {variable}=")


@pytest.mark.one_in(3)
@pytest.mark.parametrize("variable", BAD)
def test_map_touches_no_file_for_what_cannot_be_sent(
    shell: Shell, environment: pytest.MonkeyPatch, variable: str, tmp_path: Path
) -> None:
    inputs, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    inputs.write_text("".join(json.dumps({"n": n}) + "\n" for n in range(3)))
    environment.setenv(variable, BAD[variable])
    done = shell("map", "abc", inputs, "--output", output, *SERVICE)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]
    environment.delenv(variable)
    shell.emulator.endpoint("abc", lambda job: job["input"])
    assert shell("map", "abc", inputs, "--output", output).code == 0
    assert [json.loads(line)["status"] for line in output.read_text().splitlines()] == ["COMPLETED"] * 3
