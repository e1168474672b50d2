"""The README shows only what runs: its Python, as it stands, against the emulator."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk.emulator import Emulator, progress_update
from tests.inner_runs import HANDLER, passed

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
ALL = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
TESTS = [block for block in ALL if block.startswith("def test_")]
BLOCKS = [block for block in ALL if block not in TESTS]


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """An emulator on a socket, where a client without arguments finds it."""

    def handler(job: dict[str, Any]) -> Iterator[str]:
        progress_update(job, "half")
        yield from job["input"]["prompt"]

    with Emulator() as emulator:
        emulator.endpoint("abc123", handler, workers=3, return_aggregate_stream=True)
        with emulator.serve() as server:
            monkeypatch.setenv("RUNPOD_API_KEY", server.api_key)
            monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", server.url)
            yield emulator


def test_there_are_blocks_to_run() -> None:
    assert len(BLOCKS) >= 2
    assert TESTS


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_each_block_runs(block: str, service: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(block, "README.md", "exec"), names)  # noqa: S102  that is the test
    if "stream" in block:
        assert (names["outputs"], names["errors"]) == ({"a.txt": list("Hello"), "b.txt": list("Hi")}, {})
        assert capsys.readouterr().out.endswith("Hello")
        assert {job.status for job in service.jobs.values()} == {"COMPLETED"}


@pytest.mark.parametrize("block", TESTS, ids=range(len(TESTS)))
def test_each_test_passes_beside_a_worker_file(block: str, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(handler=HANDLER)
    assert passed(pytester, block) == 1


def test_the_links_lead_somewhere() -> None:
    targets = [target for target in re.findall(r"\]\(([^)#]+)", README) if "://" not in target]
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_the_commands_install_extras_that_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    named = {name for group in re.findall(r"\[([a-z,]+)\]\"", README) for name in group.split(",")}
    assert named
    assert named <= extras.keys()
