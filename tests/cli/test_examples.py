"""The command `examples`: all programs of the folder are there, and come out as they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Shell

FOLDER = Path(__file__).parents[2] / "examples"


def test_each_program_is_listed_with_what_it_does(shell: Shell) -> None:
    done = shell("examples")
    assert done.code == 0
    rows = dict(line.split("  ", 1) for line in done.out.splitlines())
    programs = [*FOLDER.rglob("*.py"), *FOLDER.rglob("*.ipynb")]
    assert set(rows) == {path.relative_to(FOLDER).with_suffix("").as_posix() for path in programs}
    assert all(len(said.strip()) > 10 for said in rows.values())


@pytest.mark.parametrize("name", ["quickstart", "quickstart.py"])
def test_one_comes_out_as_it_is(shell: Shell, name: str) -> None:
    assert shell("examples", name).out == (FOLDER / "quickstart.py").read_text()


def test_one_that_is_not_there_is_refused_with_what_there_is(shell: Shell) -> None:
    done = shell("examples", "nope")
    assert (done.code, done.out) == (2, "")
    assert "'nope'; there are: batch_images" in done.err
