"""The command `plan`: estimates duration and cost of a bulk run."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ._scaling import add_scaling, as_options, scaling_of, seconds_of
from ._session import BAD_CALL, BadCallError
from ._shown import complain, put_json
from ._submit import seconds

if TYPE_CHECKING:
    from runpod_sdk.emulator import BulkPlan, PlannedRun

_DESCRIPTION = """\
Estimates how long a bulk run takes and what it costs, for several windows: the
number of jobs in flight at once, the --concurrency of map. It runs the jobs on
the emulator in virtual time, 100,000 of them in a few seconds; nothing is sent
anywhere. For the assumptions see the documentation, "Plan a bulk run".

  runpod-sdk plan --jobs 100000 --execution 4 --max-workers 100 \\
    --cold-start 20..90 --scaler request-count:4 --price 0.00019"""

_EPILOG = """\
exit codes:
  0    the plan is printed
  1    the picture cannot be written
  2    bad arguments"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.description = _DESCRIPTION
    parser.epilog = _EPILOG
    parser.add_argument("--jobs", type=int, required=True, metavar="N", help="how many")
    parser.add_argument(
        "--execution", type=seconds_of, required=True, metavar="S|A..B", help="how long a job runs: 4, 2s..1m, 3,4,4,12"
    )
    parser.add_argument("--window", type=int, action="append", metavar="N", help="jobs in flight at once; repeatable")
    parser.add_argument("--price", type=_price, metavar="P", help="price of a worker-second, in your currency")
    parser.add_argument(
        "--latency", type=seconds, default=0.2, metavar="S", help="from an end to the next submit (0.2)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="for random times (0)")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="write a chart, too")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    add_scaling(parser.add_argument_group("the endpoint"))


def run(arguments: argparse.Namespace) -> int:
    """Simulate, and print the table."""
    try:
        planned = _planned(arguments)
    except BadCallError as error:
        complain(arguments.command, str(error))
        return BAD_CALL
    if arguments.json:
        put_json(planned.to_json())
    else:
        print(*_assumed(arguments, planned), planned, sep="\n")
    if arguments.svg is not None:
        try:
            arguments.svg.write_text(planned.svg(), encoding="utf-8")
        except OSError as error:
            complain(arguments.command, f"--svg {arguments.svg}: {error.strerror}")
            return 1
    return 0


def _assumed(arguments: argparse.Namespace, planned: BulkPlan) -> list[str]:
    """Return a line of what was not said; none, if all was."""
    scaling = planned.scaling
    assumed = {
        "max_workers": f"--max-workers {scaling.max_workers}",
        "scaler": f"--scaler {scaling.scaler.replace('_', '-')}:{scaling.scaler_value:g}",
        "cold_start": f"--cold-start {scaling.cold_start}".removesuffix(".0"),
        "warm_start": f"--warm-start {scaling.warm_start}".removesuffix(".0") if scaling.warm_for else "",
        "price": "no --price",
    }
    said = [text for name, text in assumed.items() if text and getattr(arguments, name) is None]
    return [f"assumed: {', '.join(said)}"] if said else []


def _price(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        expected = "a number expected, such as 0.00019, without a currency: that is yours"
        raise argparse.ArgumentTypeError(f"{text!r}: {expected}") from None


def _planned(arguments: argparse.Namespace) -> BulkPlan:
    from runpod_sdk.emulator import Scaling, plan  # noqa: PLC0415  --help does not need it

    def show(run: PlannedRun) -> None:
        if sys.stderr.isatty():
            print(f"window {run.window:,} is done", file=sys.stderr)

    try:
        return plan(
            arguments.jobs,
            arguments.execution,
            scaling_of(arguments) or Scaling(seed=arguments.seed),
            windows=arguments.window,
            price=arguments.price,
            latency=arguments.latency,
            seed=arguments.seed,
            on_run=show,
        )
    except ValueError as error:
        raise BadCallError(as_options(str(error))) from None
