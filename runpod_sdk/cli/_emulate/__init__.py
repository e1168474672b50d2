"""The command `emulate`: the emulator on a socket, with worker files, real workers, or the built-in handler.

This file says what it takes, and decides what is declared; the others, what is printed and how it all ends.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from runpod_sdk.cli._scaling import add_scaling, scaling_of
from runpod_sdk.cli._session import BAD_CALL, BadCallError
from runpod_sdk.cli._shown import complain

from ._announced import announce
from ._checks import DEFAULT_ENDPOINT, DEFAULT_KEY, check
from ._ending import Ending
from ._files import Files, show_why, stamps_of_all
from ._tested import run_tests

if TYPE_CHECKING:
    import argparse

    from runpod_sdk.emulator import EmulatedEndpoint, Emulator, Fault

_DESCRIPTION = """\
Serves the queue API on a socket of this machine, for any client of it.
Who runs the jobs:

  emulate handler.py --workers 2
                             a worker's file, unchanged, as a program in a
                             process of each worker; the package runpod need
                             not be installed
  emulate handler.py -- --model x
                             the same, with arguments of its own
  emulate -m worker.handler  a module, as `python -m` runs it
  emulate handler.py:run     a function of a file
  emulate --worker "python handler.py" --workers 2
                             any other command that starts a worker, each
                             with a log
  emulate --external         workers that you start elsewhere, in the
                             environment that is printed
  emulate                    a handler that does what the input says:
                             mock_return, mock_delay, mock_error, ...

