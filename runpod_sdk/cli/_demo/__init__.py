"""The command `demo`: the documentation's scenarios, sync and async, on an emulator behind a real socket.

This file decides what is run, in what order, and the exit code. What must come out of a scenario stands beside its
code in `_sync.py` and `_async.py`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

    from ._recorder import Recorder

_DESCRIPTION = """\
Starts the emulator on a socket of this machine, with plain Python callables
as workers, and runs the documentation's own scenarios on it, first through
Client, then through AsyncClient:

  run and poll    submit a job, look until it has ended, take its output
  run_sync        submit a job and get its output in one call
  stream          "Hello, World!", one character at a time
  cancel          a running and a queued job
  fail and retry  a job that fails once: its error, a retry, its output
  purge           remove queued jobs; the running one goes on
  health          jobs and the six gauges of workers

Needs no account and no network, and takes about four seconds. A live table
where rich is installed and the output is a terminal; plain lines elsewhere."""

_EXIT_CODES = """\
exit codes:
  0    every scenario ended as it must
  1    one did not; the summary says which, and why
  2    bad arguments, or the emulator's extra is not installed
  130  Ctrl-C"""

# Most seconds for one ordinary request: on loopback, more is a fault.
_REQUEST_TIMEOUT = 5.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.description = _DESCRIPTION
    parser.epilog = _EXIT_CODES
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--plain", action="store_true", help="plain lines, also on a terminal")
    shape.add_argument("--json", action="store_true", help="nothing but one line of JSON, at the end")


def run(arguments: argparse.Namespace) -> int:
    """Run the demo."""
    import asyncio  # noqa: PLC0415  --help needs none of these

    from runpod_sdk.clock import SystemClock  # noqa: PLC0415
    from runpod_sdk.emulator import Emulator  # noqa: PLC0415

    from ._handlers import declare_endpoints  # noqa: PLC0415
    from ._recorder import Recorder, Summary  # noqa: PLC0415
    from ._views import view_for  # noqa: PLC0415

    clock = SystemClock()
    view = view_for(sys.stdout, plain=arguments.plain, as_json=arguments.json)
    recorder = Recorder(clock, view)
    with Emulator(clock=clock) as emulator:
        declare_endpoints(emulator, clock)
        try:
            server = emulator.serve()
        except ModuleNotFoundError:
            print("runpod-sdk demo needs the emulator: pip install 'runpod-sdk[emulator]'", file=sys.stderr)
            return 2
        view.opened(server.url)
        with view:
            _run_sync(recorder, server.connection)
            asyncio.run(_run_async(recorder, server.connection))
        summary = Summary.of(recorder, emulator)
    view.closed(summary)
    return 0 if summary.is_right else 1


def _run_sync(recorder: Recorder, connection: dict[str, Any]) -> None:
    from runpod_sdk import Client  # noqa: PLC0415  see run

    from ._sync import SCENARIOS  # noqa: PLC0415

    with Client(**connection, timeout=_REQUEST_TIMEOUT) as client:
        for name, scenario in SCENARIOS.items():
            with recorder.scene("sync", name) as scene:
                scene.result = scenario(client.endpoint(scene.endpoint_id), scene)


async def _run_async(recorder: Recorder, connection: dict[str, Any]) -> None:
    from runpod_sdk import AsyncClient  # noqa: PLC0415  see run

    from ._async import SCENARIOS  # noqa: PLC0415

    async with AsyncClient(**connection, timeout=_REQUEST_TIMEOUT) as client:
        for name, scenario in SCENARIOS.items():
            with recorder.scene("async", name) as scene:
                scene.result = await scenario(client.endpoint(scene.endpoint_id), scene)
