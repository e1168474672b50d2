"""`runpod.serverless.modules.rp_http`: for files that send results by hand.

A worker process, and a file that is loaded in the process of the tests, replace both functions; what is sent reaches
the emulator as if it had come over HTTP. The addresses are there for files that look at them.
"""

from __future__ import annotations

import os
from typing import Any

from .rp_logger import RunPodLogger
from .worker_state import WORKER_ID

JOB_DONE_URL_TEMPLATE = os.environ.get("RUNPOD_WEBHOOK_POST_OUTPUT", "JOB_DONE_URL")
JOB_DONE_URL = JOB_DONE_URL_TEMPLATE.replace("$RUNPOD_POD_ID", WORKER_ID)
JOB_STREAM_URL_TEMPLATE = os.environ.get("RUNPOD_WEBHOOK_POST_STREAM", "JOB_STREAM_URL")
JOB_STREAM_URL = JOB_STREAM_URL_TEMPLATE.replace("$RUNPOD_POD_ID", WORKER_ID)

log = RunPodLogger()


async def send_result(session: Any, job_data: Any, job: dict[str, Any], is_stream: bool = False) -> None:  # noqa: ARG001, FBT001, FBT002  the official signature
    """Send a job's result, or its progress."""
    log.log("A result of a process that is no worker is not sent.", "ERROR", job["id"])


async def stream_result(session: Any, job_data: Any, job: dict[str, Any]) -> None:  # noqa: ARG001  the official signature
    """Send a chunk of a job's stream."""
    log.log("A chunk of a process that is no worker is not sent.", "ERROR", job["id"])


async def _transmit(client_session: Any, url: str, job_data: str) -> None:  # pyright: ignore[reportUnusedFunction]  files replace it
    """Do nothing: what is sent goes another way."""
