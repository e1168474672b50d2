"""What a handler has printed stands in the error of its job, where the emulator is told so."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk import Client, JobFailedError
from runpod_sdk.emulator import Emulator, Options
from runpod_sdk.emulator._workers._host._capture import LOGS_MAX, kept

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

LOGS = "worker: the error of a handler that raises says what it has printed (Options.log_capture)"


def plain(job: dict[str, Any]) -> None:
    print(f"loading {job['input']['n']}")
    print("no GPU", file=sys.stderr)
    raise ValueError("broken")


async def coroutine(job: dict[str, Any]) -> None:
    await asyncio.to_thread(print, f"loading {job['input']['n']}")
    await asyncio.sleep(0)
    sys.stderr.writelines(["no ", "GPU\n"])
    raise ValueError("broken")


def generator(job: dict[str, Any]) -> Iterator[int]:
    print(f"loading {job['input']['n']}")
    yield 1
    print("no GPU")
    raise ValueError("broken")


async def async_generator(job: dict[str, Any]) -> AsyncIterator[int]:
    for chunk in generator(job):
        await asyncio.sleep(0)
        yield chunk


def failures(emulator: Emulator, *numbers: int) -> dict[int, JobFailedError]:
    """Run a job for each number at once, and return how each failed."""
    errors: dict[int, JobFailedError] = {}
    with Client(**emulator.connection) as client:
        for result in client.endpoint("e").map({str(n): {"n": n} for n in numbers}):
            assert isinstance(result.error, JobFailedError)
            errors[int(str(result.key))] = result.error
    return errors


@pytest.mark.parametrize("handler", [plain, coroutine, generator, async_generator])
@pytest.mark.fidelity(LOGS, source="official source")
def test_an_error_says_what_was_printed_in_its_own_job(handler: Any, capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout, sys.stderr
    with Emulator(options=Options(log_capture=True)) as emulator:
        emulator.endpoint("e", handler, workers=4)
        errors = failures(emulator, *range(8))
    for n, error in errors.items():
        assert error.worker_logs == f"loading {n}\nno GPU\n"
        assert error.error_message == "broken"
    printed = capsys.readouterr()
    assert "loading 7\n" in printed.out, "it is printed all the same"
    assert (sys.stdout, sys.stderr) == before


@pytest.mark.parametrize("handler", [plain, coroutine, generator, async_generator])
def test_by_default_an_error_does_not_say_what_was_printed(handler: Any) -> None:
    with Emulator() as emulator:
        emulator.endpoint("e", handler)
        assert failures(emulator, 1)[1].worker_logs is None


def test_who_printed_nothing_has_no_logs() -> None:
    def silent(_: dict[str, Any]) -> None:
        raise ValueError("broken")

    with Emulator(options=Options(log_capture=True)) as emulator:
        emulator.endpoint("e", silent)
        error = failures(emulator, 1)[1]
    assert error.state is not None
    assert "logs" not in json.loads(str(error.state.error))


@pytest.mark.parametrize("is_wanted", [True, False])
def test_a_file_in_a_process_is_told_to_keep_what_it_prints(tmp_path: Path, is_wanted: bool) -> None:  # noqa: FBT001  a parameter
    file = tmp_path / "handler.py"
    file.write_text(
        "import runpod\n"
        "def handler(job):\n"
        "    print('loading', job['input']['n'])\n"
        "    raise ValueError('broken')\n"
        "runpod.serverless.start({'handler': handler})\n"
    )
    with Emulator(options=Options(log_capture=is_wanted)) as emulator:
        emulator.endpoint("e", file)
        assert failures(emulator, 7)[7].worker_logs == ("loading 7\n" if is_wanted else None)


def test_the_end_of_what_was_printed_is_kept() -> None:
    with kept() as printed:
        print("a" * LOGS_MAX)
        print("the end")
    assert len(printed.text) == LOGS_MAX
    assert printed.text.endswith("a\nthe end\n")


def test_a_stream_that_was_replaced_meanwhile_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = sys.stderr
    with kept() as printed:
        monkeypatch.setattr(sys, "stdout", mine)
        with kept() as inner:
            print("inside")
        print("after")
    assert sys.stdout is mine
    assert (inner.text, printed.text) == ("inside\n", "after\n")


def test_the_client_takes_error_as_a_failure() -> None:
    with Emulator(options=Options(failed_status="ERROR")) as emulator:
        emulator.endpoint("e", lambda _: {"error": "broken"})
        with Client(**emulator.connection) as client, pytest.raises(JobFailedError, match="broken") as caught:
            client.endpoint("e").run_sync({"n": 1}, timeout=60)
    assert caught.value.state is not None
    assert caught.value.state.status == "ERROR"
    verdict = emulator.ledger.verdict()
    assert list(verdict.delivered.values()) == [1]
