"""Test files that are run by pytest inside of a test, as a user would have written them."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

from runpod_sdk import AsyncClient, Client
from runpod_sdk.emulator import Emulator

if TYPE_CHECKING:
    import pytest

# After each run pytester forgets the modules that it did not know before, and half of a lazy package would be another.
KNOWN = (AsyncClient, Client, Emulator)

# The plugin alone: to load all that are installed takes longer than a test.
ALONE = ("--disable-plugin-autoload", "-p", "runpod_sdk.pytest_plugin")
# As the official examples write it.
HANDLER = """
import runpod

def handler(job):
    return job["input"]["prompt"].upper()

runpod.serverless.start({"handler": handler})
"""


def run(pytester: pytest.Pytester, tests: str, *arguments: str) -> pytest.RunResult:
    """Run a test file; warnings are errors."""
    pytester.makepyfile(dedent(tests))
    return pytester.runpytest_inprocess(*ALONE, "-W", "error", *arguments)


def passed(pytester: pytest.Pytester, tests: str) -> int:
    """Return how many tests passed, where all did."""
    outcomes = run(pytester, tests).parseoutcomes()
    assert set(outcomes) <= {"passed"}
    return outcomes["passed"]


def why_failed(pytester: pytest.Pytester, tests: str) -> str:
    """Return what pytest says of the one test that fails in its own part, where all others pass."""
    result = run(pytester, tests)
    outcomes = result.parseoutcomes()
    assert outcomes.pop("failed", 0) == 1
    assert set(outcomes) <= {"passed"}
    return "\n".join(result.outlines)


def why_no_setup(pytester: pytest.Pytester, tests: str) -> str:
    """Return what pytest says of the one test that could not be set up."""
    result = run(pytester, tests)
    assert result.parseoutcomes() == {"errors": 1}
    assert "ERROR at setup of" in result.stdout.str()
    return "\n".join(result.outlines)
