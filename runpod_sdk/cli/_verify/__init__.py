"""The command `verify`: checks this project's claims about the service against an endpoint of yours.

This file decides which checks run, asks before anything is submitted, and turns the findings into an exit code. What
is claimed stands beside its check, in `_requests.py`, `_jobs.py`, `_streams.py`, `_batches.py` and `_deadlines.py`.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from runpod_sdk._values._words import counted

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from ._claims import Check, Finding
    from ._raw_endpoint import RawEndpoint

_DESCRIPTION = """\
Checks what this project claims about the service, one small claim after the
other, on an endpoint of your own. It needs a queue-based endpoint that runs
the official mock worker (image runpod/mock-worker, a CPU is enough) and
costs a few cents: jobs of seconds, none of which is left running, and drafts
of batches, none of which is finalized.

Each claim is printed with how well it is known so far and with what came of
it. What differs is worth an issue; --json writes a report that holds no key,
no endpoint, no ids and no input.

  export RUNPOD_API_KEY=...
  runpod-sdk verify abc123 --json report.json

RUNPOD_ENDPOINT_BASE_URL names another service, such as an emulator."""

_EXIT_CODES = """\
exit codes:
  0    no claim differs from what was seen
  1    one does
  2    bad arguments, no consent, or an endpoint that cannot be checked
  130  Ctrl-C"""

_PROBE = {"mock_return": "probe"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.description = _DESCRIPTION
    parser.epilog = _EXIT_CODES
    parser.add_argument("endpoint", metavar="ENDPOINT", help="id of an endpoint that runs the mock worker")
    parser.add_argument("--generator", metavar="ENDPOINT", help="id of one that runs it with --generator, for streams")
    parser.add_argument("--only", metavar="NAME", nargs="+", help="run these checks, slow or not")
    parser.add_argument("--slow", action="store_true", help="also what waits for deadlines of the service")
    parser.add_argument("--patience", type=float, default=300.0, help="seconds that a first worker may take to start")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write a report")
    parser.add_argument("--yes", action="store_true", help="do not ask before jobs are submitted")


def run(arguments: argparse.Namespace) -> int:
    """Run the checks."""
    from runpod_sdk._values._arguments import checked_id  # noqa: PLC0415  --help needs none of these
    from runpod_sdk._values._hidden import Hidden  # noqa: PLC0415  as above
    from runpod_sdk._values._service import Service  # noqa: PLC0415  --help needs none of these
    from runpod_sdk.clock import SystemClock  # noqa: PLC0415

    from ._connection import RawConnection  # noqa: PLC0415
    from ._raw_endpoint import RawEndpoint, UnclearError  # noqa: PLC0415
    from ._report import Report, line  # noqa: PLC0415

    clock = SystemClock()
    try:
        checked_id("ENDPOINT", arguments.endpoint)
        service = Service.resolve(Hidden(None), None, allow_http=False)
        connection = RawConnection(service, clock)
        checks = chosen_checks(arguments.only, slow=arguments.slow, generator=arguments.generator is not None)
    except ValueError as error:
        return _refuse(str(error))
    jobs = 1 + sum(check.jobs for check in checks)
    print(
        f"{counted(len(checks), 'claim')}, with at most {counted(jobs, 'job')}, "
        f"on {service.base_url}/{arguments.endpoint}"
    )
    if not (arguments.yes or _consents()):
        return _refuse("nothing was submitted; --yes goes on without asking")
    with connection:
        endpoint = RawEndpoint(
            connection.send, clock, arguments.endpoint, generator_id=arguments.generator, patience=arguments.patience
        )
        try:
            probe(endpoint)
        except UnclearError as error:
            return _refuse(f"{arguments.endpoint} cannot be checked: {error}")
        findings = verify(endpoint, checks, lambda check, finding: print(line(check, finding), flush=True))
    date = datetime.fromtimestamp(clock.time(), UTC).isoformat(timespec="seconds")
    report = Report(service.base_url, date, findings)
    print(report.summary())
    if arguments.json is not None:
        arguments.json.write_text(report.text(), encoding="utf-8")
    return 1 if report.counts["differs"] else 0


def chosen_checks(only: Sequence[str] | None = None, *, slow: bool = False, generator: bool = True) -> list[Check]:
    """Return the checks to run, in order.

    Args:
        only: names; None: all that are not left out by the other two.
        slow: those that wait for deadlines, too.
        generator: those that need a generator, too.

    Raises:
        ValueError: a name that no check has.
    """
    from . import _batches, _deadlines, _jobs, _requests, _streams  # noqa: PLC0415  see run

    checks = [*_requests.CHECKS, *_jobs.CHECKS, *_streams.CHECKS, *_batches.CHECKS, *_deadlines.CHECKS]
    if only is None:
        return [check for check in checks if slow >= check.slow and generator >= check.needs_generator]
    unknown = sorted(set(only) - {check.name for check in checks})
    if unknown:
        names = ", ".join(check.name for check in checks)
        raise ValueError(f"--only {' '.join(unknown)}: no such check; there are {names}")
    return [check for check in checks if check.name in only]


def probe(endpoint: RawEndpoint) -> None:
    """Run one job, so that a worker is up, and see that it is the mock worker.

    Raises:
        UnclearError: it is not, or none came up.
    """
    from ._raw_endpoint import UnclearError  # noqa: PLC0415  see run

    try:
        answer = endpoint.ended(endpoint.submit(_PROBE))
    finally:
        endpoint.clear_away()
    if answer.fields.get("output") not in ("probe", ["probe"]):
        raise UnclearError(f"it does not run the mock worker: {answer}")
    endpoint.patience = min(endpoint.patience, 60.0)  # seconds; a worker is up now


def verify(
    endpoint: RawEndpoint, checks: Sequence[Check], told: Callable[[Check, Finding], object]
) -> list[tuple[Check, Finding]]:
    """Run the checks one after the other, and tell of each when it is done."""
    findings: list[tuple[Check, Finding]] = []
    for check in checks:
        finding = check.run(endpoint)
        told(check, finding)
        findings.append((check, finding))
    return findings


def _consents() -> bool:
    """Ask for confirmation, in a terminal."""
    return sys.stdin.isatty() and input("Submit them? [y/N] ").strip().lower() in ("y", "yes")


def _refuse(why: str) -> int:
    print(f"runpod-sdk verify: {why}", file=sys.stderr)
    return 2
