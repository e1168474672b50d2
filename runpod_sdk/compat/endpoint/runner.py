"""The classes of the official `runpod.endpoint.runner`."""

from __future__ import annotations

from runpod_sdk.compat._sync import Endpoint, Job, RunPodClient

from .helpers import API_KEY_NOT_SET_MSG, FINAL_STATES, UNAUTHORIZED_MSG, is_completed

__all__ = [
    "API_KEY_NOT_SET_MSG",
    "FINAL_STATES",
    "UNAUTHORIZED_MSG",
    "Endpoint",
    "Job",
    "RunPodClient",
    "is_completed",
]
