"""Arguments of `emulate` that are refused before anything starts."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

from runpod_sdk.cli._session import BadCallError

if TYPE_CHECKING:
    import argparse

DEFAULT_ENDPOINT = "local"
DEFAULT_KEY = "test"


def check(arguments: argparse.Namespace) -> None:
    """Refuse values that make no sense."""
    arguments.external = arguments.external or arguments.env_file is not None
    arguments.module = None if arguments.module is None else f"-m {arguments.module}"
    given = [arguments.target, arguments.module, arguments.worker, arguments.external or None]
    if sum(each is not None for each in given) > 1:
        raise BadCallError("one of FILE, -m, --worker and --external (which --env-file means) runs the jobs")
    if arguments.behind and (arguments.worker is not None or arguments.external):
        raise BadCallError("--: arguments after it are for FILE and -m")
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
    named = [name.partition("=") for name in arguments.endpoint or [DEFAULT_ENDPOINT]]
    if len([name for name, mark, _ in named if not mark]) > 1 and arguments.env_file:
        raise BadCallError("--env-file: it is for one endpoint")
    for file in [arguments.target, *(file for _, mark, file in named if mark)]:
        if file is not None and not file.startswith("-m ") and (not file or Path(file).is_dir()):
            raise BadCallError(f"{file or 'FILE'}: a worker's file expected" + (", not a folder" if file else ""))
