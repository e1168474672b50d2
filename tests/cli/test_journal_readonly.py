"""A journal that cannot be written can be looked at, and nothing is sent for a run with it."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk import Journal, JournalError
from tests.disk import read_only, small_disk
from tests.sdk.flavours import World, both_flavours, caught

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import Shell

DISK: list[Path] = []


@pytest.fixture(autouse=True)
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk") as folder:
        DISK[:] = [folder]
        yield folder


async def run(world: World, path: Path, *numbers: int) -> list[Any]:
    if "run" not in world.operations:
        world.emulator.endpoint("abc", lambda job: job["input"]["n"], workers=4)
    results = world.client().endpoint("abc").map([{"n": n} for n in numbers], journal=path)
    return [result async for result in results]


@both_flavours
async def test_a_journal_on_a_disk_that_is_read_only_is_read_and_no_run_begins(world: World) -> None:
    (disk,) = DISK
    path = disk / "run.sqlite"
    await run(world, path, 1, 2)
    before = sorted(disk.iterdir())
    with read_only(disk):
        assert [item.output for item in Journal(path).items()] == [1, 2]
        assert Journal(path).counts() == {"COMPLETED": 2}
        assert Journal(path).export(disk.parent / "all.jsonl") == 2
        for call in (run(world, path, 3), run(world, disk / "new.sqlite", 3)):
            assert "Read-only file system" in str(await caught(JournalError, call))
        with pytest.raises(JournalError, match="read-only"):
            Journal(path).resolve("x", "id")
    assert world.operations.count("run") == 2
    assert sorted(disk.iterdir()) == before
    assert [result.output for result in await run(world, path, 1, 2, 3)] == [3]


@both_flavours
async def test_what_a_killed_run_has_left_in_its_log_is_read_as_well(world: World) -> None:
    (disk,) = DISK
    await run(world, disk.parent / "run.sqlite", 1, 2)
    with closing(sqlite3.connect(disk.parent / "run.sqlite", isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("UPDATE item SET stage = 4, status = 'UNKNOWN' WHERE number = 2")
        for end in ("", "-wal"):
            shutil.copy(disk.parent / f"run.sqlite{end}", disk)
    with read_only(disk):
        assert Journal(disk / "run.sqlite").counts() == {"COMPLETED": 1, "UNKNOWN": 1}
        assert len(Journal(disk / "run.sqlite").unknowns()) == 1
        assert {path.name for path in disk.iterdir()} == {"run.sqlite", "run.sqlite-wal"}


def test_the_command_line_says_so_too(disk: Path, shell: Shell) -> None:
    shell.emulator.endpoint("abc", lambda job: job["input"]["n"], workers=4)
    inputs, journal = disk.parent / "in.jsonl", disk / "out.jsonl.journal"
    command = ("map", "abc", inputs, "--output", disk / "out.jsonl", "--progress", 0)
    inputs.write_text('{"n": 1}\n')
    assert shell(*command).code == 0
    inputs.write_text('{"n": 1}\n{"n": 2}\n')
    with read_only(disk):
        done = shell(*command)
        assert (done.code, shell.operations.count("run")) == (2, 1)
        assert "Read-only file system" in done.err
        assert shell("journal", "show", journal).out == "COMPLETED  1\n"
        done = shell("journal", "export", journal, disk / "all.csv")
        assert (done.code, done.err) == (1, f"runpod-sdk journal: {disk / 'all.csv'}: Read-only file system\n")
    assert (shell(*command).code, shell.operations.count("run")) == (0, 2)


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
def test_a_file_that_may_not_be_written_is_no_journal_to_write(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a log of another user's is beside it; root may write all, so the system is asked in its place."""
    Journal(disk / "run.sqlite")._begin("abc", "url").close()
    closed = ""

    def access(path: Path, _: int) -> bool:
        return path.name != closed

    monkeypatch.setattr("os.access", access)
    for name in ("run.sqlite", "run.sqlite-wal"):
        (disk / name).touch()
        closed = name
        with pytest.raises(JournalError, match=f"{name}: it is read-only"):
            Journal(disk / "run.sqlite")._begin("abc", "url")
        (disk / "run.sqlite-wal").unlink(missing_ok=True)
