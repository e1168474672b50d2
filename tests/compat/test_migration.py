"""The diffs of the migration page: the official lines run through compat, the others natively; both print the same."""

from __future__ import annotations

import io
import os
import re
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runpod_sdk import compat
from runpod_sdk.emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.compat.service import Service

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parents[2] / "docs" / "migration.md").read_text(encoding="utf-8")
_FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```$", re.DOTALL | re.MULTILINE)
BLOCKS = [(found[1], found[2]) for found in _FENCE.finditer(PAGE)]
# The first is the import line alone.
DIFFS = [code for language, code in BLOCKS if language == "diff"][1:]
HANDLER = next(code for _, code in BLOCKS if "runpod.serverless.start" in code)
TITLES: list[str] = re.findall(r"^### (.+)$", PAGE, re.MULTILINE)


def side(diff: str, mark: str) -> str:
    """Return the file as it is before ("-") or after ("+") the diff."""
    return "\n".join(line[1:] for line in diff.splitlines() if not line or line[0] in (" ", mark))


def printed(code: str) -> str:
    out = io.StringIO()
    with redirect_stdout(out):
        exec(compile(code, "docs/migration.md", "exec"), {"__name__": "__main__", "os": os, "time": time})  # noqa: S102  that is the test
    return out.getvalue()


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the page's worker to a file."""
    monkeypatch.setattr(sys, "path", sys.path.copy())
    file = tmp_path / "handler.py"
    file.write_text(HANDLER, encoding="utf-8")
    return file


@pytest.fixture
def on_a_socket(worker: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """Serve the page's worker where a client without arguments finds it."""
    with Emulator() as emulator:
        emulator.endpoint("abc123", worker, workers=4)
        server = emulator.serve()
        monkeypatch.setenv("RUNPOD_API_KEY", server.api_key)
        monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", server.url)
        yield emulator


@pytest.fixture
def moved(service: Service, worker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `import runpod` give compat, on virtual time."""
    service.emulator.endpoint("abc123", worker, workers=4)
    monkeypatch.setattr(time, "sleep", service.emulator.clock.sleep)
    monkeypatch.setenv("RUNPOD_API_KEY", service.emulator.api_key)
    for name, module in {"runpod": compat, "runpod.endpoint": compat.endpoint}.items():
        monkeypatch.setitem(sys.modules, name, module)


def test_there_is_a_diff_under_each_heading() -> None:
    assert len(DIFFS) == len(TITLES) >= 10


@pytest.mark.usefixtures("moved", "bare_environment")
@pytest.mark.parametrize("diff", DIFFS, ids=TITLES)
def test_the_official_lines_run_through_compat(diff: str) -> None:
    if "aiohttp" in diff:
        pytest.importorskip("aiohttp")
    assert printed(side(diff, "-")) == EXPECTED[TITLES[DIFFS.index(diff)]]


@pytest.mark.usefixtures("on_a_socket")
@pytest.mark.parametrize("diff", DIFFS, ids=TITLES)
def test_the_native_lines_say_the_same(diff: str) -> None:
    assert printed(side(diff, "+")) == EXPECTED[TITLES[DIFFS.index(diff)]]


WORDS = "['Hello,', 'world!']\n"
EXPECTED = {
    "Submit and wait": WORDS,
    "Submit now, collect later": "['Hello,', 'world!'] COMPLETED\n",
    "Webhook and policy": WORDS,
    "Stream": "Hello,\nworld!\n",
    "A job that fails": "FAILED\n",
    "Cancel, or come back by id": WORDS + "COMPLETED\n",
    "Health and purge": "0 0\n",
    "asyncio": WORDS + "Hello,\nworld!\n0\n",
    "Many inputs": WORDS + "['Good', 'morning!']\n",
    "A key for each endpoint": WORDS,
}
