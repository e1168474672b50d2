"""Does the same to several jobs: one failure does not stop the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._session import calling, checked, told

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from runpod_sdk import Endpoint, Job


def each_job(arguments: argparse.Namespace, act: Callable[[Job], object]) -> int:
    """Do something with each of the jobs, and return the exit code: 1 if one of them could not be asked about."""
    from runpod_sdk.errors import RunpodError  # noqa: PLC0415  --help does not need it

    def all_of_them(endpoint: Endpoint) -> int:
        with checked():
            jobs = [endpoint.job(job_id) for job_id in dict.fromkeys(arguments.jobs)]
        code = 0
        for job in jobs:
            try:
                act(job)
            except RunpodError as error:
                code = told(arguments, error)
        return code

    return calling(arguments, all_of_them)