A worker that dies is followed by another. Ctrl-C ends it all: held requests
are answered, and workers of --worker may deliver their jobs; a second Ctrl-C
kills them."""

_EXIT_CODES = """\
exit codes:
  0    ended by Ctrl-C or SIGTERM, and everything it started is gone; with
       --test-inputs: all ended as expected
  1    a handler file cannot be loaded, or the port cannot be had; with
       --test-inputs: one did not end as expected
  2    bad arguments, or the emulator's extra is not installed
  130  Ctrl-C before it was ready, or a second one: workers were killed"""

_DEFAULT_PORT = 8000
_LOOK_EVERY = 0.3  # seconds between two looks at the files, with --reload
_INTERRUPTED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.description = _DESCRIPTION
    parser.epilog = _EXIT_CODES
    parser.add_argument("target", nargs="?", metavar="FILE[:FUNCTION]", help="a worker's file")
    parser.add_argument("-m", dest="module", metavar="MODULE", help="a worker's module")
    parser.set_defaults(behind=[])  # what stands behind --
    parser.add_argument("--worker", metavar="COMMAND", help="start this as a worker")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="how many workers (1)")
    parser.add_argument("--external", action="store_true", help="print the environment of a worker")
    parser.add_argument("--env-file", type=Path, metavar="PATH", help="write it to a file, as docker run takes it")
    parser.add_argument(
        "--endpoint",
        action="append",
        metavar="NAME[=FILE]",
        help=f"an endpoint's id ({DEFAULT_ENDPOINT}), and what runs its jobs; repeatable",
    )
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (127.0.0.1)")
    parser.add_argument("--port", type=int, default=_DEFAULT_PORT, help=f"0: any that is free ({_DEFAULT_PORT})")
    parser.add_argument("--advertise", default="", metavar="HOST", help="how external workers call this machine")
    parser.add_argument("--api-key", default=DEFAULT_KEY, metavar="KEY", help="the only key that is let in (test)")
    parser.add_argument("--open", action="store_true", help="open the console in a browser")
    parser.add_argument("--cors", action="append", metavar="ORIGIN", help="let a page of this origin call; repeatable")
    parser.add_argument(
        "--allow-host", action="append", metavar="NAME", help="a name to call /_emulator by, with the key; repeatable"
    )
    parser.add_argument("--reload", action="store_true", help="load files again, or replace workers, on change")
    parser.add_argument("--faults", type=Path, metavar="FILE", help="what goes wrong on purpose, as JSON")
    parser.add_argument("--db", type=Path, metavar="FILE", help="keep jobs, batches, ledger and time in it")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of ids, and of faults that have a rate (0)")
    parser.add_argument("--time-scale", type=float, default=1.0, metavar="N", help="let its time pass N times as fast")
    parser.add_argument(
        "--test-inputs", action="store_true", help="run test_input.json and .runpod/tests.json, and end"
    )
    parser.add_argument("--quiet", action="store_true", help="say nothing of jobs and requests")
    parser.add_argument("--json", action="store_true", help="one line of JSON once ready; all else to standard error")
    add_scaling(parser.add_argument_group("let workers start and stop, as on the service (--workers is not used)"))


def run(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    try:
        return _run(arguments)
    except BadCallError as error:
        complain(arguments.command, str(error))
        return BAD_CALL


def _run(arguments: argparse.Namespace) -> int:
    check(arguments)
    ending = Ending()
    ending.listen(ending.first)
    out = sys.stdout
    if arguments.json:
        sys.stdout = sys.stderr  # what a handler prints is not the line that is read
    try:
        return _serve(arguments, ending, out)
    finally:
        sys.stdout = out


def _tell_of_kept(emulator: Emulator) -> None:
    """Say that faults go on which nobody has injected this time."""
    kept = len(emulator.faults.all())
    if kept:
        words = "fault that was injected before is" if kept == 1 else "faults that were injected before are"
        how = "the console, or DELETE /_emulator/faults, removes"
        print(f"{kept} {words} still active; {how} {'it' if kept == 1 else 'them'}", file=sys.stderr)


def _serve(arguments: argparse.Namespace, ending: Ending, out: Any) -> int:
    from runpod_sdk.emulator import HandlerFileError  # noqa: PLC0415  --help needs none of these
    from runpod_sdk.emulator._doors._listener import check_serves_at  # noqa: PLC0415

    from ._narrator import Narrator  # noqa: PLC0415

    port = 0 if arguments.test_inputs else arguments.port

    with _emulator(arguments) as emulator, closing(Narrator(emulator, is_quiet=arguments.quiet)) as narrator:
        _tell_of_kept(emulator)
        try:
            for fault in _faults(arguments):
                emulator.inject(fault)
            check_serves_at(arguments.host, port)  # before workers start, which may take minutes
            files = Files()
            for named in arguments.endpoint or [DEFAULT_ENDPOINT]:
                ending.endpoints.append(_declare(emulator, arguments, named, files))
            server = emulator.serve(arguments.host, port)
        except HandlerFileError as error:
            narrator.settle()  # what the file has printed comes first
            show_why(error)
            return 1
        except ModuleNotFoundError:
            raise BadCallError("the extra `emulator` is missing: pip install 'runpod-sdk[emulator]'") from None
        except OSError as error:
            where = f"{arguments.host}:{arguments.port}"
            reason = (error.strerror or str(error)).partition(" (")[0]
            complain(arguments.command, f"cannot listen on {where}: {reason}; --port 0 picks a free port")
            return 1
        except (ValueError, NotImplementedError) as error:
            raise BadCallError(str(error)) from None
        try:
            if arguments.test_inputs:
                return run_tests(arguments, server, ending.endpoints, out)
            announce(arguments, server, ending.endpoints, out)
            _stay(files if arguments.reload else None)
        except KeyboardInterrupt:
            emulator.close()
            ending.ignore()  # nothing is left to end: one more Ctrl-C shall not change the exit code
            return _INTERRUPTED if ending.is_forced else 0


def _stay(files: Files | None) -> NoReturn:
    """Go on until a signal comes, and load files again that change."""
    from runpod_sdk.clock import SystemClock  # noqa: PLC0415  as above

    clock = SystemClock()
    while True:
        clock.sleep(1.0 if files is None else _LOOK_EVERY)
        if files is not None:
            files.reload_changed()


def _emulator(arguments: argparse.Namespace) -> Emulator:
    from runpod_sdk.clock import AdjustableClock  # noqa: PLC0415  as above
    from runpod_sdk.emulator import Emulator, EmulatorFileError, Options  # noqa: PLC0415

    clock = AdjustableClock(rate=arguments.time_scale)
    named = [each for each in (arguments.host, arguments.advertise) if re.fullmatch(r"[A-Za-z0-9._-]+", each)]
    options = Options(
        scaling=scaling_of(arguments),
        cors=tuple(arguments.cors or ()),
        host_names=(*(arguments.allow_host or ()), *named),
    )
    try:
        return Emulator(
            clock=clock,
            api_key=arguments.api_key,
            seed=arguments.seed,
            options=options,
            db=arguments.db,
            echo=False,
        )
    except (ValueError, EmulatorFileError) as error:
        raise BadCallError(str(error)) from None


def _faults(arguments: argparse.Namespace) -> list[Fault]:
    """Read the file of faults."""
    from runpod_sdk.emulator import faults_from_json  # noqa: PLC0415  as above

    if arguments.faults is None:
        return []
    try:
        return faults_from_json(json.loads(arguments.faults.read_text(encoding="utf-8")))
    except OSError as error:
        raise BadCallError(f"--faults {arguments.faults}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise BadCallError(f"--faults {arguments.faults}: {error}") from None


def _declare(emulator: Emulator, arguments: argparse.Namespace, named: str, files: Files) -> EmulatedEndpoint:
    """Declare an endpoint: NAME=FILE, or NAME with what the other arguments say."""
    from runpod_sdk.emulator._workers._programs import program_of  # noqa: PLC0415  as above

    name, _, file = named.partition("=")
    target = file or arguments.target or arguments.module
    program = None if target is None else program_of(target, tuple(arguments.behind))
    words = arguments.worker and not program
    stamps: dict[Path, int] = {}
    if arguments.reload:  # before a process reads them
        stamps = stamps_of_all(program, shlex.split(arguments.worker) if words else [])
    if program is not None:
        endpoint = emulator.endpoint(name, program, workers=arguments.workers)
    elif words:
        endpoint = emulator.endpoint(name, command=arguments.worker, workers=arguments.workers)
    else:
        endpoint = emulator.endpoint(name, workers=0 if arguments.external else arguments.workers)
    files.used[endpoint] = stamps
    return endpoint
