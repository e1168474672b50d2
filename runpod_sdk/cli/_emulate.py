"""The command `emulate`: the emulator on a socket, with a handler file, real workers, or the built-in handler.

This file decides what is declared, what is printed, when a changed file is loaded again, and how it all ends.
"""

from __future__ import annotations

import json
import math
import os
import re
import shlex
import signal
import sys
import traceback
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ._session import BAD_CALL, BadCallError
from ._shown import complain

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from runpod_sdk.emulator import EmulatedEndpoint, Emulator, Fault, Server
    from runpod_sdk.emulator._workers._programs import Program

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
  0    ended by Ctrl-C or SIGTERM, and everything it started is gone
  1    a handler file cannot be loaded, or the port cannot be had
  2    bad arguments, or the emulator's extra is not installed
  130  Ctrl-C before it was ready, or a second one: workers were killed"""

_DEFAULT_ENDPOINT = "local"
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
        help=f"an endpoint's id ({_DEFAULT_ENDPOINT}), and what runs its jobs; repeatable",
    )
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (127.0.0.1)")
    parser.add_argument("--port", type=int, default=_DEFAULT_PORT, help=f"0: any that is free ({_DEFAULT_PORT})")
    parser.add_argument("--advertise", default="", metavar="HOST", help="how external workers call this machine")
    parser.add_argument("--api-key", default="test", metavar="KEY", help="the only key that is let in (test)")
    parser.add_argument("--reload", action="store_true", help="load files again, or replace workers, on change")
    parser.add_argument("--faults", type=Path, metavar="FILE", help="what goes wrong on purpose, as JSON")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of ids, and of faults that have a rate (0)")
    parser.add_argument("--time-scale", type=float, default=1.0, metavar="N", help="let its time pass N times as fast")
    parser.add_argument("--json", action="store_true", help="print nothing but one line of JSON, once ready")


def run(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    try:
        return _run(arguments)
    except BadCallError as error:
        complain(arguments.command, str(error))
        return BAD_CALL


def _run(arguments: argparse.Namespace) -> int:
    _check(arguments)
    ending = _Ending()
    ending.listen(ending.first)
    out = sys.stdout
    if arguments.json:
        sys.stdout = sys.stderr  # what a handler prints is not the line that is read
    try:
        return _serve(arguments, ending, out)
    finally:
        sys.stdout = out


def _serve(arguments: argparse.Namespace, ending: _Ending, out: Any) -> int:
    from runpod_sdk.clock import SystemClock  # noqa: PLC0415  --help needs none of these
    from runpod_sdk.emulator import HandlerFileError  # noqa: PLC0415

    clock = SystemClock()
    with _emulator(arguments) as emulator:
        try:
            for fault in _faults(arguments):
                emulator.inject(fault)
            files = _Files()
            for named in arguments.endpoint or [_DEFAULT_ENDPOINT]:
                ending.endpoints.append(_declare(emulator, arguments, named, files))
            server = emulator.serve(arguments.host, arguments.port)
        except HandlerFileError as error:
            _complain(error)
            return 1
        except ModuleNotFoundError:
            raise BadCallError("it needs an extra: pip install 'runpod-sdk[emulator]'") from None
        except OSError as error:
            where = f"{arguments.host}:{arguments.port}"
            reason = (error.strerror or str(error)).partition(" (")[0]
            print(f"cannot listen on {where}: {reason}; --port 0 takes a free one", file=sys.stderr)
            return 1
        except (ValueError, NotImplementedError) as error:
            raise BadCallError(str(error)) from None
        try:
            _announce(arguments, server, ending.endpoints, out)
            while True:
                clock.sleep(_LOOK_EVERY if arguments.reload else 1.0)
                if arguments.reload:
                    files.reload_changed()
        except KeyboardInterrupt:
            emulator.close()
            ending.listen(signal.SIG_IGN)  # nothing is left to end: one more Ctrl-C shall not change the exit code
            return _INTERRUPTED if ending.is_forced else 0


def _emulator(arguments: argparse.Namespace) -> Emulator:
    from runpod_sdk.clock import SystemClock  # noqa: PLC0415  as above
    from runpod_sdk.emulator import Emulator  # noqa: PLC0415

    clock = SystemClock(rate=arguments.time_scale)
    try:
        return Emulator(clock=clock, api_key=arguments.api_key, seed=arguments.seed)
    except ValueError as error:
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


def _check(arguments: argparse.Namespace) -> None:
    """Refuse what cannot be meant."""
    arguments.external = arguments.external or arguments.env_file is not None
    arguments.module = None if arguments.module is None else f"-m {arguments.module}"
    given = [arguments.target, arguments.module, arguments.worker, arguments.external or None]
    if sum(each is not None for each in given) > 1:
        raise BadCallError("one of FILE, -m, --worker and --external runs the jobs")
    if arguments.behind and (arguments.worker is not None or arguments.external):
        raise BadCallError("--: what stands behind it is for FILE and -m")
    if arguments.worker is not None and not arguments.worker.strip():
        raise BadCallError("--worker: the command of a worker expected")
    if not 0 < arguments.time_scale < math.inf:
        raise BadCallError("--time-scale: a positive number expected")
    if arguments.workers < 1:
        raise BadCallError("--workers: at least 1 expected")
    if not 0 <= arguments.port < 2**16:
        raise BadCallError(f"--port {arguments.port}: 0 to 65535 expected")
    if not re.fullmatch(r"[\x21-\x7e]*", arguments.advertise):
        raise BadCallError("--advertise: the name or the address of this machine expected")
    _check_endpoints(arguments)


def _check_endpoints(arguments: argparse.Namespace) -> None:
    named = [name.partition("=") for name in arguments.endpoint or [_DEFAULT_ENDPOINT]]
    if len([name for name, mark, _ in named if not mark]) > 1 and arguments.env_file:
        raise BadCallError("--env-file: it is for one endpoint")
    for file in [arguments.target, *(file for _, mark, file in named if mark)]:
        if file is not None and not file.startswith("-m ") and (not file or Path(file).is_dir()):
            raise BadCallError(f"{file or 'FILE'}: a worker's file expected" + (", not a folder" if file else ""))


def _declare(emulator: Emulator, arguments: argparse.Namespace, named: str, files: _Files) -> EmulatedEndpoint:
    """Declare an endpoint: NAME=FILE, or NAME with what the other arguments say."""
    from runpod_sdk.emulator._workers._programs import program_of  # noqa: PLC0415  as above

    name, _, file = named.partition("=")
    target = file or arguments.target or arguments.module
    program = None if target is None else program_of(target, tuple(arguments.behind))
    words = arguments.worker and not program
    stamps: dict[Path, int] = {}
    if arguments.reload:  # before a process reads them
        stamps = _stamps(program, shlex.split(arguments.worker) if words else [])
    if program is not None:
        endpoint = emulator.endpoint(name, program, workers=arguments.workers)
    elif words:
        endpoint = emulator.endpoint(name, command=arguments.worker, workers=arguments.workers)
    else:
        endpoint = emulator.endpoint(name, workers=0 if arguments.external else arguments.workers)
    files.used[endpoint] = stamps
    return endpoint


# What is printed.


def _announce(arguments: argparse.Namespace, server: Server, endpoints: list[EmulatedEndpoint], out: Any) -> None:
    """Say what is served, and where."""
    if not _is_loopback(arguments.host):
        print(
            f"warning: listening on {arguments.host}: whoever reaches this machine and knows the key runs jobs on it",
            file=sys.stderr,
        )
    described = [_described(endpoint, arguments, server) for endpoint in endpoints]
    if arguments.env_file is not None:
        _write_env_file(arguments.env_file, described[0]["worker_environment"])
    if arguments.json:
        line = {"ready": True, "url": server.url, "api_key": server.api_key, "endpoints": described}
        print(json.dumps(line), file=out, flush=True)
        return
    print(f"ready at {server.url}\n")
    for endpoint in described:
        print(f"  {endpoint['id']}: {endpoint['runs']}")
    print()
    print(f"export RUNPOD_ENDPOINT_BASE_URL={shlex.quote(server.url)}")
    print(f"export RUNPOD_API_KEY={shlex.quote(server.api_key)}")
    for endpoint in described:
        if "worker_environment" in endpoint:
            _announce_external(arguments, endpoint)
    print("\nCtrl-C ends it.", flush=True)


def _announce_external(arguments: argparse.Namespace, endpoint: dict[str, Any]) -> None:
    environment: dict[str, str] = endpoint["worker_environment"]
    print(f"\n# for a worker of {endpoint['id']}; each needs a RUNPOD_POD_ID of its own")
    for name, value in environment.items():
        print(f"export {name}={shlex.quote(value)}")
    if arguments.env_file is not None:
        print(f"# the same, for docker run --env-file: {arguments.env_file}")
    elif _is_loopback(arguments.host):
        print("# a container reaches it with --network host, or with --host 0.0.0.0 --advertise NAME here")


def _described(endpoint: EmulatedEndpoint, arguments: argparse.Namespace, server: Server) -> dict[str, Any]:
    facts: dict[str, Any] = {"id": endpoint.id}
    program = endpoint.program
    if program is not None:
        runs = f"{program.named}, {_count(endpoint)}"
        file = {} if program.path is None else {"file": str(program.path)}
        return {**facts, "runs": runs, **file, "workers": endpoint.workers}
    if endpoint.command is not None:
        runs = f"{_count(endpoint)}: {shlex.join(endpoint.command)}; logs in {endpoint.logs}"
        return {**facts, "runs": runs, "logs": str(endpoint.logs), "workers": endpoint.workers}
    if arguments.external:
        environment = server.worker_environment(endpoint.id, host=_advertised(arguments))
        return {**facts, "runs": "workers that you start", "worker_environment": environment}
    return {**facts, "runs": "the built-in handler: mock_return, mock_delay, mock_error, ..."}


def _write_env_file(path: Path, environment: dict[str, str]) -> None:
    """Write an environment as `docker run --env-file` takes it, without quotes. It holds a key: for its owner alone.

    A file that is there already is replaced, as whoever has it open could go on reading; what is no file is written to.
    """
    text = "".join(f"{name}={value}\n" for name, value in environment.items())
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")
            return
        path = path.resolve()  # a link stays what it is
        new = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                file.write(text)
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)
    except (OSError, RuntimeError) as error:  # the second: links in a circle
        raise BadCallError(f"--env-file {path}: {getattr(error, 'strerror', None) or error}") from None


def _count(endpoint: EmulatedEndpoint) -> str:
    return f"{endpoint.workers} worker{'s' if endpoint.workers > 1 else ''}"


def _advertised(arguments: argparse.Namespace) -> str:
    """Return how a worker elsewhere calls this machine; nobody can call 0.0.0.0."""
    host: str = arguments.advertise or arguments.host
    return "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104  what was asked for


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _complain(error: Exception) -> None:
    """Say why a file cannot be loaded, with its own part of the traceback."""
    cause = error.__cause__
    if cause is not None:
        # The frames before the file's own are the emulator's.
        own = cause.__traceback__.tb_next if cause.__traceback__ is not None else None
        traceback.print_exception(cause.with_traceback(own))
    print(error, file=sys.stderr)


# How it goes on, and how it ends.


class _Files:
    """The files that endpoints are made of, and when those were changed that are in use.

    Attributes:
        used: when each was changed, by endpoint.
    """

    def __init__(self) -> None:
        self.used: dict[EmulatedEndpoint, dict[Path, int]] = {}

    def reload_changed(self) -> None:
        """Load again what has changed; what cannot be loaded stays as it was."""
        from runpod_sdk.emulator import HandlerFileError  # noqa: PLC0415  see _serve

        for endpoint, used in self.used.items():
            stamps = _stamps(endpoint.program, endpoint.command or [])
            if stamps == used:
                continue
            self.used[endpoint] = stamps
            try:
                endpoint.reload()
            except HandlerFileError as error:
                _complain(error)
            else:
                print(f"reloaded {endpoint.id}", file=sys.stderr)


def _stamps(program: Program | None, words: Sequence[str]) -> dict[Path, int]:
    """Return when the files of a program were changed, or those that a command names, with those beside them."""
    from runpod_sdk.emulator._workers._programs import scripts_in, scripts_of, stamps_of  # noqa: PLC0415  see _serve

    if program is not None:
        return stamps_of(scripts_of(program))
    named = [Path(word).resolve() for word in words if word.endswith(".py")]
    return stamps_of(sorted({path for script in named for path in scripts_in(script.parent)}))


class _Ending:
    """What signals do: the first one ends it all in order, any other kills the workers.

    Attributes:
        endpoints: those that may have workers.
        is_forced: there was more than one signal.
    """

    def __init__(self) -> None:
        self.endpoints: list[EmulatedEndpoint] = []
        self.is_forced = False

    def listen(self, handler: Callable[[int, object], None] | signal.Handlers) -> None:
        """Let signals call `handler`. SIGINT too: a shell starts what goes to the background with SIGINT ignored."""
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), handler)

    def first(self, _: int, __: object) -> NoReturn:
        """End it as Ctrl-C does."""
        self.listen(self.further)
        raise KeyboardInterrupt

    def further(self, _: int, __: object) -> None:
        """Kill the workers; what waits for them goes on."""
        self.is_forced = True
        for endpoint in self.endpoints:
            if endpoint.supervisor is not None:
                endpoint.supervisor.kill()
