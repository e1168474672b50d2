"""A batch's results as JSON lines: appended as they arrive, each request once across all runs."""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import IO, TYPE_CHECKING, Any, cast

from runpod_sdk.cli._session import FAILED, BadCallError
from runpod_sdk.cli._shown import complain

if TYPE_CHECKING:
    from pathlib import Path

    from runpod_sdk import Batch, BatchResult


def collected(batch: Batch, path: Path, timeout: float | None) -> int:
    """Append what is not there yet, and return the exit code.

    Raises:
        BatchTimeoutError: the timeout passed first; what has come is in the file.
        BadCallError: the file is another batch's, or cannot be opened.
    """
    try:
        file = path.open("a+b")
    except OSError as error:
        raise BadCallError(f"{path}: {error.strerror}") from None
    with file:
        ends = _known(file, path, batch)
        try:
            for result in batch.results(timeout):
                if result.id not in ends:
                    _append(file, result, batch)
                    ends[result.id] = str(result.status)
            state = batch.state()
        except KeyboardInterrupt as interruption:
            interruption.add_note("The batch goes on. Run the same command again to go on")
            raise
        except OSError as error:
            if isinstance(error, TimeoutError | BrokenPipeError):
                raise  # of the SDK, or of our own output
            complain("batch", f"{path}: {error.strerror}; run it again to go on")
            return FAILED
        finally:
            count = Counter(ends.values())
            print(", ".join(f"{number} {status}" for status, number in count.items()) or "no results", file=sys.stderr)
    is_whole = state.status == "FINALIZED" and count.total() == count["COMPLETED"] == state.total
    return 0 if is_whole else FAILED


def _known(file: IO[bytes], path: Path, batch: Batch) -> dict[str, str]:
    """Return the requests that stand in a file, by id; cut off what a process that was killed left of a line.

    Raises:
        BadCallError: it holds something else.
    """
    file.seek(0)
    ends: dict[str, str] = {}
    whole = 0
    for number, line in enumerate(file, 1):
        if not line.endswith(b"\n"):
            file.truncate(whole)
            break
        whole += len(line)
        ends.update([_facts(line, number, path, batch)])
    return ends


def _facts(line: bytes, number: int, path: Path, batch: Batch) -> tuple[str, str]:
    try:
        facts = json.loads(line)
        if facts["batch"] != batch.id:
            raise BadCallError(f"{path}: it has results of {facts['batch']}: use another file for {batch.id}")
        return cast("str", facts["id"]), cast("str", facts["status"])
    except (ValueError, TypeError, LookupError):
        raise BadCallError(f"{path}: line {number} is not a result of a batch: use another file") from None


def _append(file: IO[bytes], result: BatchResult, batch: Batch) -> None:
    facts: dict[str, Any] = {"batch": batch.id, "id": result.id, "status": str(result.status)}
    if result.is_success or result.output is not None:
        facts["output"] = result.output
    for name in ("error", "started_at", "completed_at"):
        if getattr(result, name) is not None:
            facts[name] = getattr(result, name)
    file.write(json.dumps(facts).encode() + b"\n")
    file.flush()
