"""The tests in worker repositories, `test_input.json` and `.runpod/tests.json`: finding and reading them.

docs: hub/publishing-guide, tests.json: a list "tests" of objects with name, input, and timeout in milliseconds;
official source: rp_local.py, test_input.json: an object with input. `expected_output` stands in some of both.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runpod_sdk.emulator._workers._programs import Program

ONE, MANY = "test_input.json", ".runpod/tests.json"
_LEAST = 5.0  # seconds.  # docs: send-requests#execution-policies, the least executionTimeout
_ANY = object()


class WorkerTestError(ValueError):
    """Tests of a worker that cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerTest:
    """An input that a worker's repository is tested with.

    Attributes:
        name: what it is called.
        input: the job's input.
        execution_timeout: seconds that the job may take; None: as the endpoint has it.
        expected: what has to come out, if it says so.
        file: where it stands.
    """

    name: str
    input: dict[str, Any]
    execution_timeout: float | None
    file: Path
    expected: Any = _ANY

    def problem(self, status: str, output: Any) -> str | None:
        """Return what is wrong with how its job has ended, in words; None: nothing."""
        if status != "COMPLETED":
            return f"the job ended {status}"
        if self.expected is not _ANY and output != self.expected:
            return f"the output is {json.dumps(output)[:500]}, and {json.dumps(self.expected)[:500]} was expected"
        return None


def folders_above(program: Program, top: Path) -> list[Path]:
    """Return the folder of a program, and those above it up to `top`, if it lies below that."""
    folder = _folder_of_module(program) if program.path is None else program.path.parent
    top = top.resolve()
    if not folder.is_relative_to(top):
        return [folder]
    return [each for each in (folder, *folder.parents) if each.is_relative_to(top)]


def _folder_of_module(program: Program) -> Path:
    """Return where a module lies, or the folder from which it is run if that is elsewhere."""
    place = program.folder.joinpath(*program.target.partition(":")[0].split("."))
    folder = place if place.is_dir() else place.parent
    return folder if folder.is_dir() else program.folder


def worker_tests(folders: list[Path]) -> list[WorkerTest]:
    """Return the tests in the first of these folders that has any.

    Raises:
        WorkerTestError: none has any, or what is there is not of this form.
    """
    for folder in folders:
        found = [*_of_one(folder / ONE), *_of_many(folder / MANY)]
        if found:
            return found
    raise WorkerTestError(f"neither {ONE} nor {MANY} is in {' or '.join(map(str, folders))}")


def _of_one(file: Path) -> Iterator[WorkerTest]:
    if file.is_file():
        yield _test(file, _read(file), ONE)


def _of_many(file: Path) -> Iterator[WorkerTest]:
    if not file.is_file():
        return
    found = _read(file)
    tests: Any = cast("dict[str, Any]", found).get("tests") if isinstance(found, dict) else found
    if not isinstance(tests, list):
        raise WorkerTestError(f'{file}: a list "tests" expected')
    listed: list[Any] = tests  # pyright: ignore[reportUnknownVariableType]
    for number, test in enumerate(listed, 1):
        yield _test(file, test, f"{file.name} {number}")


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise WorkerTestError(f"{file}: {error}") from None


def _test(file: Path, found: Any, name: str) -> WorkerTest:
    facts = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    if not isinstance(facts.get("input"), dict):
        raise WorkerTestError(f'{file}: {name}: an object with "input", which is an object, expected')
    timeout = facts.get("timeout")
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0):
        raise WorkerTestError(f"{file}: {name}: a timeout is a positive number of milliseconds")
    return WorkerTest(
        name=str(facts.get("name", name)),
        input=facts["input"],
        execution_timeout=None if timeout is None else max(_LEAST, timeout / 1000),
        file=file,
        expected=facts.get("expected_output", _ANY),
    )
