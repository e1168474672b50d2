"""How an endpoint scales, as arguments say it: shared by the commands that scale one."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ._session import BadCallError

if TYPE_CHECKING:
    from runpod_sdk.emulator import Scaling

_SCALERS = {"request-count": "request_count", "queue-delay": "queue_delay"}


def add_scaling(parser: argparse._ArgumentGroup) -> None:
    """Take arguments for `Scaling`; those that are not given are None."""
    parser.add_argument("--max-workers", type=int, metavar="N", help="no more workers than this are up (3)")
    parser.add_argument("--min-workers", type=int, metavar="N", help="so many workers are always up (0)")
    parser.add_argument("--scaler", type=_scaler, metavar="NAME:N", help="request-count:N or queue-delay:N (…-delay:4)")
    parser.add_argument("--step", type=int, metavar="N", help="queue-delay adds no more workers at once")
    parser.add_argument("--idle-timeout", type=float, metavar="S", help="a worker without a job stops after it (5)")
    parser.add_argument(
        "--cold-start", type=seconds_of, metavar="S|A..B", help="how long a start takes: 30, 20..90, 18,25,31,80 (10)"
    )
    parser.add_argument("--warm-start", type=seconds_of, metavar="S|A..B", help="the same of a warm one (1)")
    parser.add_argument("--warm-for", type=float, metavar="S", help="a worker that has stopped starts warm for so long")


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
        raise BadCallError(str(error)) from None


def seconds_of(text: str) -> float | tuple[float, ...]:
    """Read seconds: one number; two with ".." between; or some with commas, as they were measured.

    Raises:
        argparse.ArgumentTypeError: it is none of these.
    """
    try:
        if ".." in text:
            low, high = text.split("..")
            return float(low), float(high)
        numbers = [float(each) for each in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: seconds expected, such as 30, 20..90 or 18,25,31,80") from None
    return tuple(numbers) if len(numbers) > 1 else numbers[0]


def _scaler(text: str) -> tuple[str, float]:
    name, _, value = text.partition(":")
    try:
        return _SCALERS[name], float(value or 4)
    except (KeyError, ValueError):
        raise argparse.ArgumentTypeError(f"{text!r}: request-count:4 or queue-delay:4 expected") from None
