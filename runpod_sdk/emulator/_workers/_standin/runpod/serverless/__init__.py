"""`runpod.serverless`: what a worker file calls."""

from __future__ import annotations

import sys
from typing import Any

from .._missing import missing_from
from ..version import __version__ as runpod_version
from . import modules, utils
from .modules.rp_fitness import register_fitness_check
from .modules.rp_logger import RunPodLogger

__all__ = ["log", "modules", "progress_update", "register_fitness_check", "runpod_version", "start", "utils"]

log = RunPodLogger()


def start(config: dict[str, Any]) -> None:  # noqa: ARG001  the official signature
    """Run a worker; replaced by the loader of the worker's file."""
    raise RuntimeError("runpod.serverless.start: no emulator is loading this file; run `runpod-sdk emulate FILE`")


def progress_update(job: dict[str, Any], progress: Any) -> None:  # noqa: ARG001  the official signature
    """Show `progress` as the output of a running job; replaced like `start`."""
    sys.stderr.write(f"{job['id']} | progress of a process that is no worker is not sent\n")


def _set_config_args(config: dict[str, Any]) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]  as in the package
    """Take the package's own arguments out of `sys.argv`, into `config["rp_args"]`."""
    if len(sys.argv) < 2:
        config["rp_args"] = {}
        return config
    from argparse import ArgumentParser  # noqa: PLC0415  few workers are given arguments

    parser = ArgumentParser(prog="runpod", description="Runpod Serverless Worker Arguments.")
    for name, default in (("log_level", None), ("api_host", "localhost")):
        parser.add_argument(f"--rp_{name}", default=default)
    for name, number in (("api_port", 8000), ("api_concurrency", 1)):
        parser.add_argument(f"--rp_{name}", type=int, default=number)
    for name in ("debugger", "serve_api"):
        parser.add_argument(f"--rp_{name}", action="store_true", default=None)
    parser.add_argument("--test_input")
    found, rest = parser.parse_known_args()
    sys.argv = [sys.argv[0], *rest]
    config["rp_args"] = vars(found)
    return config


__getattr__ = missing_from(__name__, {"VolumeCache": "utils.rp_volume_cache"})
