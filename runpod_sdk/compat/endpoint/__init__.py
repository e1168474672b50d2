"""The classes of the official `runpod.endpoint` and its submodules."""

from __future__ import annotations

from runpod_sdk.compat._async import AsyncioEndpoint, AsyncioJob
from runpod_sdk.compat._sync import Endpoint, Job, RunPodClient

__all__ = ["AsyncioEndpoint", "AsyncioJob", "Endpoint", "Job", "RunPodClient"]
