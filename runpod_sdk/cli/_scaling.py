"""The scaling options, shared by the commands that take them."""

from __future__ import annotations

import argparse
import math
import re
from typing import TYPE_CHECKING, Any

from ._session import BadCallError
from ._submit import seconds

if TYPE_CHECKING:
    from runpod_sdk.emulator import Scaling

_ARGUMENT = re.compile(r"(?:scaling: )?\b([a-z]+(?:_[a-z]+)*)=")
_OPTIONS = {"windows": "window"}
_SCALERS = {"request-count": "request_count", "queue-delay": "queue_delay"}


def add_scaling(parser: argparse._ArgumentGroup) -> None:
    """Take arguments for `Scaling`; those that are not given are None."""
    parser.add_argument("--max-workers", type=int, metavar="N", help="the most workers (3)")
    parser.add_argument("--min-workers", type=int, metavar="N", help="how many workers are always up (0)")
    parser.add_argument("--scaler", type=_scaler, metavar="NAME:N", help="request-count:N or queue-delay:N (…-delay:4)")
    parser.add_argument("--step", type=int, metavar="N", help="queue-delay adds no more workers at once")
    parser.add_argument("--idle-timeout", type=seconds, metavar="S", help="a worker without a job stops after this (5)")
    parser.add_argument(
        "--cold-start", type=seconds_of, metavar="S|A..B", help="how long a start takes: 30, 20s..2m, 18,25,31,80 (10)"
    )
    parser.add_argument("--warm-start", type=seconds_of, metavar="S|A..B", help="the same for a warm start (1)")
    parser.add_argument(
        "--warm-for", type=seconds, metavar="S", help="a worker that has stopped starts warm for so long"
    )


def scaling_of(arguments: argparse.Namespace) -> Scaling | None:
    """Return what the arguments say; None: nothing.

    Raises:
        BadCallError: a number is out of its range.
    """
    from runpod_sdk.emulator import Scaling  # noqa: PLC0415  --help does not need it

    names = ("max_workers", "min_workers", "step", "idle_timeout", "cold_start", "warm_start", "warm_for")
    given: dict[str, Any] = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    if arguments.scaler is not None:
        given["scaler"], given["scaler_value"] = arguments.scaler
    if not given:
        return None
    try:
        return Scaling(**given, seed=arguments.seed)
    except ValueError as error:
        raise BadCallError(as_options(str(error))) from None


def seconds_of(text: str) -> float | tuple[float, ...]:
    """Read a time, with a unit or in seconds; two with ".." between; or some with commas, as they were measured.

    Raises:
        argparse.ArgumentTypeError: it is none of these.
    """
    try:
        if ".." not in text:
            first, *more = [seconds(each) for each in text.split(",")]
            return (first, *more) if more else first
        low, high = map(seconds, text.split(".."))
    except (ValueError, argparse.ArgumentTypeError):
        expected = "seconds expected, or times such as 30s, 20s..2m or 18,25,31,80"
        raise argparse.ArgumentTypeError(f"{text!r}: {expected}") from None
    if low > high:
        raise argparse.ArgumentTypeError(f"{text!r}: the shorter time comes first")
    return low, high


def as_options(text: str) -> str:
    """Return an error of Python's with the options that its arguments are called here."""

    def called(match: re.Match[str]) -> str:
        name = match[1]
        return f"--{_OPTIONS.get(name, name.replace('_', '-'))} "

    return _ARGUMENT.sub(called, text)


def _scaler(text: str) -> tuple[str, float]:
    name, _, value = text.partition(":")
    try:
        scaler, number = _SCALERS[name], float(value or 4)
    except (KeyError, ValueError):
        number = math.nan
        scaler = ""
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r}: request-count:4 or queue-delay:4 expected")
    return scaler, number
