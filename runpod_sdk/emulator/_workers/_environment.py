"""The environment variables of a worker."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_PING_INTERVAL_MS = 10_000  # official source: rp_ping.py, the default; below 1000 its pinger ends
# What a worker must not inherit. RUNPOD_REALTIME_PORT makes the official worker a server of its own.
_NOT_INHERITED = ("RUNPOD_REALTIME_PORT", "RUNPOD_REALTIME_CONCURRENCY")
_UNLESS_SET = {
    "PYTHONUNBUFFERED": "1",
    # What the URLs of a test lead to is mostly this machine, which the official rp_download refuses.  # rp_ssrf.py
    "RUNPOD_ALLOW_PRIVATE_DOWNLOAD_URLS": "true",
}


def whole_environment(given: Mapping[str, str]) -> dict[str, str]:
    """Return all that a worker's process finds: what this process has, and what is given."""
    inherited = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
    return {**_UNLESS_SET, **inherited, **given}


def worker_environment(url: str, api_key: str, endpoint_id: str, worker_id: str) -> dict[str, str]:
    """Return what the official worker library has to find in its environment to work for an endpoint.

    Source: runpod-python 1.12.0, serverless/modules. Every template holds a "?", because the worker appends "&…".

    Args:
        url: the base URL, ending in /v2, as the worker reaches it.
        api_key: the emulator's key.
        endpoint_id: the endpoint.
        worker_id: what the worker is called; no two may share one.
    """
    base = f"{url}/{endpoint_id}"
    stream = f"{base}/job-stream/$RUNPOD_POD_ID/$ID?gpu=cpu"
    return {
        "RUNPOD_WEBHOOK_GET_JOB": f"{base}/job-take/$ID?gpu=cpu",
        "RUNPOD_WEBHOOK_POST_OUTPUT": f"{base}/job-done/$RUNPOD_POD_ID/$ID?gpu=cpu",
        "RUNPOD_WEBHOOK_POST_STREAM": stream,
        "RUNPOD_WEBHOOK_JOB_STREAM": stream,  # the name in the official example; 1.12.0 never reads it
        "RUNPOD_WEBHOOK_PING": f"{base}/ping/$RUNPOD_POD_ID?gpu=cpu",
        "RUNPOD_PING_INTERVAL": str(_PING_INTERVAL_MS),
        "RUNPOD_AI_API_KEY": api_key,
        "RUNPOD_POD_ID": worker_id,
        "RUNPOD_POD_HOSTNAME": f"{worker_id}-emulator",
        "RUNPOD_ENDPOINT_ID": endpoint_id,
        # Without these a worker looks for a GPU, for memory, and for the internet, and exits where one is missing.
        "RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true",
        "RUNPOD_SKIP_GPU_CHECK": "true",
    }
