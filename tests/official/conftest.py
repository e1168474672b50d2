"""Where the official software is. What is missing skips its tests by name; REQUIRE_OFFICIAL=1 makes that a failure."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

PYTHON_VARIABLE = "RUNPOD_OFFICIAL_PYTHON"  # a Python with runpod==1.12.0 in it; `nox -s official` makes one
PYTHON_2_VARIABLE = "RUNPOD_OFFICIAL_PYTHON_2"  # the same with runpod==2.0.0rc2
LLM_VARIABLE = "RUNPOD_OFFICIAL_LLM"  # a Python with langchain-runpod and LiteLLM, which call workers of vLLM
NODE_VARIABLE = "RUNPOD_OFFICIAL_NODE"  # a folder where the packages from npm are installed, or are to be
JAVASCRIPT = Path(__file__).parent / "clients" / "javascript"


def missing(what: str) -> NoReturn:
    """Skip the test, or fail it where official software must be there."""
    if os.environ.get("REQUIRE_OFFICIAL") == "1":
        pytest.fail(f"REQUIRE_OFFICIAL=1, and {what}", pytrace=False)
    pytest.skip(what)


@pytest.fixture(scope="session")
def official_python() -> str:
    """Return the Python that has the official package."""
    python = os.environ.get(PYTHON_VARIABLE)
    if not python:
        missing(f"{PYTHON_VARIABLE} names no Python with runpod==1.12.0")
    return python


@pytest.fixture(scope="session")
def official_python_2() -> str:
    """Return the Python that has the next release of the official package."""
    python = os.environ.get(PYTHON_2_VARIABLE)
    if not python:
        missing(f"{PYTHON_2_VARIABLE} names no Python with runpod==2.0.0rc2")
    return python


@pytest.fixture(scope="session")
def llm_python() -> str:
    """Return the Python that has what calls workers of vLLM."""
    python = os.environ.get(LLM_VARIABLE)
    if not python:
        missing(f"{LLM_VARIABLE} names no Python with langchain-runpod and litellm")
    return python


@pytest.fixture(scope="session")
def official_javascript() -> Path:
    """Return a folder whose scripts can import the official packages from npm."""
    chosen = os.environ.get(NODE_VARIABLE)
    if not chosen:
        missing(f"{NODE_VARIABLE} names no folder for the packages from npm")
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        missing("node and npm are not on PATH")
    folder = Path(chosen)
    folder.mkdir(parents=True, exist_ok=True)
    for source in JAVASCRIPT.iterdir():
        shutil.copy(source, folder)
    wanted = json.loads((folder / "package.json").read_text(encoding="utf-8"))["dependencies"]
    if not all((folder / "node_modules" / name).exists() for name in wanted):
        command = [npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603  our own
        if done.returncode:
            missing(f"npm ci failed: {done.stderr.strip()[-300:]}")
    return folder


@pytest.fixture(scope="session")
def curl() -> str:
    """Return the path of curl."""
    path = shutil.which("curl")
    if path is None or not Path("/bin/sh").exists():  # the documentation's samples are for a shell
        missing("curl is not on PATH, or there is no /bin/sh")
    return path
