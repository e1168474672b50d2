"""`Journal`: inspect and export a bulk run on disk, and resolve its unknown submits."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from runpod_sdk._flows import _answers
from runpod_sdk._telemetry import log_misfit
from runpod_sdk._values._arguments import checked_id, kind_of
from runpod_sdk._values._version import __version__
from runpod_sdk.errors import JournalError

from . import _changes
from ._database import check, opened, opened_to_read, told, write_file
from ._items import FACTS, JournalItem, item_of, text_of
from ._keys import checked_key, meanings
from ._lock import is_held
from ._rows import EXPIRED, SENDING, SUBMITTED, UNKNOWN, UNSUBMITTED, Key, Row, Stage, status_of
from ._run import JournalRun

if TYPE_CHECKING:
    from runpod_sdk._values._states import JobState

# Those of our own words that a stage stands for.
_STAGES = {SENDING: Stage.INTENT, SUBMITTED: Stage.SUBMITTED, UNKNOWN: Stage.UNKNOWN, UNSUBMITTED: Stage.UNSUBMITTED}


class Journal:
    """The journal of a bulk run: a file in which `endpoint.map(inputs, journal=…)` records what happens to each input.

    It can be read while a run is using it, also from other processes.

    Args:
        path: of the file, on a local disk. During a run there are also `-wal`, `-shm`, `.lock` and `.reserve` (half a
            MiB, for what must still be recorded when the disk is full). Outputs above 1 MB are in a folder beside it
            that ends in `.outputs`.
        exist_ok: False refuses an existing file.

    Attributes:
        path: as given.

    Raises:
        JournalError: the file exists and is not a journal, or `exist_ok` is False.

    Examples:
        >>> import tempfile
        >>> from runpod_sdk import Client, Journal
        >>> from runpod_sdk.emulator import Emulator
        >>> emulator = Emulator()
        >>> _ = emulator.endpoint("abc", lambda job: job["input"]["n"] ** 2, workers=4)
        >>> journal = Journal(tempfile.mkdtemp() + "/run.sqlite")
        >>> with Client(**emulator.connection) as client:
        ...     endpoint = client.endpoint("abc")
        ...     first = [result.output for result in endpoint.map([{"n": 2}], journal=journal)]
        ...     second = [result.output for result in endpoint.map([{"n": 2}, {"n": 3}], journal=journal)]
        >>> first, second, journal.counts()
        ([4], [9], {'COMPLETED': 2})
        >>> sorted(item.output for item in journal.items())
        [4, 9]
    """

    def __init__(self, path: str | os.PathLike[str], *, exist_ok: bool = True) -> None:
        if not isinstance(path, str | os.PathLike):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"path is {kind_of(path)}: the path of a file expected")
        self.path = Path(path)
        if not exist_ok and self.path.exists():
            raise JournalError(f"{self.path}: the file exists already", path=str(self.path))
        if self.path.exists() or not self.path.parent.is_dir():
            check(self.path, may_miss=True)

    def counts(self) -> dict[str, int]:
        """Return the number of inputs by status; see `JournalItem`."""
        with told(self.path), closing(opened_to_read(self.path)) as database:
            is_running = is_held(self.path)
            counted: Counter[str] = Counter()
            for stage, status, number in database.execute(
                "SELECT stage, status, count(*) FROM item GROUP BY stage, status"
            ):
                counted[status_of(_row(stage, status), is_running=is_running)] += number
            return dict(sorted(counted.items()))

    def items(self, status: str | Iterable[str] | None = None) -> Iterator[JournalItem]:
        """Iterate over the inputs in the order in which they were first sent, optionally only those of some statuses.

        They are read one by one, so their number does not matter. During a run, you see the state at the beginning.
        """
        wanted = None if status is None else {status} if isinstance(status, str) else {*status}
        yield from self._found(*_where(wanted, is_running=is_held(self.path)))

    def item(self, key: Key) -> JournalItem | None:
        """Return one input by its key; None if there is none."""
        return next(self._found("WHERE key = ?", [checked_key(key)]), None)

    def _found(self, where: str, values: list[object]) -> Iterator[JournalItem]:
        is_running = is_held(self.path)
        with told(self.path), closing(opened_to_read(self.path)) as database:
            facts = cast("dict[str, Any]", dict(database.execute("SELECT name, value FROM run").fetchall()))
            endpoint = str(facts.get("endpoint_id", ""))
            for found in database.execute(f"SELECT {FACTS} FROM item {where} ORDER BY number", values):  # noqa: S608  ours
                yield item_of(self.path, found, endpoint, is_running=is_running)

    def unknowns(self) -> list[JournalItem]:
        """Return the inputs whose submit may have arrived: find out whether it did, and call `resolve`."""
        return list(self.items(UNKNOWN))

    def resolve(self, key: Key, job: str | bytes | bytearray | Mapping[str, Any]) -> bool:
        """Record what happened to an unknown submit; may be called during a run, from any process.

        Args:
            key: of the input, as in `unknowns`, and as passed to `input_options`. The text of a whole number, as in a
                webhook's URL, also finds the number.
            job: the id of its job, whose result the next run then collects; or what the service POSTed to the job's
                webhook, raw or decoded. It is trusted: see `runpod_sdk.webhooks` for what strangers may send.

        Returns:
            Whether this was news. Calling it twice, or for an input whose end is known, does no harm.

        Raises:
            ValueError: no such key, an invalid body, or a different job than the known one.
            JournalError: the journal could not be read or written.
        """
        name = checked_key(key)
        state = _state_of(job)
        job_id = checked_id("job", job) if state is None else state.id
        with told(self.path), closing(opened(self.path)) as database:
            database.execute("BEGIN IMMEDIATE")
            by_key = f"SELECT {_changes.ROW} FROM item WHERE key = ?"  # noqa: S608  ours
            rows = (database.execute(by_key, (each,)).fetchone() for each in meanings(name))
            found = next((row for row in rows if row is not None), None)
            if found is None:
                raise ValueError(f"key={key!r}: there is no such input in {self.path}")
            changes = _resolving(Row._make(found), job_id, state, datetime.now(UTC).timestamp())
            for change in changes:
                write_file(self.path, change)
                for sql, values in change.statements:
                    database.execute(sql, values)
            database.execute("COMMIT")
        return bool(changes)

    def export(self, path: str | os.PathLike[str]) -> int:
        """Write all inputs to a JSON lines, CSV or Parquet file; return how many there are.

        The file is written as a whole or not at all, and replaces an existing one.

        Args:
            path: ends in .jsonl, .csv or .parquet; the last needs `pip install pyarrow`. In tables, an output that is
                not a text or a number is written as JSON.

        Raises:
            ValueError: it has another ending.
            ImportError: pyarrow is not installed.
        """
        from ._export import export

        return export(self.items(), Path(path))

    def close(self) -> None:
        """Do nothing: a run closes what it opened. Here for `contextlib.closing`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _begin(self, endpoint_id: str, endpoint_url: str) -> JournalRun:
        facts: dict[str, object] = {
            "endpoint_id": endpoint_id,
            "sdk_version": __version__,
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        return JournalRun(self.path, endpoint_url, facts)

    def _to_go_on(self, going_on: int) -> str | None:
        """Return what is said to who has interrupted a run."""
        jobs = "1 job goes on" if going_on == 1 else f"{going_on} jobs go on"
        they = "it" if going_on == 1 else "them"
        what = f"{jobs}, and {self.path} knows {they}" if going_on else f"{self.path} knows what was done"
        return f"{what}: make the same call again, with this journal, to go on"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"


def _state_of(job: object) -> JobState | None:
    """Return what the body of a webhook says; None for an id."""
    if isinstance(job, str) and not job.lstrip().startswith("{"):
        return None
    try:
        data: Any = dict(cast("Mapping[str, Any]", job)) if isinstance(job, Mapping) else json.loads(cast("str", job))
        return _answers.state_of(data, "", log_misfit)
    except (TypeError, ValueError, AttributeError, RecursionError, _answers.Unusable) as problem:
        raise ValueError(f"job is neither an id nor the body of a webhook: {problem}") from None


def _resolving(row: Row, job_id: str, state: JobState | None, now: float) -> list[_changes.Change]:
    """Return the changes that follow from what was told; none for what was known."""
    if row.job_id is not None and row.job_id != job_id:
        raise ValueError(f"key={row.key!r}: its job is {row.job_id}, and not {job_id}")
    is_end = state is not None and state.is_final
    is_lost = row.status == EXPIRED and is_end
    if row.stage in (Stage.ENDED, Stage.UNSUBMITTED) and not is_lost:
        return []
    changes: list[_changes.Change] = []
    if row.stage != Stage.SUBMITTED:
        changes.append(_changes.resolved(row.key, job_id, now))
    if state is not None and is_end:
        changes.append(_changes.ended(row.key, state, now, text_of(state)))
    return changes


def _where(wanted: set[str] | None, *, is_running: bool) -> tuple[str, list[object]]:
    if wanted is None:
        return "", []
    stages = {int(_STAGES[word]) for word in wanted if word in _STAGES}
    if UNKNOWN in wanted and not is_running:
        stages.add(int(Stage.INTENT))  # its process has ended
    elif not is_running:
        stages.discard(int(Stage.INTENT))
    words = sorted(wanted - {*_STAGES})
    marks = ",".join("?" * len(words))
    ended = int(Stage.ENDED)
    return f"WHERE stage IN ({','.join(map(str, stages))}) OR (stage = {ended} AND status IN ({marks}))", list(words)


def _row(stage: int, status: str | None) -> Row:
    return Row(0, 0, b"", stage, 0, status, None, 0)
