"""What is decided about an input that is known, by what it is known, and where a journal may stand: no runs here."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess
import sys
from contextlib import closing
from itertools import chain, combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod_sdk._client._journal import _changes, _database
from runpod_sdk._client._journal._database import networked, opened, opened_to_read
from runpod_sdk._client._journal._keys import digest_of, named
from runpod_sdk._client._journal._lock import Lock, is_held, path_of
from runpod_sdk._client._journal._rows import Row, Stage, Todo, checked_again, kind_of, todo
from runpod_sdk._client._journal._writer import Writer
from runpod_sdk.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Iterator

SAME, OTHER = b"same", b"other"
WORDS = ("failed", "expired", "unknown")
AGAIN = [frozenset(some) for some in chain.from_iterable(combinations(WORDS, size) for size in range(4))]


def row(stage: Stage, status: str | None = None, *, is_handed: bool = False) -> Row:
    return Row(1, "a", SAME, stage, 1, status, None, int(is_handed))


# What is done with an input.

ENDS = {
    "COMPLETED": None,
    "FAILED": "failed",
    "TIMED_OUT": "failed",
    "CANCELLED": "failed",
    "EXPIRED": "expired",
}


@pytest.mark.parametrize("again", AGAIN, ids=lambda again: "+".join(sorted(again)) or "none")
def test_an_end_is_had_again_by_its_word_alone(again: frozenset[str]) -> None:
    rows = [(row(Stage.ENDED, status, is_handed=True), word) for status, word in ENDS.items()]
    rows.append((row(Stage.UNKNOWN, "UNKNOWN", is_handed=True), "unknown"))
    for known, word in rows:
        assert todo(known, SAME, again) is (Todo.SUBMIT if word in again else Todo.SKIP)
        assert kind_of(known) == word


def test_what_was_not_handed_out_is_and_what_is_under_way_is_asked_for() -> None:
    none = frozenset[str]()
    assert todo(None, SAME, none) is Todo.SUBMIT
    assert todo(row(Stage.UNSUBMITTED), SAME, none) is Todo.SUBMIT
    assert todo(row(Stage.SUBMITTED), SAME, frozenset(WORDS)) is Todo.COLLECT
    assert todo(row(Stage.ENDED, "COMPLETED"), SAME, frozenset(WORDS)) is Todo.HAND
    assert todo(row(Stage.UNKNOWN), SAME, none) is Todo.HAND
    assert todo(row(Stage.INTENT), SAME, none) is Todo.HAND


@given(
    st.sampled_from(Stage),
    st.sampled_from([*ENDS]),
    st.booleans(),
    st.sampled_from(AGAIN),
    st.sampled_from([SAME, OTHER]),
)
def test_nothing_is_sent_twice_that_may_have_run_but_by_the_users_word(
    stage: Stage,
    status: str,
    is_handed: bool,  # noqa: FBT001  a parameter
    again: frozenset[str],
    digest: bytes,
) -> None:
    known = row(stage, status, is_handed=is_handed)
    if todo(known, digest, again) is Todo.SUBMIT:
        assert stage is Stage.UNSUBMITTED or kind_of(known) in again
    elif digest is OTHER:
        assert todo(known, digest, again) is Todo.REFUSE


def test_again_is_checked() -> None:
    assert checked_again(["failed"]) == {"failed"}
    assert checked_again("unknown") == {"unknown"}
    with pytest.raises(ValueError, match="'lost'"):
        checked_again(["lost"])


# By what it is known.

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_an_input_has_one_digest_whatever_the_order_of_its_keys(given_input: dict[str, Any]) -> None:
    turned = dict(reversed(given_input.items()))
    expected = json.dumps(given_input, sort_keys=True, separators=(",", ":"))
    assert digest_of(given_input) == digest_of(turned) == hashlib.sha256(expected.encode()).digest()


def test_equal_inputs_are_told_apart_by_their_number() -> None:
    digest = digest_of({"n": 1})
    assert len({named(digest, 0), named(digest, 1), named(digest_of({"n": 2}), 0)}) == 3


# Where it may stand.

MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /home rw,relatime shared:2 - nfs4 server:/home rw,vers=4.2
31 30 8:2 / /home/local\\040disk rw shared:3 - xfs /dev/sdb1 rw
32 22 0:41 / /mnt/share rw - cifs //server/share rw
33 22 0:42 / /mnt/box rw - fuse.sshfs box: rw
34 22 0:43 / /mnt/twice rw - nfs server:/x rw
35 22 8:3 / /mnt/twice rw - ext4 /dev/sdc1 rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/data/run.sqlite", None),
        ("/home/me/run.sqlite", "nfs4"),
        ("/home/local disk/run.sqlite", None),
        ("/mnt/share/run.sqlite", "cifs"),
        ("/mnt/box/run.sqlite", "fuse.sshfs"),
        ("/mnt/twice/run.sqlite", None),
        ("/mnt/sharedisk/run.sqlite", None),
    ],
)
def test_a_file_system_of_a_network_is_known_by_its_name(path: str, kind: str | None) -> None:
    assert networked(Path(path), MOUNTS) == kind
    assert networked(Path(path), "") is None


# Who is at work.


def test_a_journal_on_a_network_is_refused_and_nothing_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = Path("/proc/self/mountinfo")
    if not mounts.exists():
        pytest.skip("only Linux says what is mounted")
    kinds = {line.partition(" - ")[2].partition(" ")[0] for line in mounts.read_text().splitlines()}
    monkeypatch.setattr(_database, "_NETWORKED", kinds)
    with pytest.raises(JournalError, match="where a journal is not safe; keep it on a local disk"):
        opened(tmp_path / "run.sqlite", is_new=True)
    assert [*tmp_path.iterdir()] == []


def versioned(path: Path, version: int) -> Path:
    """Make a journal that says it is of this form."""
    with closing(opened(path, is_new=True)) as database:
        database.execute(f"PRAGMA user_version = {version}")
    return path


@pytest.mark.parametrize(("version", "why"), [(77, "written by a later version"), (0, "of form 0, which")])
def test_a_form_that_is_not_known_is_refused_for_reading_too(version: int, why: str, tmp_path: Path) -> None:
    path = versioned(tmp_path / "run.sqlite", version)
    for open_it in (opened, opened_to_read):
        with pytest.raises(JournalError, match=why):
            open_it(path)


def test_an_upgrade_that_fails_leaves_the_form_before(tmp_path: Path) -> None:
    path = versioned(tmp_path / "run.sqlite", min(_changes.UPGRADES))  # though all of it is of this form
    with pytest.raises(JournalError, match=r"duplicate column|already exists"):
        opened(path)
    with closing(opened_to_read(path)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (min(_changes.UPGRADES),)


@pytest.mark.parametrize("text", ["", "{}", "half of {", "[1]"])
def test_a_holder_who_says_nothing_is_another_process(text: str, tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    journal = tmp_path / "run.sqlite"
    with path_of(journal).open("w") as file:
        file.write(text)
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(JournalError, match="in use by another process"):
            Lock(journal)


def test_a_lock_that_cannot_be_made_is_told_and_one_may_be_let_go_twice(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="it cannot be locked: No such file or directory"):
        Lock(tmp_path / "none" / "run.sqlite")
    lock = Lock(tmp_path / "run.sqlite")
    lock.release()
    lock.release()
    lock.forget()
    assert not is_held(tmp_path / "run.sqlite")


def test_the_lock_names_its_holder_and_goes_with_it(tmp_path: Path) -> None:
    journal = tmp_path / "run.sqlite"
    code = f"""
