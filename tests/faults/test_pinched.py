"""Where descriptors or threads run out, every call ends with an error of ours; and what was not sent is not unknown."""

from __future__ import annotations

import ast
import errno
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from runpod_sdk import RunpodError
from runpod_sdk._flows._loading import loading
from tests.faults.obstacles import nobody_listens
from tests.faults.pinched import CALLS

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no limits of a process here")


@pytest.mark.slow
@pytest.mark.parametrize("flavour", ["sync", "async"])
@pytest.mark.parametrize("pinch", ["descriptors", "threads"])
def test_every_call_ends_in_our_tree(pinch: str, flavour: str, tmp_path: Path) -> None:
    with nobody_listens() as url:
        named = url.replace("127.0.0.1", "localhost")  # a name is looked up in a thread
        command = [sys.executable, "-m", "tests.faults.pinched", pinch, flavour, named, str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)  # noqa: S603  ours
    first, second = done.stdout.splitlines()
    expected = dict.fromkeys(CALLS, "RunpodError")
    for line in (first, second):
        found, _, unknowns = line.rpartition(" ")
        assert (ast.literal_eval(found), unknowns) == (expected, "0")


def test_what_an_alarm_raises_while_a_module_is_read_is_the_alarms() -> None:
    with pytest.raises(TimeoutError, match="enough"), loading("a module"):
        raise TimeoutError("enough")
    with pytest.raises(RunpodError, match="a module cannot be loaded"), loading("a module"):
        raise OSError(errno.EMFILE, "Too many open files")