import sys
from pathlib import Path
from runpod_sdk._client._journal._lock import Lock
lock = Lock(Path({str(journal)!r}))
print(flush=True)
sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603  ours
        assert process.stdout is not None
        process.stdout.readline()
        assert is_held(journal)
        with pytest.raises(JournalError, match=rf"in use by process {process.pid} on \S+, since \S+"):
            Lock(journal)
        process.kill()
        process.wait()
    lock = Lock(journal)
    lock.release()
    assert not is_held(journal)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
def test_a_fork_does_not_keep_the_lock(tmp_path: Path) -> None:
    code = f"""
import os, sys
from pathlib import Path
from runpod_sdk._client._journal._lock import Lock
lock = Lock(Path({str(tmp_path / "run.sqlite")!r}))
if os.fork():
    os._exit(0)
print(flush=True)
sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603  ours
        assert process.stdout is not None
        process.stdout.readline()
        process.wait()  # the fork lives on
        assert not is_held(tmp_path / "run.sqlite")


def test_a_run_begins_while_another_one_throws_its_lock_away(tmp_path: Path) -> None:
    for _ in range(50):
        Lock(tmp_path / "run.sqlite").release()
    assert not is_held(tmp_path / "run.sqlite")


# What writes.


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    path = tmp_path / "run.sqlite"
    writer = Writer(path, opened(path, is_new=True))
    yield writer
    writer.close()


def stages(writer: Writer) -> dict[str, int]:
    database = opened(writer._path)
    found = dict(database.execute("SELECT key, stage FROM item").fetchall())
    database.close()
    return found


def test_what_is_written_is_there_and_an_intent_is_never_over_another(writer: Writer) -> None:
    async def main() -> None:
        await writer.written(_changes.intent("a", SAME, 1.0))
        assert stages(writer) == {"a": Stage.INTENT}
        for before in (_changes.NOTHING, _changes.submitted("a", "j1", 2.0)):
            await writer.written(before)
            with pytest.raises(JournalError, match="an input is missing"):
                await writer.written(_changes.intent("a", SAME, 3.0))

    asyncio.run(main())


def test_one_change_that_fails_takes_no_other_with_it(writer: Writer) -> None:
    async def main() -> None:
        bad = _changes.Change((("no SQL", ()),))
        changes = [_changes.intent("a", SAME, 1.0), bad, _changes.intent("b", SAME, 1.0)]
        ends = await asyncio.gather(*(writer.written(change) for change in changes), return_exceptions=True)
        assert [type(end) for end in ends] == [type(None), JournalError, type(None)]

    asyncio.run(main())
    assert stages(writer) == {"a": Stage.INTENT, "b": Stage.INTENT}


def test_what_nobody_waits_for_is_tried_again_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    writer = Writer(path, opened(path, is_new=True))
    adopted = _changes.adopted("a", SAME, "j1", 1.0)
    missing = _changes.Change((("INSERT INTO later VALUES(1)", ()),))

    async def main() -> None:
        await writer.written(adopted)
        writer.put(missing)
        await writer.written(_changes.NOTHING)
        assert writer.failure is not None
        await writer.written(_changes.Change((("CREATE TABLE later(x)", ()),)))
        await writer.aclose()

    asyncio.run(main())
    assert writer.lost == []


def test_a_closed_writer_takes_nothing_more(writer: Writer) -> None:
    writer.close()
    with pytest.raises(JournalError, match="closed"):
        asyncio.run(writer.written(_changes.NOTHING))


@pytest.mark.parametrize("step", ["_make", "_log_beside", "_upgrade"])
def test_an_end_while_a_file_is_made_leaves_none_or_a_journal(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.sqlite"

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(_database, step, interrupted)
        with pytest.raises(KeyboardInterrupt):
            opened(path, is_new=True)
    if path.exists():
        opened_to_read(path).close()
    opened(path, is_new=True).close()
    opened_to_read(path).close()
    assert not [*tmp_path.glob("*.new*")]
